//! Agreement between the servers: the only module that knows the raft library.
//!
//! Owns the log on disk, the snapshot files, the messages between servers and the running node. What is agreed on
//! (an encoded [`bosun_proto::log::Entry`]) and what it does are the business of a [`StateMachine`]. Everything above
//! sees [`RaftNode`]: propose an entry, watch who leads, wait until reads are current.
//!
//! ```text
//! propose ─▶ raft library ─▶ log/ (fsync, group commit) ─▶ machine.rs ─▶ StateMachine::apply ─▶ outcomes
//!                 │                                            └─▶ snapshots.rs
//!                 └─▶ network.rs ─▶ (gRPC) ─▶ service.rs of another server
//! ```

mod calls;
mod catch_up;
mod contact;
#[cfg(test)]
mod damage_tests;
mod error;
mod housekeeping;
mod leadership;
mod log;
mod machine;
#[cfg(test)]
mod machine_tests;
mod membership;
mod messages;
mod network;
mod node;
#[cfg(test)]
mod node_tests;
mod runtime;
mod service;
mod settings;
mod snapshots;
#[cfg(test)]
mod storage_suite_tests;
#[cfg(test)]
mod test_machine;
mod types;

use std::fmt::Debug;
use std::io::{self, Read, Write};

use bosun_proto::log::Entry;

pub use contact::{CLOCK_DRIFT_PERCENT, LastContact, LeaderContact, QuorumContact, Seen as SeenQuorum};
pub use error::{ProposeError, ReadError, StartError};
pub use leadership::{Leader, Leadership};
pub use membership::{ChangeError, Member, Members, MembershipChange};
pub(crate) use node::holds_log;
pub use node::{RaftNode, RaftStatus};
pub use service::RaftService;
pub use settings::{RaftSettings, StorageLimits};
pub use snapshots::{read_message, write_message};
pub use types::{NodeId, Server};

/// The largest entry that may be proposed, in bytes: the log would write a larger one and could not read it back.
pub const ENTRY_BYTES_MAX: usize = log::RECORD_BYTES_MAX - (1 << 20);

/// Writes one state, taken at one moment, to a snapshot. Runs later and elsewhere than the moment it was taken, so that
/// encoding never holds up `apply`.
pub type SnapshotEncoder = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// What the agreed entries do. Total and deterministic: every server that applies the same entries holds the same state.
pub trait StateMachine: Send + Sync + 'static {
    /// What became of one command.
    type Outcome: Debug + Send + Sync + 'static;

    /// Applies one agreed entry and says what became of each of its commands, in their order. An error means that this
    /// version cannot read it, and stops the node: to go on without it would be to hold another state than the others.
    fn apply(&mut self, entry: Entry) -> io::Result<Vec<Self::Outcome>>;

    /// Lets readers see what was applied. Called after each run of entries, before their outcomes are handed to those
    /// who proposed them, so that whoever got an answer finds it when reading; also after [`StateMachine::restore`].
    fn publish(&mut self) {}

    /// Takes the state as it is now. Must be cheap; the encoder does the work.
    fn snapshot(&self) -> SnapshotEncoder;

    /// Replaces the state by the one that an encoder of [`StateMachine::snapshot`] wrote. The content has been verified
    /// to be what was written; an error means that this version cannot read it.
    fn restore(&mut self, content: &mut dyn Read) -> io::Result<()>;
}
