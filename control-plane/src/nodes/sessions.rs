//! Which agents are connected, and when they were last heard.
//!
//! Only in memory, and by this server's own monotonic clock: heartbeats never enter the log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bosun_proto::node::OpenLogs;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Requests to an agent that may wait for its session's stream.
const REQUESTS_WAITING_MAX: usize = 64;

/// The sessions by node name. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Sessions {
    by_node: Arc<Mutex<BTreeMap<String, Session>>>,
}

struct Session {
    id: String,
    /// What the agent calls its present life; empty when it gave none.
    boot_id: String,
    last_heard: Instant,
    /// Where to send requests; `None` until the agent has opened the stream.
    requests: Option<mpsc::Sender<OpenLogs>>,
}

impl Sessions {
    /// Whether another agent than the one with `boot_id` serves the node: its stream is open, and it was heard since
    /// `since`. Two agents of one name would end each other's sessions without end, and both run the node's pods.
    pub(crate) fn is_served_by_another(&self, node: &str, boot_id: &str, since: Instant) -> bool {
        self.lock().get(node).is_some_and(|session| {
            let connected = session
                .requests
                .as_ref()
                .is_some_and(|requests| !requests.is_closed());
            connected && session.boot_id != boot_id && !boot_id.is_empty() && session.last_heard > since
        })
    }

    /// Begins a session; the node's earlier one ends.
    pub(crate) fn begin(&self, node: &str, session_id: &str, boot_id: &str, now: Instant) {
        let session = Session {
            id: session_id.to_owned(),
            boot_id: boot_id.to_owned(),
            last_heard: now,
            requests: None,
        };
        self.lock().insert(node.to_owned(), session);
    }

    /// Whether this is the node's present session.
    pub(crate) fn is_current(&self, node: &str, session_id: &str) -> bool {
        self.lock()
            .get(node)
            .is_some_and(|session| session.id == session_id)
    }

    /// Notes that the node lives; false when the session is not its present one.
    pub(crate) fn heard(&self, node: &str, session_id: &str, now: Instant) -> bool {
        match self.lock().get_mut(node) {
            Some(session) if session.id == session_id => {
                session.last_heard = now;
                true
            }
            _ => false,
        }
    }

    /// When each node was last heard.
    pub(crate) fn last_heard(&self) -> BTreeMap<String, Instant> {
        self.lock()
            .iter()
            .map(|(node, session)| (node.clone(), session.last_heard))
            .collect()
    }

    /// The requests for the agent's stream; `None` when the session is not the node's present one. An earlier stream of
    /// the session ends.
    pub(crate) fn attach(&self, node: &str, session_id: &str) -> Option<mpsc::Receiver<OpenLogs>> {
        let mut by_node = self.lock();
        let session = by_node.get_mut(node).filter(|session| session.id == session_id)?;
        let (sender, receiver) = mpsc::channel(REQUESTS_WAITING_MAX);
        session.requests = Some(sender);
        Some(receiver)
    }

    /// Asks a node's agent to bring output; false when it is not connected.
    pub(crate) async fn open_logs(&self, node: &str, request: OpenLogs) -> bool {
        let requests = self.lock().get(node).and_then(|session| session.requests.clone());
        match requests {
            Some(requests) => requests.send(request).await.is_ok(),
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        self.by_node.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_node_is_served_by_another_while_that_is_connected_and_heard() {
        let sessions = Sessions::default();
        let now = Instant::now();
        let before = now.checked_sub(Duration::from_secs(1)).unwrap();
        let by_another = |boot_id, since| sessions.is_served_by_another("n", boot_id, since);
        assert!(!by_another("b", before));
        sessions.begin("n", "s1", "a", now);
        assert!(!by_another("b", before), "it has not opened its stream");
        let requests = sessions.attach("n", "s1");
        assert!(by_another("b", before));
        assert!(!by_another("a", before), "it comes back itself");
        assert!(!by_another("b", now), "it was not heard for long");
        drop(requests);
        assert!(!by_another("b", before), "its stream has ended");
    }
}
