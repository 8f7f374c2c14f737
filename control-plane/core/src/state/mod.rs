//! The replicated state: a deterministic function of the log.
//!
//! [`Machine::apply`] is the only way in. It takes no time, no randomness and no configuration from outside the entry and
//! it cannot fail: a command whose preconditions do not hold gets a [`Rejection`] as its outcome. (What this version cannot
//! read was never applied by it; the server stops.) Everyone else reads
//! [`Snapshot`]s, which are cheap to take (tens of nanoseconds) and never change.

mod codec;
mod history;
mod index;
mod machine;
mod persist;
mod precondition;
mod requests;
#[cfg(test)]
mod requests_tests;
mod snapshot;
mod usage;
mod write;

pub use codec::{ENTRY_FORMAT, UnreadableCommand, UnreadableEntry};
pub use history::{Change, History, TooOld};
pub use machine::Machine;
pub use persist::{DamagedSnapshot, encode_snapshot};
pub use requests::{Done, NO_REQUEST, RequestId};
pub use snapshot::Snapshot;
pub use usage::Usage;
pub use write::{Command, Outcome, Reason, Rejection, Write};

#[cfg(test)]
mod machine_tests;
