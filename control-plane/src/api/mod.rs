//! What clients may ask: the verbs, and the wires they arrive on.
//!
//! [`verbs`] and [`watch`] know no wire; [`grpc`] only translates; [`forward`] brings to the leader what needs it.

pub(crate) mod forward;
pub(crate) mod freshness;
pub(crate) mod grpc;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod verbs;
pub(crate) mod watch;
