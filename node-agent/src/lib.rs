//! The node agent: dials the control plane and runs what it is assigned.
//!
//! [`run`] is the whole of it. Decisions are pure: [`sync`] says which pods there are, [`pod`] what each needs next. The
//! rest carries that out: a [`runtime`] for containers, a session to the control plane for everything else.

mod agent;
mod config;
mod due;
mod error;
mod heartbeat;
pub mod journal;
pub mod leaderless;
pub mod lease;
mod logs;
mod node_object;
pub mod pod;
mod report;
pub mod runtime;
mod session;
pub mod sync;

pub use agent::run;
pub use config::{Config, PODS_DEFAULT};
pub use error::AgentError;
