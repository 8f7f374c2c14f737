//! Reads what [`super::output`] wrote: the last lines, from a time on, with or without the times, up to the end or on and
//! on until the run is over. Reads are short and hit the page cache, so they are done where they are wanted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bosun_host::{Disk, DiskFile, OpenMode};
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::output::{FLAG_AT, Progress, RECORD_PREFIX, TIME_BYTES, older_path};
use crate::runtime::LogRequest;

/// How much is read and sent at once, in bytes.
const CHUNK: usize = 32 << 10;

/// One reading of one run's output.
pub(super) struct Reading {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Present while the run goes on.
    progress: Option<watch::Receiver<Progress>>,
    follow: bool,
    tail_lines: Option<u64>,
    since: Option<String>,
    filter: Filter,
}

/// What is left out and what is added.
struct Filter {
    skip_lines: u64,
    timestamps: bool,
    bytes_left: Option<u64>,
    inside_line: bool,
}

/// Where reading stands in the current file.
struct Position {
    file: Option<Box<dyn DiskFile>>,
    offset: u64,
    rotations: u32,
    /// The start of a record whose end was not there yet.
    carry: Vec<u8>,
}

impl Reading {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        path: PathBuf,
        progress: Option<watch::Receiver<Progress>>,
        request: &LogRequest,
    ) -> Self {
        Self {
            disk,
            path,
            progress,
            follow: request.follow,
            tail_lines: request.tail_lines,
            since: request
                .since
                .map(|time| time.format("%Y-%m-%dT%H:%M:%S%.9fZ").to_string()),
            filter: Filter {
                skip_lines: 0,
                timestamps: request.timestamps,
                bytes_left: request.limit_bytes,
                inside_line: false,
            },
        }
    }

    /// Sends everything to `sender`; ends early when nobody listens any more.
    pub(super) async fn run(mut self, sender: mpsc::Sender<Result<Bytes, String>>) {
        if let Err(error) = self.send_all(&sender).await {
            let message = format!("the output in {} cannot be read: {error}", self.path.display());
            // If nobody listens, nobody needs to know.
            drop(sender.send(Err(message)).await);
        }
    }

    async fn send_all(&mut self, sender: &mpsc::Sender<Result<Bytes, String>>) -> io::Result<()> {
        if let Some(tail) = self.tail_lines {
            self.filter.skip_lines = self.count_lines()?.saturating_sub(tail);
        }
        let mut rotations = self.rotations();
        let mut older = Position::open(&*self.disk, &older_path(&self.path), rotations)?;
        let mut current = Position::open(&*self.disk, &self.path, rotations)?;
        if rotations != self.rotations() {
            // A file was set aside between the two looks.
            rotations = self.rotations();
            older = Position::open(&*self.disk, &older_path(&self.path), rotations)?;
            current = Position::open(&*self.disk, &self.path, rotations)?;
        }
        if !self.drain(&mut older, sender).await? {
            return Ok(());
        }
        loop {
            let seen = self
                .progress
                .as_mut()
                .map(|progress| *progress.borrow_and_update());
            if current.file.is_none() {
                current = Position::open(&*self.disk, &self.path, current.rotations)?;
            }
            if !self.drain(&mut current, sender).await? {
                return Ok(());
            }
            match seen {
                Some(progress) if progress.rotations > current.rotations => {
                    current = Position::open(&*self.disk, &self.path, progress.rotations)?;
                    continue;
                }
                Some(progress) if self.follow && !progress.closed => {}
                Some(_) | None => return Ok(()),
            }
            let Some(progress) = self.progress.as_mut() else {
                return Ok(());
            };
            tokio::select! {
                // An error means that the writer is gone, and with it the run: one more look.
                changed = progress.changed() => if changed.is_err() { self.follow = false },
                () = sender.closed() => return Ok(()),
            }
        }
    }

    fn rotations(&self) -> u32 {
        self.progress
            .as_ref()
            .map_or(0, |progress| progress.borrow().rotations)
    }

    /// Sends what the file holds beyond the position. False when enough was sent or nobody listens.
    async fn drain(
        &mut self,
        position: &mut Position,
        sender: &mpsc::Sender<Result<Bytes, String>>,
    ) -> io::Result<bool> {
        loop {
            let mut out = Vec::new();
            let since = self.since.as_deref();
            let filter = &mut self.filter;
            let more = position.read(|record| filter.take(record, since, &mut out))?;
            if !out.is_empty() && sender.send(Ok(out.into())).await.is_err() {
                return Ok(false);
            }
            if self.filter.bytes_left == Some(0) {
                return Ok(false);
            }
            if !more {
                return Ok(true);
            }
        }
    }

    fn count_lines(&self) -> io::Result<u64> {
        let mut lines = 0;
        let mut inside_line = false;
        for path in [older_path(&self.path), self.path.clone()] {
            let mut position = Position::open(&*self.disk, &path, 0)?;
            while position.read(|record| {
                if self
                    .since
                    .as_deref()
                    .is_none_or(|since| &record[..TIME_BYTES] >= since.as_bytes())
                {
                    inside_line = record[FLAG_AT] == b'P';
                    lines += u64::from(!inside_line);
                }
            })? {}
        }
        Ok(lines + u64::from(inside_line))
    }
}

impl Filter {
    fn take(&mut self, record: &[u8], since: Option<&str>, out: &mut Vec<u8>) {
        if since.is_some_and(|since| &record[..TIME_BYTES] < since.as_bytes()) {
            return;
        }
        let partial = record[FLAG_AT] == b'P';
        if self.skip_lines > 0 {
            self.skip_lines -= u64::from(!partial);
            return;
        }
        if self.timestamps && !self.inside_line {
            self.push(&record[..TIME_BYTES], out);
            self.push(b" ", out);
        }
        self.push(&record[RECORD_PREFIX..], out);
        if !partial {
            self.push(b"\n", out);
        }
        self.inside_line = partial;
    }

    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(left) = &mut self.bytes_left else {
            out.extend_from_slice(bytes);
            return;
        };
        let count = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
        out.extend_from_slice(&bytes[..count]);
        *left -= count as u64;
    }
}

impl Position {
    /// The start of a file; of nothing if the file does not exist.
    fn open(disk: &dyn Disk, path: &Path, rotations: u32) -> io::Result<Self> {
        let file = match disk.open(path, OpenMode::Read) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            file,
            offset: 0,
            rotations,
            carry: Vec::new(),
        })
    }

    /// Reads a chunk and hands out its whole records, without their newline. False at the end of the file.
    fn read(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<bool> {
        let Some(file) = &self.file else {
            return Ok(false);
        };
        let kept = self.carry.len();
        self.carry.resize(kept + CHUNK, 0);
        let count = file.read_at(self.offset, &mut self.carry[kept..])?;
        self.carry.truncate(kept + count);
        self.offset += count as u64;
        let mut start = 0;
        while let Some(length) = self.carry[start..].iter().position(|byte| *byte == b'\n') {
            let record = &self.carry[start..start + length];
            // Shorter than its prefix is only what a damaged disk left.
            if record.len() >= RECORD_PREFIX {
                take(record);
            }
            start += length + 1;
        }
        self.carry.drain(..start);
        if self.carry.is_empty() {
            self.carry = Vec::new();
        }
        Ok(count > 0)
    }
}
