//! The leader's eye on the nodes: who has been silent for too long, and what is written then.
//!
//! When each agent was last heard is in [`Sessions`]; what silence means is core's [`Liveness`]; what follows from it is
//! core's node lifecycle. This file only waits, asks and proposes.

use std::time::Duration;

use bosun_core::controllers::node_lifecycle;
use bosun_core::liveness::{Liveness, Patience};
use bosun_host::Host;
use bosun_proto::Kind;
use bosun_proto::core_v1::Node;

use super::carry_out::carry_out;
use crate::nodes::Sessions;
use crate::replica::Replica;

/// How often the leader looks; bounds how late a silence is noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Times of the node protocol.
#[derive(Clone, Copy, Debug)]
pub struct NodeSettings {
    /// How often an agent says that it lives.
    pub heartbeat_interval: Duration,
    /// A node unheard for so long is not ready, and pods that may overlap are replaced.
    pub not_ready_after: Duration,
    /// How long after the sending of an acknowledged heartbeat an agent may run fenced pods.
    pub lease: Duration,
    /// Fenced pods of a node unheard for so long are replaced.
    pub lost_after: Duration,
}

impl Default for NodeSettings {
    fn default() -> Self {
        let patience = Patience::default();
        Self {
            heartbeat_interval: Duration::from_millis(500),
            not_ready_after: patience.silent_after,
            lease: Duration::from_secs(8),
            lost_after: patience.lost_after,
        }
    }
}

impl NodeSettings {
    /// Whether the times go together; the error names those that do not.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.not_ready_after < self.heartbeat_interval * 3 {
            return Err(format!(
                "a node is not ready after {:?} of silence, but heartbeats come every {:?}: leave room for two lost ones",
                self.not_ready_after, self.heartbeat_interval
            ));
        }
        if self.lease >= self.lost_after {
            return Err(format!(
                "agents may run fenced pods for {:?} without an answer, but those are replaced after {:?}: the lease must be shorter",
                self.lease, self.lost_after
            ));
        }
        Ok(())
    }
}

/// Watches until the caller drops it.
pub(super) async fn run(replica: &Replica, sessions: &Sessions, host: &Host, settings: &NodeSettings) {
    let start = host.clock.instant();
    let patience = Patience {
        silent_after: settings.not_ready_after,
        lost_after: settings.lost_after,
    };
    let snapshot = replica.snapshot();
    let known = snapshot.all::<Node>(None).filter_map(|node| {
        Some((
            node.metadata.as_ref()?.name.clone(),
            node_lifecycle::written_standing(node),
        ))
    });
    let mut liveness = Liveness::new(patience, known, Duration::ZERO);
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let snapshot = replica.snapshot();
        for (node, heard) in sessions.last_heard() {
            if snapshot.find::<Node>("", &node).is_none() {
                liveness.forget(&node);
            } else if let Some(at) = heard.checked_duration_since(start) {
                liveness.heard(&node, at);
            }
        }
        for (node, standing) in liveness.due(host.clock.instant().duration_since(start)) {
            tracing::info!(node, ?standing, "node changes its standing");
            let mut written = true;
            for plan in node_lifecycle::plans(&snapshot, &node, standing, replica.now()) {
                let end = carry_out(replica.clone(), host.clone(), node_lifecycle::NAME, plan).await;
                if let Err(refused) = end {
                    tracing::debug!(node, kind = ?Kind::Node, ?refused, "decided again");
                    written = false;
                    break;
                }
            }
            if written {
                liveness.settle(&node, standing);
            }
        }
    }
}
