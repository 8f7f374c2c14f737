//! Which agents are connected, and when they were last heard.
//!
//! Only in memory, and by this server's own monotonic clock: heartbeats never enter the log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bosun_proto::node::OpenLogs;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Requests to an agent that may wait for its session's stream.
const REQUESTS_WAITING_MAX: usize = 64;
/// How long a further request waits for room.
const REQUEST_WAIT_MAX: Duration = Duration::from_secs(5);

/// The sessions by node name. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Sessions {
    table: Arc<Mutex<Table>>,
}

#[derive(Default)]
struct Table {
    by_node: BTreeMap<String, Session>,
    /// Nodes whose pods are being given up: until that is written they get no session, and so no lease.
    given_up: BTreeSet<String>,
    /// The term that both are of.
    term: u64,
}

struct Session {
    id: String,
    /// The term of the leader that began it. It ends with the lead.
    term: u64,
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
        self.lock().by_node.get(node).is_some_and(|session| {
            let connected = session
                .requests
                .as_ref()
                .is_some_and(|requests| !requests.is_closed());
            connected && session.boot_id != boot_id && !boot_id.is_empty() && session.last_heard > since
        })
    }

    /// Begins a session; the node's earlier one ends. False while the node's pods are being given up.
    pub(crate) fn begin(&self, node: &str, session_id: &str, term: u64, boot_id: &str, now: Instant) -> bool {
        let mut table = self.lock();
        if table.given_up.contains(node) {
            return false;
        }
        let session = Session {
            id: session_id.to_owned(),
            term,
            boot_id: boot_id.to_owned(),
            last_heard: now,
            requests: None,
        };
        table.by_node.insert(node.to_owned(), session);
        true
    }

    /// Ends the node's session and lets it begin no other, unless it was heard within `patience` before `now`; false then.
    /// Whoever calls this writes that the node's pods are given up, and [`Sessions::take_back`] after that.
    ///
    /// What was heard of the node and that it is given up are decided in one place, so that no heartbeat is answered
    /// between the two: its agent would trust in a lease whose pods are being replaced.
    pub(crate) fn give_up(&self, node: &str, patience: Duration, now: Instant) -> bool {
        let mut table = self.lock();
        let heard = table
            .by_node
            .get(node)
            .is_some_and(|session| now.saturating_duration_since(session.last_heard) < patience);
        if heard {
            return false;
        }
        table.by_node.remove(node);
        table.given_up.insert(node.to_owned());
        true
    }

    /// What giving the node up meant is written: its agent may come back.
    pub(crate) fn take_back(&self, node: &str) {
        self.lock().given_up.remove(node);
    }

    /// This server leads from now on, in `term`. In another term than before it knows what became of all that was ever
    /// proposed; in the same one, a node that was being given up may still be.
    pub(crate) fn begin_lead(&self, term: u64) {
        let mut table = self.lock();
        table.by_node.clear();
        if table.term != term {
            table.given_up.clear();
        }
        table.term = term;
    }

    /// This server leads no more: every session ends, and its stream with it.
    pub(crate) fn end_lead(&self) {
        self.lock().by_node.clear();
    }

    /// Whether this is the node's present session.
    pub(crate) fn is_current(&self, node: &str, session_id: &str) -> bool {
        self.lock()
            .by_node
            .get(node)
            .is_some_and(|session| session.id == session_id)
    }

    /// Notes that the node lives; false when the session is not its present one, or was begun by an earlier leader.
    pub(crate) fn heard(&self, node: &str, session_id: &str, term: u64, now: Instant) -> bool {
        match self.lock().by_node.get_mut(node) {
            Some(session) if session.id == session_id && session.term == term => {
                session.last_heard = now;
                true
            }
            _ => false,
        }
    }

    /// When each node was last heard.
    pub(crate) fn last_heard(&self) -> BTreeMap<String, Instant> {
        self.lock()
            .by_node
            .iter()
            .map(|(node, session)| (node.clone(), session.last_heard))
            .collect()
    }

    /// The requests for the agent's stream; `None` when the session is not the node's present one. An earlier stream of
    /// the session ends.
    pub(crate) fn attach(&self, node: &str, session_id: &str) -> Option<mpsc::Receiver<OpenLogs>> {
        let mut table = self.lock();
        let session = table
            .by_node
            .get_mut(node)
            .filter(|session| session.id == session_id)?;
        let (sender, receiver) = mpsc::channel(REQUESTS_WAITING_MAX);
        session.requests = Some(sender);
        Some(receiver)
    }

    /// Asks a node's agent to bring output; false when it is not connected, or takes no more requests for long.
    pub(crate) async fn open_logs(&self, node: &str, request: OpenLogs) -> bool {
        let requests = self
            .lock()
            .by_node
            .get(node)
            .and_then(|session| session.requests.clone());
        match requests {
            Some(requests) => requests.send_timeout(request, REQUEST_WAIT_MAX).await.is_ok(),
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert!(sessions.begin("n", "s1", 1, "a", now));
        assert!(!by_another("b", before), "it has not opened its stream");
        let requests = sessions.attach("n", "s1");
        assert!(by_another("b", before));
        assert!(!by_another("a", before), "it comes back itself");
        assert!(!by_another("b", now), "it was not heard for long");
        drop(requests);
        assert!(!by_another("b", before), "its stream has ended");
    }

    #[tokio::test]
    async fn a_node_that_is_given_up_gets_no_session_until_that_is_written() {
        let sessions = Sessions::default();
        let now = Instant::now();
        let seconds = Duration::from_secs;
        assert!(sessions.begin("n", "s1", 1, "a", now));
        assert!(!sessions.give_up("n", seconds(10), now + seconds(9)), "heard");
        assert!(sessions.heard("n", "s1", 1, now + seconds(9)));
        assert!(
            !sessions.give_up("n", seconds(10), now + seconds(10)),
            "heard again"
        );
        assert!(sessions.give_up("n", seconds(10), now + seconds(19)));
        assert!(
            !sessions.heard("n", "s1", 1, now + seconds(19)),
            "a late heartbeat is not answered"
        );
        assert!(!sessions.begin("n", "s2", 1, "a", now + seconds(19)));
        sessions.take_back("n");
        assert!(sessions.begin("n", "s2", 1, "a", now + seconds(20)));
        assert!(sessions.heard("n", "s2", 1, now + seconds(20)));
    }

    #[tokio::test]
    async fn a_session_ends_with_the_lead_that_it_was_begun_under() {
        let sessions = Sessions::default();
        let now = Instant::now();
        assert!(sessions.begin("n", "s1", 1, "a", now));
        let mut requests = sessions.attach("n", "s1").unwrap();
        assert!(
            !sessions.heard("n", "s1", 3, now),
            "this server leads again, others did meanwhile"
        );
        sessions.end_lead();
        assert!(!sessions.is_current("n", "s1"));
        assert!(requests.recv().await.is_none(), "its stream ends");
        sessions.begin_lead(3);
        assert!(sessions.give_up("n", Duration::ZERO, now));
        sessions.begin_lead(3);
        assert!(!sessions.begin("n", "s2", 3, "a", now), "it may still be written");
        sessions.begin_lead(4);
        assert!(sessions.begin("n", "s3", 4, "a", now));
    }
}
