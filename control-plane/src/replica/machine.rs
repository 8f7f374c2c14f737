//! The state machine as raft drives it: core's machine, and a place where readers find its latest snapshot.

use std::io::{self, Read};

use bosun_core::state::{Machine, Outcome, Snapshot, encode_snapshot};
use bosun_proto::log::Entry;
use tokio::sync::watch;

use crate::raft::{SnapshotEncoder, StateMachine};

/// Core's state machine behind raft.
pub(crate) struct ReplicatedState {
    machine: Machine,
    published: watch::Sender<Snapshot>,
}

impl ReplicatedState {
    /// An empty state and the receiver of what it becomes.
    pub(crate) fn new() -> (Self, watch::Receiver<Snapshot>) {
        let machine = Machine::default();
        let (published, snapshots) = watch::channel(machine.snapshot());
        (Self { machine, published }, snapshots)
    }
}

impl StateMachine for ReplicatedState {
    type Outcome = Outcome;

    fn apply(&mut self, entry: Entry) -> io::Result<Vec<Outcome>> {
        self.machine.apply(entry).map_err(io::Error::other)
    }

    fn publish(&mut self) {
        self.published.send_replace(self.machine.snapshot());
    }

    fn snapshot(&self) -> SnapshotEncoder {
        let state = self.machine.snapshot();
        Box::new(move |out| encode_snapshot(&state, out))
    }

    fn restore(&mut self, content: &mut dyn Read) -> io::Result<()> {
        let state = Snapshot::decode(content).map_err(io::Error::other)?;
        self.machine = Machine::new(state);
        Ok(())
    }
}
