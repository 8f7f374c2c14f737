//! The leader's eye on the nodes: who has been silent for too long, and what is written then.
//!
//! When each agent was last heard is in [`Sessions`]; what silence means is core's [`Liveness`]; what follows from it is
//! core's node lifecycle. This file only waits, asks and proposes.

use std::time::Duration;

use bosun_core::controllers::node_lifecycle;
use bosun_core::liveness::{Liveness, Patience, Standing};
use bosun_host::Host;
use bosun_proto::core_v1::Node;
use futures::StreamExt;
use futures::stream;
use tokio::time::Instant;

use super::carry_out::carry_out;
use super::node_settings::NodeSettings;
use crate::nodes::Sessions;
use crate::replica::Replica;

/// How often the leader looks; bounds how late a silence is noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A look that comes so much later than it should means that this process was stopped: it could not have heard anybody.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Nodes about which something is being written at once. They share writes to the disk, so that the last of thousands of
/// nodes is not written down much later than the first.
const NODES_IN_FLIGHT_MAX: usize = 64;

/// Watches until the caller drops it.
pub(super) async fn run(replica: &Replica, sessions: &Sessions, host: &Host, settings: &NodeSettings) {
    let mut eye = Eye::open(replica, sessions, host, settings);
    loop {
        let asleep = host.clock.instant();
        tokio::time::sleep(LOOK_INTERVAL).await;
        let overslept = host.clock.instant().duration_since(asleep) > LOOK_INTERVAL + PAUSE_MAX;
        if let Some(contact) = eye.contact(overslept) {
            eye.listen();
            eye.write(contact).await;
        }
    }
}

/// What the leader has seen of the nodes.
struct Eye<'a> {
    replica: &'a Replica,
    sessions: &'a Sessions,
    host: &'a Host,
    patience: Patience,
    start: Instant,
    liveness: Liveness,
    /// Since when the contact with the majority is unbroken, as of the last look; `None` when there was none.
    contact: Option<Instant>,
    /// The version up to which what is written goes with the standings.
    swept: u64,
}

impl<'a> Eye<'a> {
    fn open(replica: &'a Replica, sessions: &'a Sessions, host: &'a Host, settings: &NodeSettings) -> Self {
        let patience = settings.patience();
        let snapshot = replica.snapshot();
        let known = snapshot.all::<Node>(None).filter_map(|node| {
            Some((
                node.metadata.as_ref()?.name.clone(),
                node_lifecycle::written_standing(node),
            ))
        });
        Self {
            liveness: Liveness::new(patience, known, Duration::ZERO),
            replica,
            sessions,
            host,
            patience,
            start: host.clock.instant(),
            contact: None,
            swept: 0,
        }
    }

    fn now(&self) -> Duration {
        self.host.clock.instant().duration_since(self.start)
    }

    /// Since when this leader is in contact with its majority without a break; `None` when it is not, and then it decides
    /// nothing. After every break, and after a pause of this process, all nodes have full grace.
    fn contact(&mut self, overslept: bool) -> Option<Instant> {
        let since = self.unbroken_since();
        if since.is_some() && (overslept || since != self.contact) {
            tracing::info!(overslept, "every node has full grace");
            self.liveness.grace(self.now());
        }
        self.contact = since;
        since
    }

    fn unbroken_since(&self) -> Option<Instant> {
        let contact = self.replica.node().quorum_contact()?;
        contact.holds(self.host.clock.instant()).then_some(contact.since)
    }

    /// Takes in who was heard.
    fn listen(&mut self) {
        let snapshot = self.replica.snapshot();
        for (node, heard) in self.sessions.last_heard() {
            if snapshot.find::<Node>("", &node).is_none() {
                self.liveness.forget(&node);
            } else if let Some(at) = heard.checked_duration_since(self.start) {
                self.liveness.heard(&node, at);
            }
        }
    }

    /// Writes down what has changed, and what has come to lost nodes since.
    async fn write(&mut self, contact: Instant) {
        let mut due = self.liveness.due(self.now());
        for (node, standing) in &due {
            tracing::info!(node, ?standing, "node changes its standing");
        }
        let snapshot = self.replica.snapshot();
        if snapshot.version() != self.swept {
            let again: Vec<_> = self
                .liveness
                .unheard()
                .filter(|(node, _)| !due.iter().any(|(other, _)| other == node))
                .filter(|(node, standing)| {
                    node_lifecycle::has_to_be_written_again(&snapshot, node, *standing)
                })
                .map(|(node, standing)| (node.to_owned(), standing))
                .collect();
            due.extend(again);
            self.swept = snapshot.version();
        }
        let eye = &*self;
        let written: Vec<_> = stream::iter(due)
            .map(|(node, standing)| async move {
                let written = eye.write_node(&node, standing, contact).await;
                (node, standing, written)
            })
            .buffer_unordered(NODES_IN_FLIGHT_MAX)
            .collect()
            .await;
        for (node, standing, written) in written {
            if written {
                self.liveness.settle(&node, standing);
            } else {
                self.swept = 0;
            }
        }
    }

    /// Writes what a node's standing means; false when it has to be decided again.
    async fn write_node(&self, node: &str, standing: Standing, contact: Instant) -> bool {
        // Others were written before this one.
        if self.unbroken_since() != Some(contact) {
            return false;
        }
        let lost = standing == Standing::Lost;
        let now = self.host.clock.instant();
        if lost && !self.sessions.give_up(node, self.patience.lost_after, now) {
            return false;
        }
        let snapshot = self.replica.snapshot();
        for plan in node_lifecycle::plans(&snapshot, node, standing, self.replica.now()) {
            let end = carry_out(
                self.replica.clone(),
                self.host.clone(),
                node_lifecycle::NAME,
                plan,
            )
            .await;
            if let Err(refused) = end {
                // A lost node stays given up: the plan may have been written all the same.
                tracing::debug!(node, ?refused, "decided again");
                return false;
            }
        }
        if lost {
            self.sessions.take_back(node);
        }
        true
    }
}
