//! Containers that outlive the agent. A supervisor is a small process of its own that holds a [`ProcessRuntime`]: it starts
//! the containers, takes in their output, records their ends, and enforces the lease on fenced ones, with or without an
//! agent. The agent's side is [`SupervisedRuntime`], which starts a supervisor when there is none.
//!
//! There is one per data directory, not one per container: starting a container costs what it costs in the agent, plus a
//! message. It listens on a local socket in the data directory; the messages are in
//! `proto/proto/bosun/supervisor/v1/supervisor.proto`. Logs are read over connections of their own, so that the kernel
//! makes a fast writer wait for a slow reader.
//!
//! | who ends | what happens |
//! |---|---|
//! | the agent | containers go on; the next agent takes them up and hears what it missed |
//! | the agent, having said that all ends with it | the supervisor stops all containers and ends |
//! | the supervisor | the agent starts another, which kills what is left and tells ContainerStatusUnknown |
//! | both | fenced containers and others go on unwatched until the next start, which kills what is left |
//!
//! [`ProcessRuntime`]: super::process::ProcessRuntime

mod client;
mod connect;
mod conversation;
mod log_reading;
mod message;
mod program;
mod server;
mod wire;

#[cfg(test)]
mod supervisor_tests;
#[cfg(test)]
pub(crate) mod testing;

use std::path::{Path, PathBuf};

pub use client::{Lifetime, SupervisedRuntime};
pub use connect::StartSupervisor;
pub use program::{READY, own_program, supervise};
#[cfg(test)]
pub(crate) use server::serve;

/// The version of what agent and supervisor say to each other. Raised when an older side would misunderstand.
const PROTOCOL: u32 = 1;

/// Where the supervisor of a data directory listens.
fn socket_path(directory: &Path) -> PathBuf {
    directory.join("supervisor.sock")
}

/// What a supervisor holds as long as it lives.
fn lock_path(directory: &Path) -> PathBuf {
    directory.join("supervisor.lock")
}

/// The number of its process, for people.
fn pid_path(directory: &Path) -> PathBuf {
    directory.join("supervisor.pid")
}
