//! Meeting points: a client waits for output at one end, an agent brings it at the other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bosun_core::refusal::Refusal;
use bosun_host::Host;
use bytes::Bytes;
use futures::{Stream, stream};
use tokio::sync::mpsc;

/// Chunks under way between agent and client; a slow client slows the agent.
const CHUNKS_WAITING_MAX: usize = 16;
/// An agent that has not come by then will not come.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

type Chunk = Result<Bytes, Refusal>;

/// The open meeting points by relay id. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Relays {
    host: Host,
    open: Arc<Mutex<BTreeMap<String, mpsc::Sender<Chunk>>>>,
}

impl Relays {
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host,
            open: Arc::default(),
        }
    }

    /// A new meeting point: its id for the agent, and what will arrive there.
    pub(crate) fn expect(&self) -> (String, impl Stream<Item = Chunk> + use<>) {
        let relay_id = self.host.entropy.uuid().to_string();
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING_MAX);
        self.lock().insert(relay_id.clone(), sender);
        let waiting = Waiting {
            relays: self.clone(),
            relay_id: relay_id.clone(),
            receiver,
            arrived: false,
        };
        let chunks = stream::unfold(waiting, |mut waiting| async move {
            let chunk = waiting.next().await?;
            Some((chunk, waiting))
        });
        (relay_id, chunks)
    }

    /// The agent's end of a meeting point; `None` when nobody waits there (any more).
    pub(crate) fn arrive(&self, relay_id: &str) -> Option<mpsc::Sender<Chunk>> {
        self.lock().remove(relay_id)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, mpsc::Sender<Chunk>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client's end.
struct Waiting {
    relays: Relays,
    relay_id: String,
    receiver: mpsc::Receiver<Chunk>,
    arrived: bool,
}

impl Waiting {
    async fn next(&mut self) -> Option<Chunk> {
        if self.arrived {
            return self.receiver.recv().await;
        }
        loop {
            match tokio::time::timeout(ARRIVAL_MAX, self.receiver.recv()).await {
                Ok(chunk) => {
                    self.arrived = true;
                    return chunk;
                }
                // The agent is there, the container just has written nothing yet.
                Err(_) if !self.relays.lock().contains_key(&self.relay_id) => self.arrived = true,
                Err(_) => {
                    self.relays.lock().remove(&self.relay_id);
                    self.arrived = true;
                    let message =
                        "the node did not answer; its agent may be overloaded or cut off: try again";
                    return Some(Err(Refusal::Unavailable(message.into())));
                }
            }
            if self.arrived {
                return self.receiver.recv().await;
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.relays.lock().remove(&self.relay_id);
    }
}
