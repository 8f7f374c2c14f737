//! Who takes part, as the rest of the server sees it, and how that is changed. What should be changed is decided above.
//!
//! A server's number is the index that the entry which takes it in has at least. Every leader that comes later holds that
//! entry, so the number it would choose is larger: no number is given twice, not even after its server is gone, and
//! nothing has to be counted or kept for it. The numbers stay small because servers are taken in when a cluster is young; people use names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::raft::Precondition;
use openraft::rt::WatchReceiver;
use openraft::{ChangeMembers, Instant};

use super::StateMachine;
use super::leadership::Leader;
use super::node::{RaftNode, leader};
use super::types::{LogId, MetricsWatch, NodeId, RaftMetrics, Server};

/// The servers of the cluster at one moment.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// In the order of their numbers.
    pub servers: Vec<Member>,
    /// No change is under way: the newest membership is agreed on and has one set of voters.
    pub settled: bool,
    /// The index of the newest entry in this server's log.
    pub last_index: u64,
    /// The entry that set this membership; a change decided on it fails once there is a newer one.
    at: Option<LogId>,
}

/// One server of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub node_id: NodeId,
    /// Its name and address.
    pub server: Server,
    /// It votes; otherwise it is a learner.
    pub voter: bool,
    /// How long ago it last answered this server; `None` unless this server leads and has been answered.
    pub heard: Option<Duration>,
    /// The last entry it is known to have; `None` unless this server leads and knows one.
    pub matched_index: Option<u64>,
}

impl Members {
    /// The member with this number.
    pub fn find(&self, node_id: NodeId) -> Option<&Member> {
        self.servers.iter().find(|member| member.node_id == node_id)
    }

    /// Those that vote.
    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.servers.iter().filter(|member| member.voter)
    }

    /// For tests of what is decided on members.
    #[cfg(test)]
    pub(crate) fn seen(servers: Vec<Member>, settled: bool) -> Self {
        Self {
            servers,
            settled,
            last_index: 0,
            at: None,
        }
    }

    fn from_metrics(metrics: &RaftMetrics) -> Self {
        let stored = &metrics.membership_config;
        let voters: BTreeSet<NodeId> = stored.membership().voter_ids().collect();
        let heard = |node_id: &NodeId| {
            if *node_id == metrics.id {
                return Some(Duration::ZERO);
            }
            let at = metrics.heartbeat.as_ref()?.get(node_id)?.as_ref()?;
            Some(at.elapsed())
        };
        let matched = |node_id: &NodeId| {
            let known = metrics.replication.as_ref()?.get(node_id)?.as_ref()?;
            Some(known.index)
        };
        let member = |(node_id, server): (&NodeId, &Server)| Member {
            node_id: *node_id,
            server: server.clone(),
            voter: voters.contains(node_id),
            heard: heard(node_id),
            matched_index: matched(node_id),
        };
        Self {
            servers: stored.membership().nodes().map(member).collect(),
            settled: stored.membership().get_joint_config().len() == 1
                && stored.log_id() == metrics.committed_membership_config.log_id(),
            last_index: metrics.last_log_index.unwrap_or(0),
            at: *stored.log_id(),
        }
    }
}

/// A step from one membership to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MembershipChange {
    /// Take in a server as a learner under a new number, in place of these learners.
    Add {
        /// Its name and address.
        server: Server,
        /// Learners to be taken out in the same step.
        replacing: BTreeSet<NodeId>,
    },
    /// Let a learner vote, in place of these voters, which are taken out in the same step.
    Promote {
        /// The learner.
        node_id: NodeId,
        /// Voters whose place it takes.
        replacing: BTreeSet<NodeId>,
    },
    /// Take a server out.
    Remove {
        /// The server.
        node_id: NodeId,
        /// Whether it votes.
        voter: bool,
    },
    /// Give a server another name or address.
    Update {
        /// The server.
        node_id: NodeId,
        /// What is true of it now.
        server: Server,
    },
    /// End a change that an earlier leader left half done.
    Settle,
}

/// Why the membership did not change.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChangeError {
    /// This server does not lead; nothing was changed. Ask the leader, if one is known.
    #[error("this server does not lead")]
    NotLeader(Option<Leader>),
    /// The membership is not (any more) what the change was decided on. Decide again.
    #[error("another change of the servers is under way or came first; try again")]
    Superseded,
    /// The raft library refused it or stopped.
    #[error("the servers cannot be changed: {0}")]
    Failed(String),
}

impl<M: StateMachine> RaftNode<M> {
    /// The servers of the cluster, as far as this one knows.
    pub fn members(&self) -> Members {
        let metrics = self.inner.raft.metrics().borrow_watched().clone();
        Members::from_metrics(&metrics)
    }

    /// Has a change agreed on that was decided on `members`. Returns the number of the server it is about (0 for
    /// [`MembershipChange::Settle`]).
    pub async fn change_members(
        &self,
        members: &Members,
        change: MembershipChange,
    ) -> Result<NodeId, ChangeError> {
        let (subject, change) = self.to_library(change);
        // Unchanged since the decision: so two servers that ask at once cannot get one number.
        let unchanged = Precondition::LastMembershipLogId {
            last_membership_log_id: members.at,
        };
        let changed = self
            .inner
            .raft
            .change_membership_if(change, false, [unchanged])
            .await;
        match changed {
            Ok(_) => Ok(subject),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                Err(ChangeError::NotLeader(leader(forward)))
            }
            Err(RaftError::APIError(
                ClientWriteError::PreconditionFailed(_)
                | ClientWriteError::LogEntryDiscarded(_)
                | ClientWriteError::ChangeMembershipError(
                    ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_),
                ),
            )) => Err(ChangeError::Superseded),
            Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(error))) => {
                Err(ChangeError::Failed(error.to_string()))
            }
            Err(RaftError::Fatal(_)) => Err(ChangeError::Failed(self.reason())),
        }
    }

    fn to_library(&self, change: MembershipChange) -> (NodeId, ChangeMembers<NodeId, Server>) {
        match change {
            MembershipChange::Add { server, replacing } => {
                let last = self.inner.log.extent().last;
                let node_id = last.map_or(0, |last| last.index) + 1;
                let add = ChangeMembers::AddNodes(BTreeMap::from([(node_id, server)]));
                (
                    node_id,
                    ChangeMembers::Batch(vec![ChangeMembers::RemoveNodes(replacing), add]),
                )
            }
            MembershipChange::Promote { node_id, replacing } => {
                let add = ChangeMembers::AddVoterIds(BTreeSet::from([node_id]));
                (
                    node_id,
                    ChangeMembers::Batch(vec![ChangeMembers::RemoveVoters(replacing), add]),
                )
            }
            MembershipChange::Remove { node_id, voter } => {
                let ids = BTreeSet::from([node_id]);
                let change = if voter {
                    ChangeMembers::RemoveVoters(ids)
                } else {
                    ChangeMembers::RemoveNodes(ids)
                };
                (node_id, change)
            }
            MembershipChange::Update { node_id, server } => (
                node_id,
                ChangeMembers::SetNodes(BTreeMap::from([(node_id, server)])),
            ),
            MembershipChange::Settle => (0, ChangeMembers::AddVoterIds(BTreeSet::new())),
        }
    }
}

/// Calls `changed` with the addresses of the others whenever the membership changes, until the library stops.
pub(super) async fn follow_addresses(mut metrics: MetricsWatch, changed: impl Fn(BTreeMap<NodeId, String>)) {
    let mut known = None;
    loop {
        let stored = metrics.borrow_and_update().membership_config.clone();
        if known.as_ref() != Some(stored.log_id()) {
            known = Some(*stored.log_id());
            let nodes = stored.membership().nodes();
            changed(
                nodes
                    .map(|(node_id, server)| (*node_id, server.address.clone()))
                    .collect(),
            );
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
}
