//! Owns the reading of all containers' output during a run: one task for each run of a container, bounded in number, resumed
//! where a connection broke.

use super::board::Source;
use bosun_client::{ApiError, Client, LogOptions};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// How many containers are read at once; the others wait, and lose nothing, since output is kept.
const STREAMS_MAX: usize = 64;
/// How many chunks may wait to be shown; a full queue slows the reading down, never the containers.
const CHUNKS_WAITING_MAX: usize = 256;
/// How often a broken stream is opened again.
const ATTEMPTS_MAX: usize = 5;
/// The pause before that.
const PAUSE: Duration = Duration::from_millis(300);
/// How many of a pod's last lines are kept for the account of a failure.
const LAST_LINES: usize = 10;
/// How long a kept line may be.
const LAST_LINE_BYTES_MAX: usize = 500;

/// What a reader tells.
#[derive(Debug)]
pub(super) enum Told {
    /// More output.
    Chunk(Source, Bytes),
    /// There is no more.
    Ended(Source),
}

/// The readers of a run.
#[derive(Debug)]
pub(super) struct Readers {
    client: Client,
    permits: Arc<Semaphore>,
    sender: mpsc::Sender<Told>,
    receiver: mpsc::Receiver<Told>,
    open: BTreeSet<Source>,
}

impl Readers {
    pub(super) fn new(client: Client) -> Self {
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING_MAX);
        Self {
            client,
            permits: Arc::new(Semaphore::new(STREAMS_MAX)),
            sender,
            receiver,
            open: BTreeSet::new(),
        }
    }

    /// Begins to read one run of a container.
    pub(super) fn start(&mut self, source: Source) {
        self.open.insert(source.clone());
        let (client, permits, sender) = (
            self.client.clone(),
            Arc::clone(&self.permits),
            self.sender.clone(),
        );
        tokio::spawn(async move {
            // The semaphore is never closed.
            let _permit = permits.acquire_owned().await;
            read(&client, &source, &sender).await;
            // Whoever started us may have ended before.
            drop(sender.send(Told::Ended(source)).await);
        });
    }

    /// What is still being read.
    pub(super) fn open(&self) -> impl Iterator<Item = &Source> {
        self.open.iter()
    }

    /// Waits for what a reader tells. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Told {
        let told = self.receiver.recv().await;
        let told = told.expect("the sender lives as long as the receiver");
        if let Told::Ended(source) = &told {
            self.open.remove(source);
        }
        told
    }
}

async fn read(client: &Client, source: &Source, sender: &mpsc::Sender<Told>) {
    let mut seen = 0;
    for _ in 0..ATTEMPTS_MAX {
        match copy(client, source, sender, &mut seen).await {
            Ok(()) => return,
            Err(error) if error.is_not_found() => return,
            Err(error) => {
                tracing::debug!(pod = source.pod, %error, "output broke, opening it again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    tracing::warn!(
        pod = source.pod,
        container = source.container,
        "its output cannot be read to the end"
    );
}

/// Copies the output from its beginning, without the bytes that were `seen` before.
async fn copy(
    client: &Client,
    source: &Source,
    sender: &mpsc::Sender<Told>,
    seen: &mut usize,
) -> Result<(), ApiError> {
    let options = LogOptions {
        follow: !source.previous,
        previous: source.previous,
        ..LogOptions::of(&source.namespace, &source.pod, &source.container)
    };
    let mut stream = client.logs(options).await?;
    let mut skip = *seen;
    while let Some(mut chunk) = stream.next().await? {
        let skipped = skip.min(chunk.len());
        skip -= skipped;
        let fresh = chunk.split_off(skipped);
        if fresh.is_empty() {
            continue;
        }
        *seen += fresh.len();
        if sender.send(Told::Chunk(source.clone(), fresh)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The last lines of each pod.
#[derive(Debug, Default)]
pub(super) struct LastLines(BTreeMap<String, VecDeque<String>>);

impl LastLines {
    /// Takes in more output of a pod.
    pub(super) fn push(&mut self, pod: &str, chunk: &[u8]) {
        let kept = self.0.entry(pod.to_owned()).or_default();
        let text = chunk.strip_suffix(b"\n").unwrap_or(chunk);
        let lines: Vec<&[u8]> = text.rsplit(|byte| *byte == b'\n').take(LAST_LINES).collect();
        for line in lines.into_iter().rev() {
            if kept.len() == LAST_LINES {
                kept.pop_front();
            }
            let cut = &line[..line.len().min(LAST_LINE_BYTES_MAX)];
            kept.push_back(String::from_utf8_lossy(cut).into_owned());
        }
    }

    /// Forgets a pod.
    pub(super) fn forget(&mut self, pod: &str) {
        self.0.remove(pod);
    }

    /// What a pod wrote last, the oldest line first.
    pub(super) fn of(&self, pod: &str) -> impl Iterator<Item = &str> {
        self.0.get(pod).into_iter().flatten().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::{LAST_LINES, LastLines};

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut lines = LastLines::default();
        lines.push("a", b"one\n");
        for number in 0..20 {
            lines.push("b", format!("{number}\n").as_bytes());
        }
        let text: Vec<String> = (0..30).map(|number| format!("{number}\n")).collect();
        let text = text.concat();
        lines.push("c", text.as_bytes());
        assert_eq!(lines.of("a").collect::<Vec<_>>(), ["one"]);
        assert_eq!(lines.of("b").count(), LAST_LINES);
        assert_eq!(lines.of("c").next(), Some("20"));
        assert_eq!(lines.of("c").last(), Some("29"));
        assert_eq!(lines.of("d").count(), 0);
    }
}
