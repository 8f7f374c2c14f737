//! Who leads, as the rest of the server needs to know it, worked out of what the raft library reports.

use std::time::Duration;

use openraft::rt::WatchReceiver;
use openraft::{Instant, RaftMetrics, ServerState};
use tokio::sync::watch;

use super::contact::{LastContact, QuorumContact, Seen};
use super::types::{MetricsWatch, NodeId, Server, Types};

/// The server that leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Its number.
    pub node_id: NodeId,
    /// Where it is.
    pub server: Server,
}

/// Who leads, seen from this server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// This server leads, a majority has answered it within its lease, *and* its state machine holds everything that
    /// earlier leaders agreed on: decisions may be made from its state. Goes back to false once one of these fails.
    pub leader: bool,
    /// The term; each term has at most one leader that gets anything agreed.
    pub term: u64,
    /// The leader, this server or another, if one is known.
    pub current: Option<Leader>,
    /// Since when this server has led this term; `None` while it does not. Before that it has heard of nobody.
    pub since: Option<tokio::time::Instant>,
}

impl Leadership {
    /// What `metrics` mean now, with a lease of the given length.
    fn from_metrics(metrics: &RaftMetrics<Types>, lease: Duration) -> Self {
        let membership = metrics.membership_config.membership();
        let current = metrics.current_leader.and_then(|node_id| {
            let server = membership.get_node(&node_id)?.clone();
            Some(Leader { node_id, server })
        });
        let leads = metrics.state == ServerState::Leader && metrics.running_state.is_ok();
        // The first entry of a new leader comes after all those of earlier ones.
        let caught_up = metrics
            .last_applied
            .is_some_and(|applied| applied.leader_id == metrics.vote.leader_id);
        let alone = membership.voter_ids().eq([metrics.id]);
        let heard = metrics
            .last_quorum_acked
            .as_ref()
            .is_some_and(|heard| heard.elapsed() < lease);
        Self {
            leader: leads && caught_up && (alone || heard),
            term: metrics.current_term,
            current,
            since: None,
        }
    }
}

/// What the library knows of this leader's majority; `None` when this server does not lead.
fn seen_quorum(metrics: &RaftMetrics<Types>, now: tokio::time::Instant) -> Option<Seen> {
    if metrics.state != ServerState::Leader || metrics.running_state.is_err() {
        return None;
    }
    let voters = metrics.membership_config.membership().voter_ids();
    Some(Seen {
        term: metrics.current_term,
        alone: voters.eq([metrics.id]),
        // The library's own instants cannot be had; so read, it is never later than it was.
        acknowledged: metrics
            .last_quorum_acked
            .as_ref()
            .and_then(|heard| now.checked_sub(heard.elapsed())),
    })
}

/// What [`follow`] keeps up to date.
pub(super) struct Told {
    /// Who leads.
    pub(super) leadership: watch::Sender<Leadership>,
    /// This leader's contact with its majority.
    pub(super) quorum: watch::Sender<Option<QuorumContact>>,
    /// When this server had to do with a leader, itself included.
    pub(super) last: LastContact,
}

/// Keeps `told` up to date for as long as the library reports.
pub(super) async fn follow(mut metrics: MetricsWatch, told: Told, heartbeat: Duration, lease: Duration) {
    let Told {
        leadership,
        quorum,
        last,
    } = told;
    loop {
        let now = tokio::time::Instant::now();
        let (mut seen, of_quorum) = {
            let metrics = metrics.borrow_and_update();
            (
                Leadership::from_metrics(&metrics, lease),
                seen_quorum(&metrics, now),
            )
        };
        let contact = of_quorum.and_then(|seen| QuorumContact::next(*quorum.borrow(), seen, lease, now));
        if let (Some(seen), Some(_)) = (of_quorum, contact) {
            last.note(seen.acknowledged.filter(|_| !seen.alone).unwrap_or(now));
        }
        quorum.send_replace(contact);
        let changed = leadership.send_if_modified(|known| {
            if seen.leader {
                let before = known.since.filter(|_| known.leader && known.term == seen.term);
                seen.since = Some(before.unwrap_or(now));
            }
            let changed = *known != seen;
            if changed {
                known.clone_from(&seen);
            }
            changed
        });
        if changed {
            tracing::info!(leader = seen.leader, term = seen.term, current = ?seen.current, "leadership");
        }
        // A lease runs out without a report.
        if let Ok(Err(_)) = tokio::time::timeout(heartbeat, metrics.changed()).await {
            leadership.send_modify(|known| {
                known.leader = false;
                known.since = None;
            });
            quorum.send_replace(None);
            return;
        }
    }
}
