//! Typed client of the Bosun API: one channel to several servers, generic verbs, watches that resume.
//!
//! What the objects are is `bosun-proto`'s business, what may be done to them the control plane's. This crate decides only
//! when a request may be sent again: reads and writes always, since each write has an id under which it is done once; changes
//! of the cluster itself only when it is certain that no server acted on them.

mod client;
mod cluster;
pub mod endpoint;
mod error;
mod follow;
mod list;
mod logs;
#[cfg(test)]
mod resume_tests;
mod retry;
#[cfg(test)]
mod scripted_server;
mod severable;
mod watch;

pub use client::{Client, Deleted, PatchKind, Written};
pub use cluster::{ServerEntry, ServerState, Servers};
pub use endpoint::AddressError;
pub use error::{ApiError, Cause, Refusal};
pub use follow::{Follow, Step};
pub use list::{List, Query};
pub use logs::{LogOptions, LogStream};
pub use retry::Patience;
pub use watch::{Change, ChangeKind, Watch};
