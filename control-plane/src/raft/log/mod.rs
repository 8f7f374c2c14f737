//! The raft log on disk: segments of framed, checksummed records on the [`bosun_host::Disk`].
//!
//! Owns vote, entries, purge and commit marks of one server, and nothing of what they mean. An entry can be read as
//! soon as `append` returns, and is reported when it is durable. docs/log-format.md describes the bytes and the rules.

mod contents;
mod format;
mod recovery;
mod segment;
mod storage;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bosun_host::{Host, read_fully};
use bosun_proto::log::log_record::Record;
use tokio::sync::{mpsc, oneshot, watch};

use self::contents::{Contents, Stored};
pub(super) use self::format::RECORD_BYTES_MAX;
use self::writer::{Request, Writer};
use super::messages::{entry_from_wire, entry_to_wire, log_id_to_wire, required, vote_to_wire};
use super::types::{Entry, LogId, Vote};

/// Requests that may wait for the writer; more hold up the sender.
const REQUESTS_WAITING_MAX: usize = 4096;

/// The log. Clones are readers of and writers to the same one.
#[derive(Clone)]
pub(super) struct Log {
    host: Host,
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
}

struct Shared {
    contents: Mutex<Contents>,
    /// Why the disk cannot be written to, once that has happened.
    failure: watch::Sender<Option<String>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How large the parts of a log are.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogLimits {
    /// Size of a segment's file.
    pub(super) segment_bytes: u64,
    /// Latest entries kept in memory.
    pub(super) cache_bytes: usize,
}

/// What is known about the log's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogExtent {
    /// Bytes ever written to the log.
    pub(super) bytes_written: u64,
    /// Segments on disk.
    pub(super) segments: usize,
    /// The last entry that is gone.
    pub(super) purged: Option<LogId>,
    /// The last entry.
    pub(super) last: Option<LogId>,
}

impl Log {
    /// Reads the log in `directory`, which must exist, or begins one there.
    pub(super) async fn open(host: Host, directory: PathBuf, limits: LogLimits) -> io::Result<Self> {
        let workers = Arc::clone(&host.workers);
        let opening = host.clone();
        let (shared, writer) = workers
            .run("log-open", move || open_blocking(opening, directory, limits))
            .await??;
        let (requests, inbox) = mpsc::channel(REQUESTS_WAITING_MAX);
        host.workers.spawn("log-writer", Box::pin(writer.run(inbox)))?;
        Ok(Self {
            host,
            shared,
            requests,
        })
    }

    /// Whether a log was ever begun in `directory`.
    pub(super) fn exists(host: &Host, directory: &Path) -> io::Result<bool> {
        Ok(!segment::bases(&host.disk.list(directory)?).is_empty())
    }

    /// Tells why the disk failed, once it has.
    pub(super) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.shared.failure.subscribe()
    }

    /// Makes everything durable and ends the writer; later writes fail.
    pub(super) async fn close(&self) {
        let (sender, receiver) = oneshot::channel();
        // If the writer has ended already, there is nothing left to do.
        if self.requests.send(Request::Close(sender)).await.is_ok() {
            drop(receiver.await);
        }
    }

    /// How large the log is now.
    pub(super) fn extent(&self) -> LogExtent {
        let contents = self.shared.lock();
        LogExtent {
            bytes_written: contents.end,
            segments: contents.segments.len(),
            purged: contents.purged,
            last: contents.last_log_id(),
        }
    }

    /// Bytes of the log from the entry with this index on.
    pub(super) fn bytes_from(&self, index: u64) -> u64 {
        self.shared.lock().bytes_from(index)
    }

    /// Adds entries; `done` is called when they are durable or cannot be made so.
    async fn append_entries(
        &self,
        entries: impl IntoIterator<Item = Entry>,
        done: impl FnOnce(io::Result<()>) + Send + 'static,
    ) -> io::Result<()> {
        let mut records = Vec::new();
        {
            let mut contents = self.shared.lock();
            for entry in entries {
                records.push(Record::Entry(entry_to_wire(&entry)));
                contents.append(entry).map_err(|gap| {
                    io::Error::other(format!(
                        "entry {} follows where {} is expected",
                        gap.found, gap.expected
                    ))
                })?;
            }
        }
        self.send(Request::Write {
            records,
            done: Some(Box::new(done)),
        })
        .await
    }

    /// Writes one record and waits until it is durable.
    async fn write(&self, record: Record) -> io::Result<()> {
        let (sender, receiver) = oneshot::channel();
        let done = Box::new(move |result| drop(sender.send(result)));
        self.send(Request::Write {
            records: vec![record],
            done: Some(done),
        })
        .await?;
        receiver.await.map_err(|_| self.stopped())?
    }

    async fn write_vote(&self, vote: &Vote) -> io::Result<()> {
        self.write(Record::Vote(vote_to_wire(vote))).await?;
        self.shared.lock().vote = Some(*vote);
        Ok(())
    }

    /// Notes what is committed. Not synced: an older mark is true as well. The record also vouches for what was synced
    /// before it, so that rot in the last entries is not taken for a torn write.
    async fn write_committed(&self, committed: LogId) -> io::Result<()> {
        self.shared.lock().committed = Some(committed);
        let record = Record::Committed(log_id_to_wire(&committed));
        self.send(Request::Write {
            records: vec![record],
            done: None,
        })
        .await
    }

    async fn send(&self, request: Request) -> io::Result<()> {
        self.requests.send(request).await.map_err(|_| self.stopped())
    }

    fn stopped(&self) -> io::Error {
        let reason = self.shared.failure.borrow().clone();
        io::Error::other(reason.unwrap_or_else(|| "the log is closed".to_owned()))
    }

    /// The entries from `start` to before `end` that the log holds; fewer, but at least one, if they are larger than
    /// `bytes_max` together.
    async fn read(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let (stored, cached) = self.shared.lock().read(start, end, bytes_max);
        if stored.is_empty() {
            return Ok(cached);
        }
        let mut entries = self
            .host
            .workers
            .run("log-read", move || read_stored(&stored))
            .await??;
        entries.extend(cached);
        Ok(entries)
    }
}

fn open_blocking(host: Host, directory: PathBuf, limits: LogLimits) -> io::Result<(Arc<Shared>, Writer)> {
    let recovered = recovery::recover(&*host.disk, &directory, Contents::new(limits.cache_bytes))
        .map_err(|error| unreadable(&directory, error))?;
    let shared = Arc::new(Shared {
        contents: Mutex::new(recovered.contents),
        failure: watch::channel(None).0,
    });
    let writer = Writer::open(
        host,
        directory,
        limits.segment_bytes,
        Arc::clone(&shared),
        recovered.active,
        recovered.checkpoint,
    )?;
    Ok((shared, writer))
}

/// Names the directory in errors of the file system; what recovery found wrong names its file already.
fn unreadable(directory: &Path, error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::InvalidData {
        return error;
    }
    io::Error::new(
        error.kind(),
        format!("cannot read the log in {}: {error}", directory.display()),
    )
}

/// Reads entries back from their segments.
fn read_stored(stored: &[Stored]) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::with_capacity(stored.len());
    for Stored { log_id, place, file } in stored {
        let lost = || {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("log entry {log_id} cannot be read back"),
            )
        };
        let mut bytes = vec![0; place.length as usize];
        read_fully(&**file, place.offset, &mut bytes)?;
        let (record, _) = format::decode_record(&bytes, place.segment + place.offset).ok_or_else(lost)?;
        match required(record.record, "a log record without content")? {
            Record::Entry(entry) => entries.push(entry_from_wire(entry)?),
            Record::Vote(_)
            | Record::Truncate(_)
            | Record::Purge(_)
            | Record::Committed(_)
            | Record::Checkpoint(_) => return Err(lost()),
        }
    }
    Ok(entries)
}
