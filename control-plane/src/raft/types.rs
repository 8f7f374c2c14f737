//! The types the raft library is instantiated with, and short names for them.

use std::any::Any;
use std::fmt;

use bosun_proto::log as wire;
use bytes::Bytes;
use openraft::impls::leader_id_adv;
use prost::Message;

use super::runtime::HostRuntime;

/// The number of a server. Never reused within a cluster.
pub type NodeId = u64;

/// What servers know about each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// The name people use.
    pub name: String,
    /// host:port of its gRPC endpoint for other servers.
    pub address: String,
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.name, self.address)
    }
}

/// Encoded commands (a [`wire::Entry`]): encoded once where they are proposed; the same bytes go to disk, to the
/// followers and into `apply`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proposal(pub(super) Bytes);

impl Proposal {
    pub(super) fn encode(commands: &wire::Entry) -> Self {
        Self(Bytes::from(commands.encode_to_vec()))
    }

    pub(super) fn decode(self) -> Result<wire::Entry, prost::DecodeError> {
        wire::Entry::decode(self.0)
    }
}

impl fmt::Debug for Proposal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes of commands", self.0.len())
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// What the commands of an entry led to, on its way from the state machine through the library to the proposer. The
/// library's types are declared once for every state machine, so the outcomes' own type is erased on the way; both ends
/// belong to one [`super::RaftNode`] and agree on it.
pub(super) struct Outcomes(Option<Box<dyn Any + Send + Sync>>);

impl Outcomes {
    /// For entries that carry no commands.
    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn new<O: Send + Sync + 'static>(outcomes: Vec<O>) -> Self {
        Self(Some(Box::new(outcomes)))
    }

    /// The outcomes; empty for entries without commands.
    pub(super) fn take<O: 'static>(self) -> Vec<O> {
        let typed = self.0.and_then(|outcomes| outcomes.downcast::<Vec<O>>().ok());
        typed.map_or_else(Vec::new, |outcomes| *outcomes)
    }
}

impl fmt::Debug for Outcomes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("outcomes")
    }
}

openraft::declare_raft_types!(
    /// The library's type parameters.
    pub(super) Types:
        D = Proposal,
        R = Outcomes,
        NodeId = NodeId,
        Node = Server,
        AsyncRuntime = HostRuntime,
);

pub(super) type LeaderId = leader_id_adv::LeaderId<u64, NodeId>;
pub(super) type LogId = openraft::LogId<LeaderId>;
pub(super) type Vote = openraft::impls::Vote<LeaderId>;
pub(super) type Payload = openraft::EntryPayload<Proposal, NodeId, Server>;
pub(super) type Entry = openraft::Entry<LeaderId, Payload>;
pub(super) type Membership = openraft::Membership<NodeId, Server>;
pub(super) type StoredMembership = openraft::StoredMembership<LeaderId, NodeId, Server>;
/// What the library reports about itself.
pub(super) type RaftMetrics = openraft::RaftMetrics<Types>;
/// The library's reports about itself.
pub(super) type MetricsWatch =
    openraft::type_config::alias::WatchReceiverOf<Types, openraft::RaftMetrics<Types>>;
pub(super) type SnapshotMeta = openraft::SnapshotMeta<LeaderId, NodeId, Server>;
