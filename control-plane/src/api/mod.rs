//! What clients may ask: the verbs, and the wires they arrive on.
//!
//! [`verbs`] and [`watch`] know no wire; [`grpc`] only translates.

pub(crate) mod grpc;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod verbs;
pub(crate) mod watch;
