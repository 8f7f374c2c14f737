//! Translation between the raft library's types and our own messages, in which everything is stored and sent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bosun_proto::log as wire;
use bosun_proto::log::log_entry::Payload as WirePayload;
use openraft::vote::RaftLeaderId;

use super::types::{
    Entry, LeaderId, LogId, Membership, Payload, Proposal, Server, SnapshotMeta, StoredMembership, Vote,
};

/// A message that lacks what it must have, or contradicts itself.
#[derive(Debug)]
pub(super) struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "malformed message: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

impl From<Malformed> for std::io::Error {
    fn from(error: Malformed) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

impl From<Malformed> for tonic::Status {
    fn from(error: Malformed) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

/// The field, or an error that says what is missing.
pub(super) fn required<T>(field: Option<T>, what: &'static str) -> Result<T, Malformed> {
    field.ok_or(Malformed(what))
}

pub(super) fn log_id_to_wire(log_id: &LogId) -> wire::LogId {
    let leader = log_id.committed_leader_id();
    wire::LogId {
        term: leader.term,
        node_id: leader.node_id,
        index: log_id.index(),
    }
}

pub(super) fn log_id_from_wire(log_id: &wire::LogId) -> LogId {
    LogId::new(LeaderId::new(log_id.term, log_id.node_id), log_id.index)
}

pub(super) fn vote_to_wire(vote: &Vote) -> wire::Vote {
    wire::Vote {
        term: vote.leader_id.term,
        node_id: vote.leader_id.node_id,
        committed: vote.committed,
    }
}

pub(super) fn vote_from_wire(vote: &wire::Vote) -> Vote {
    Vote {
        leader_id: LeaderId::new(vote.term, vote.node_id),
        committed: vote.committed,
    }
}

pub(super) fn entry_to_wire(entry: &Entry) -> wire::LogEntry {
    let payload = match &entry.payload {
        Payload::Blank => WirePayload::Blank(wire::Blank {}),
        Payload::Normal(proposal) => WirePayload::Commands(proposal.0.clone()),
        Payload::Membership(membership) => WirePayload::Membership(membership_to_wire(membership)),
    };
    wire::LogEntry {
        log_id: Some(log_id_to_wire(&entry.log_id)),
        payload: Some(payload),
    }
}

pub(super) fn entry_from_wire(entry: wire::LogEntry) -> Result<Entry, Malformed> {
    let log_id = required(entry.log_id, "an entry without log id")?;
    let payload = match required(entry.payload, "an entry without payload")? {
        WirePayload::Blank(_) => Payload::Blank,
        WirePayload::Commands(commands) => Payload::Normal(Proposal(commands)),
        WirePayload::Membership(membership) => Payload::Membership(membership_from_wire(membership)?),
    };
    Ok(Entry {
        log_id: log_id_from_wire(&log_id),
        payload,
    })
}

pub(super) fn membership_to_wire(membership: &Membership) -> wire::Membership {
    let configurations = membership.get_joint_config().iter();
    let servers = membership.nodes().map(|(node_id, server)| {
        (
            *node_id,
            wire::Server {
                name: server.name.clone(),
                address: server.address.clone(),
            },
        )
    });
    wire::Membership {
        configurations: configurations
            .map(|voters| wire::VoterSet {
                node_ids: voters.iter().copied().collect(),
            })
            .collect(),
        servers: servers.collect(),
    }
}

pub(super) fn membership_from_wire(membership: wire::Membership) -> Result<Membership, Malformed> {
    let configurations: Vec<BTreeSet<u64>> = membership
        .configurations
        .into_iter()
        .map(|voters| voters.node_ids.into_iter().collect())
        .collect();
    let servers: BTreeMap<u64, Server> = membership
        .servers
        .into_iter()
        .map(|(node_id, server)| {
            (
                node_id,
                Server {
                    name: server.name,
                    address: server.address,
                },
            )
        })
        .collect();
    if configurations.is_empty() && servers.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(configurations, servers)
        .map_err(|_| Malformed("a membership with voters that are no servers"))
}

pub(super) fn snapshot_meta_to_wire(meta: &SnapshotMeta) -> wire::SnapshotMetadata {
    wire::SnapshotMetadata {
        last_log_id: meta.last_log_id.as_ref().map(log_id_to_wire),
        membership_log_id: meta.last_membership.log_id().as_ref().map(log_id_to_wire),
        membership: Some(membership_to_wire(meta.last_membership.membership())),
    }
}

pub(super) fn snapshot_meta_from_wire(meta: wire::SnapshotMetadata) -> Result<SnapshotMeta, Malformed> {
    let membership = membership_from_wire(required(meta.membership, "a snapshot without membership")?)?;
    let membership_log_id = meta.membership_log_id.as_ref().map(log_id_from_wire);
    Ok(SnapshotMeta {
        last_log_id: meta.last_log_id.as_ref().map(log_id_from_wire),
        last_membership: StoredMembership::new(membership_log_id, membership),
    })
}
