//! The pure heart of the control plane: what the state is, what may change it, and what to do next.
//!
//! Everything here is a function of its arguments. There is no clock, no randomness, no network, no file and no task: the
//! [`state`] machine is a deterministic function of the log, [`admission`], the [`controllers`] and the [`scheduler`] are
//! functions of a snapshot and a time. Whoever runs them (the server's leader driver, a test, the simulator) brings both.

pub mod admission;
pub mod controllers;
pub mod cron;
pub mod event;
pub mod kinds;
pub mod liveness;
pub mod plan;
pub mod refusal;
pub mod scheduler;
pub mod stamp;
pub mod state;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
