//! This server's copy of the state: read it here, and propose changes to all copies.
//!
//! Reads are snapshots of what this server has applied, after asking the leader how far that must be if they are to be current.
//! Writes go through raft: commands that arrive while a write to disk
//! is under way share the next one.

mod machine;
mod proposer;
mod reads;

use bosun_core::state::{Command, NO_REQUEST, Outcome, RequestId, Snapshot, Write};
use bosun_host::Host;
use bosun_proto::Time;
use tokio::sync::watch;

pub(crate) use machine::ReplicatedState;
use proposer::Proposer;
use reads::Reads;

use crate::raft::{Leadership, ProposeError, RaftNode, RaftSettings, ReadError, StartError};

/// The raft node of this program.
pub(crate) type Node = RaftNode<ReplicatedState>;

/// A handle on the replicated state. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Replica {
    node: Node,
    proposer: Proposer,
    reads: Reads,
    snapshots: watch::Receiver<Snapshot>,
    /// False while nothing may be written yet.
    accepting: watch::Sender<bool>,
    host: Host,
}

impl Replica {
    /// Starts raft on what the data directory holds.
    pub(crate) async fn start(settings: RaftSettings, host: &Host) -> Result<Self, StartError> {
        let (state, snapshots) = ReplicatedState::new();
        let node = Node::start(settings, host.clone(), state).await?;
        let proposer = Proposer::start(node.clone());
        let reads = Reads::start(node.clone());
        Ok(Self {
            node,
            proposer,
            reads,
            snapshots,
            accepting: watch::Sender::new(true),
            host: host.clone(),
        })
    }

    /// Whether writes are taken. A server that forms a cluster with others takes none before they are there: an
    /// acknowledged write would have one copy only.
    pub(crate) fn accept_writes(&self, accept: bool) {
        self.accepting.send_replace(accept);
    }

    /// Returns once writes are taken.
    pub(crate) async fn accepts_writes(&self) {
        // The sender lives as long as this.
        drop(self.accepting.subscribe().wait_for(|accepting| *accepting).await);
    }

    /// The state as this server has applied it.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.snapshots.borrow().clone()
    }

    /// The state with everything that was acknowledged, by anyone, before the call.
    pub(crate) async fn current(&self) -> Result<Snapshot, ReadError> {
        self.reads.catch_up().await?;
        Ok(self.snapshot())
    }

    /// A receiver that wakes whenever something was applied.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Snapshot> {
        self.snapshots.clone()
    }

    /// Who leads, as far as this server knows.
    pub(crate) fn leadership(&self) -> watch::Receiver<Leadership> {
        self.node.leadership()
    }

    /// The term in which this server leads, if it is certain of that at `now`: no other leader that could have given a node
    /// up can exist. Waits for nothing, so it also holds for a process that has just been continued after a stop.
    pub(crate) fn certain_term(&self, now: tokio::time::Instant) -> Option<u64> {
        let leads = self.node.leadership().borrow().leader;
        let contact = self.node.quorum_contact().filter(|contact| contact.holds(now))?;
        leads.then_some(contact.term)
    }

    /// The raft node itself.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// This server's clock, as the state's times have it.
    pub(crate) fn now(&self) -> Time {
        Time::from(self.host.clock.wall())
    }

    /// Proposes one transaction and waits until it is on a quorum's disks and applied here.
    pub(crate) async fn propose(&self, writes: Vec<Write>) -> Result<Outcome, ProposeError> {
        self.propose_for(NO_REQUEST, writes).await
    }

    /// The same for a client's request, which is carried out once however often it is proposed.
    pub(crate) async fn propose_for(
        &self,
        request_id: RequestId,
        writes: Vec<Write>,
    ) -> Result<Outcome, ProposeError> {
        if !*self.accepting.borrow() {
            return Err(ProposeError::NoLeader);
        }
        let command = Command {
            request_id,
            time: self.now(),
            writes,
        };
        self.proposer.propose(&command).await
    }
}
