//! The one writer of the log. Everything that queues up while it waits for the disk shares the next sync.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bosun_host::{DiskFile, Host};
use bosun_proto::log::log_record::Record;
use bosun_proto::log::{Checkpoint, LogRecord};
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::contents::Place;
use super::format::{self, HEAD_BYTES, Head};
use super::segment::{self, SPARE_NAME, Segment, Spare};
use crate::raft::messages::log_id_from_wire;
use crate::raft::types::LogId;

/// Requests that share one sync at most.
const GROUP_REQUESTS_MAX: usize = 1024;

/// Told when the records are durable, or that they are not.
pub(super) type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// What the writer is asked for.
pub(super) enum Request {
    /// Write these records one after the other; `done` is absent for what need not be durable at once.
    Write {
        records: Vec<Record>,
        done: Option<Done>,
    },
    /// Finish, and say when.
    Close(oneshot::Sender<()>),
}

pub(super) struct Writer {
    pub(super) host: Host,
    pub(super) directory: PathBuf,
    pub(super) segment_bytes: u64,
    pub(super) shared: Arc<Shared>,
    pub(super) active: Segment,
    /// What the head of the next segment repeats.
    pub(super) checkpoint: Checkpoint,
    /// Every byte before this position is durable.
    synced: u64,
    spare: Spare,
    buffer: Vec<u8>,
    placed: Vec<(LogId, Place)>,
}

impl Writer {
    /// Goes on at the end of `active`, or begins the log if there is none.
    pub(super) fn open(
        host: Host,
        directory: PathBuf,
        segment_bytes: u64,
        shared: Arc<Shared>,
        active: Option<Segment>,
        checkpoint: Checkpoint,
    ) -> io::Result<Self> {
        let begin = || {
            let file = segment::make_spare(&*host.disk, &directory, segment_bytes, false)?;
            let head = Head {
                base: 0,
                length: segment_bytes,
            };
            begin_segment(&host, &directory, file, head, &checkpoint, 0)
        };
        let active = active.map_or_else(begin, Ok).map_err(|error| {
            let reason = failure(&directory, &error);
            io::Error::new(error.kind(), reason)
        })?;
        let synced = active.position();
        shared
            .lock()
            .segments
            .insert(active.head.base, Arc::clone(&active.file));
        shared.lock().end = synced;
        Ok(Self {
            host,
            directory,
            segment_bytes,
            shared,
            active,
            checkpoint,
            synced,
            spare: Spare::None,
            buffer: Vec::new(),
            placed: Vec::new(),
        })
    }

    /// Works until it is told to close, nobody can send requests any more, or the disk fails. After a failure nothing
    /// is written again.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Request>) {
        let mut requests = Vec::new();
        while inbox.recv_many(&mut requests, GROUP_REQUESTS_MAX).await > 0 {
            let group = Group::of(requests.drain(..));
            if let Err(error) = self.write_group(group.records, !group.waiting.is_empty()).await {
                return self.fail(&error, group.waiting, inbox).await;
            }
            group.waiting.into_iter().for_each(|done| done(Ok(())));
            self.tidy(group.purged);
            if let Some(closed) = group.close {
                inbox.close();
                self.finish().await;
                // Whoever asked may have stopped waiting.
                closed.send(()).ok();
                return;
            }
        }
        self.finish().await;
    }

    /// A clean end: what needed no sync of its own is made durable, and no worker is left behind.
    async fn finish(&mut self) {
        if let Err(error) = self.active.file.sync() {
            tracing::warn!(%error, "cannot sync the log at its end");
        }
        drop(self.spare.take().await);
    }

    async fn write_group(&mut self, records: Vec<Record>, sync: bool) -> io::Result<()> {
        for record in records {
            self.add(record).await?;
        }
        self.flush()?;
        if sync { self.sync().await } else { Ok(()) }
    }

    /// Frames one record into the buffer, after beginning a new segment if it does not fit into this one.
    async fn add(&mut self, record: Record) -> io::Result<()> {
        let record = LogRecord {
            synced_to: self.synced,
            record: Some(record),
        };
        let needed = format::framed_bytes(prost::Message::encoded_len(&record)) as u64;
        if self.active.end + self.buffer.len() as u64 + needed > self.active.head.length {
            self.flush()?;
            self.sync().await?;
            self.roll(needed).await?;
        }
        let offset = self.active.end + self.buffer.len() as u64;
        let size = format::encode_record(&mut self.buffer, self.active.head.base + offset, &record);
        match &record.record {
            Some(Record::Entry(entry)) => {
                if let Some(log_id) = &entry.log_id {
                    let length = u32::try_from(size).map_err(io::Error::other)?;
                    let place = Place {
                        segment: self.active.head.base,
                        offset,
                        length,
                    };
                    self.placed.push((log_id_from_wire(log_id), place));
                }
            }
            Some(Record::Vote(vote)) => self.checkpoint.vote = Some(*vote),
            Some(Record::Purge(log_id)) => self.checkpoint.purged = Some(*log_id),
            Some(Record::Committed(log_id)) => self.checkpoint.committed = Some(*log_id),
            Some(Record::Truncate(_) | Record::Checkpoint(_)) | None => {}
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.active.file.write_at(self.active.end, &self.buffer)?;
        self.active.end += self.buffer.len() as u64;
        self.buffer.clear();
        let mut contents = self.shared.lock();
        contents.end = self.active.position();
        for (log_id, place) in self.placed.drain(..) {
            contents.written(log_id, place);
        }
        Ok(())
    }

    async fn sync(&mut self) -> io::Result<()> {
        self.active.file.sync_in_time().await?;
        self.synced = self.active.position();
        Ok(())
    }

    /// Begins the next segment, large enough for a record of `needed` bytes.
    async fn roll(&mut self, needed: u64) -> io::Result<()> {
        let room = format::framed_bytes(prost::Message::encoded_len(&self.checkpoint) + 64) + HEAD_BYTES;
        let length = self.segment_bytes.max(needed + room as u64);
        let spare = self.spare.take().await.filter(|_| length == self.segment_bytes);
        let file = match spare {
            Some(file) => file,
            None => segment::make_spare(&*self.host.disk, &self.directory, length, false)?,
        };
        let head = Head {
            base: self.active.position(),
            length,
        };
        self.active = begin_segment(
            &self.host,
            &self.directory,
            file,
            head,
            &self.checkpoint,
            self.synced,
        )?;
        self.synced = self.active.position();
        let mut contents = self.shared.lock();
        contents.segments.insert(head.base, Arc::clone(&self.active.file));
        contents.end = self.synced;
        Ok(())
    }

    /// What can wait until the group's senders have been answered: unlink what a purge made superfluous, keep the next
    /// segment ready.
    fn tidy(&mut self, purged: bool) {
        if purged {
            let covered = self.shared.lock().take_covered_segments(self.active.head.base);
            for base in &covered {
                if let Err(error) = self.host.disk.remove(&segment::path(&self.directory, *base)) {
                    tracing::warn!(%error, base, "cannot remove a log segment that is covered by a snapshot");
                }
            }
            if !covered.is_empty()
                && let Err(error) = self.host.disk.sync_directory(&self.directory)
            {
                tracing::warn!(%error, "cannot sync the log directory");
            }
        }
        if self.spare.is_none() && self.active.end > self.active.head.length / 2 {
            self.spare = Spare::prepare(&self.host, &self.directory, self.segment_bytes);
        }
    }

    /// Stops for good: the kernel may have dropped what it could not write, so neither the file nor a second attempt
    /// can be trusted. Whoever waits is told, and the node stops.
    async fn fail(self, error: &io::Error, waiting: Vec<Done>, mut inbox: mpsc::Receiver<Request>) {
        let reason = failure(&self.directory, error);
        tracing::error!(reason, "the log cannot be written; this server stops");
        self.shared.failure.send_replace(Some(reason.clone()));
        let refuse = |done: Done| done(Err(io::Error::new(error.kind(), reason.clone())));
        waiting.into_iter().for_each(refuse);
        while let Some(request) = inbox.recv().await {
            match request {
                Request::Write { done, .. } => done.into_iter().for_each(refuse),
                Request::Close(_) => return,
            }
        }
    }
}

/// What is written with one sync.
#[derive(Default)]
struct Group {
    records: Vec<Record>,
    waiting: Vec<Done>,
    purged: bool,
    close: Option<oneshot::Sender<()>>,
}

impl Group {
    fn of(requests: impl Iterator<Item = Request>) -> Self {
        let mut group = Self::default();
        for request in requests {
            match request {
                Request::Write { records, done } => {
                    group.purged |= records.iter().any(|record| matches!(record, Record::Purge(_)));
                    group.records.extend(records);
                    group.waiting.extend(done);
                }
                Request::Close(sender) => group.close = Some(sender),
            }
        }
        group
    }
}

/// Turns a file of zeroes into the segment with the given head: content first, then its name, each durable before the
/// next.
fn begin_segment(
    host: &Host,
    directory: &std::path::Path,
    file: Box<dyn DiskFile>,
    head: Head,
    checkpoint: &Checkpoint,
    synced: u64,
) -> io::Result<Segment> {
    let mut bytes = head.encode().to_vec();
    let record = LogRecord {
        synced_to: synced,
        record: Some(Record::Checkpoint(*checkpoint)),
    };
    format::encode_record(&mut bytes, head.base + HEAD_BYTES as u64, &record);
    file.write_at(0, &bytes)?;
    file.sync()?;
    host.disk
        .rename(&directory.join(SPARE_NAME), &segment::path(directory, head.base))?;
    host.disk.sync_directory(directory)?;
    Ok(Segment {
        head,
        file: file.into(),
        end: bytes.len() as u64,
    })
}

fn failure(directory: &std::path::Path, error: &io::Error) -> String {
    let directory = directory.display();
    if error.kind() == io::ErrorKind::StorageFull {
        format!(
            "no space left on the disk that holds {directory}. Nothing that was acknowledged is lost: free some space \
             and start again"
        )
    } else {
        format!(
            "cannot write the log in {directory}: {error}. Nothing that was acknowledged is lost: check the disk and \
             start again"
        )
    }
}
