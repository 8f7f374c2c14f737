//! Readers that must see everything that was acknowledged before they asked. Those that wait together share one question to
//! the leader.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::Node;
use crate::raft::ReadError;

/// Readers that may wait; more wait for room.
const READERS_WAITING_MAX: usize = 8_192;
/// How long readers wait in all for a leader to ask: several elections on an idle machine.
const LEADER_SEARCH_MAX: Duration = Duration::from_secs(1);
/// The pause before it is asked again, unless the lead is known to change sooner.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

type Answer = oneshot::Sender<Result<(), ReadError>>;

/// Brings readers up to date in groups. Cheap to clone.
#[derive(Clone)]
pub(super) struct Reads {
    queue: mpsc::Sender<Answer>,
}

impl Reads {
    pub(super) fn start(node: Node) -> Self {
        let (queue, waiting) = mpsc::channel(READERS_WAITING_MAX);
        tokio::spawn(rounds(node, waiting));
        Self { queue }
    }

    /// Waits until the state holds everything acknowledged before the call.
    pub(super) async fn catch_up(&self) -> Result<(), ReadError> {
        let (answer, caught_up) = oneshot::channel();
        let stopped = || ReadError::Stopped {
            reason: "it is shutting down".into(),
        };
        self.queue.send(answer).await.map_err(|_| stopped())?;
        caught_up.await.map_err(|_| stopped())?
    }
}

/// Who comes while a round is under way waits for the next one: this one may have been answered before.
async fn rounds(node: Node, mut waiting: mpsc::Receiver<Answer>) {
    let mut readers = Vec::new();
    while waiting.recv_many(&mut readers, READERS_WAITING_MAX).await > 0 {
        let caught_up = round(&node).await;
        for reader in readers.drain(..) {
            // A reader may have given up waiting.
            drop(reader.send(caught_up.clone()));
        }
    }
}

async fn round(node: &Node) -> Result<(), ReadError> {
    let deadline = Instant::now() + LEADER_SEARCH_MAX;
    let mut leadership = node.leadership();
    loop {
        leadership.mark_unchanged();
        let error = match node.catch_up().await {
            Ok(()) => return Ok(()),
            Err(error @ (ReadError::Stopped { .. } | ReadError::Behind { .. })) => return Err(error),
            Err(error) => error,
        };
        if Instant::now() >= deadline {
            return Err(error);
        }
        let pause = deadline.min(Instant::now() + RETRY_PAUSE);
        // Whatever ends the wait, the leader is looked up again.
        drop(timeout_at(pause, leadership.changed()).await);
    }
}
