//! What one session's stream sends: the full set, then what changes, and requests for output in between.

use bosun_core::state::Snapshot;
use bosun_proto::node::session_event::Event;
use bosun_proto::node::{OpenLogs, SessionEvent};
use tokio::sync::{mpsc, watch};
use tonic::Status;

use super::assignments;

/// One session's stream at one point of its way.
pub(super) struct Feed {
    node: String,
    snapshots: watch::Receiver<Snapshot>,
    requests: mpsc::Receiver<OpenLogs>,
    /// The version the agent knows; `None` before the full set.
    reached: Option<u64>,
    sequence: u64,
}

impl Feed {
    pub(super) fn new(
        node: String,
        snapshots: watch::Receiver<Snapshot>,
        requests: mpsc::Receiver<OpenLogs>,
    ) -> Self {
        Self {
            node,
            snapshots,
            requests,
            reached: None,
            sequence: 0,
        }
    }

    /// What to send next; `Ok(None)` when a newer stream has taken over or the server ends.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<SessionEvent>>, Status> {
        let Some(reached) = self.reached else {
            let snapshot = self.snapshots.borrow_and_update().clone();
            self.reached = Some(snapshot.version());
            let parts = assignments::full_set(&snapshot, &self.node);
            return Ok(Some(
                parts
                    .into_iter()
                    .map(|part| self.event(Event::FullSet(part)))
                    .collect(),
            ));
        };
        let woken = tokio::select! {
            changed = self.snapshots.wait_for(|snapshot| snapshot.version() > reached) => {
                changed.is_ok().then_some(Woken::Changed)
            }
            request = self.requests.recv() => request.map(Woken::Asked),
        };
        let snapshot = match woken {
            None => return Ok(None),
            Some(Woken::Asked(request)) => return Ok(Some(vec![self.event(Event::OpenLogs(request))])),
            Some(Woken::Changed) => self.snapshots.borrow_and_update().clone(),
        };
        self.reached = Some(snapshot.version());
        let parts = assignments::increments(&snapshot, &self.node, reached)
            .map_err(|_too_far| Status::data_loss("the session is too far behind: open it anew"))?;
        Ok(Some(
            parts
                .into_iter()
                .map(|part| self.event(Event::Assignments(part)))
                .collect(),
        ))
    }

    fn event(&mut self, event: Event) -> SessionEvent {
        self.sequence += 1;
        SessionEvent {
            sequence: self.sequence,
            event: Some(event),
        }
    }
}

enum Woken {
    Changed,
    Asked(OpenLogs),
}
