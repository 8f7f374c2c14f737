//! Who leads, as the rest of the server needs to know it, worked out of what the raft library reports.

use std::time::Duration;

use openraft::rt::WatchReceiver;
use openraft::{Instant, RaftMetrics, ServerState};
use tokio::sync::watch;

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
        }
    }
}

/// Keeps `leadership` up to date for as long as the library reports.
pub(super) async fn follow(
    mut metrics: MetricsWatch,
    leadership: watch::Sender<Leadership>,
    heartbeat: Duration,
    lease: Duration,
) {
    loop {
        let seen = Leadership::from_metrics(&metrics.borrow_and_update(), lease);
        let changed = leadership.send_if_modified(|known| {
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
            leadership.send_modify(|known| known.leader = false);
            return;
        }
    }
}
