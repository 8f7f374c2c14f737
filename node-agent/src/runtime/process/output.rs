//! The output of one container run on disk. Owns the format of a record, the file names, rotation and the signal to
//! readers that there is more. Reading is in [`super::output_reader`].
//!
//! A record is `TIME STREAM FLAG TEXT\n`: a time of 30 bytes (`2026-11-23T14:45:39.123456789Z`), `stdout` or `stderr`,
//! `F` when the line ends here or `P` when it goes on in the next record of the stream. Everything before the text has
//! the same length in every record, which is what lets a reader skip without parsing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bosun_host::{Disk, DiskFile, OpenMode, WallTime};
use tokio::sync::watch;

use crate::runtime::ContainerId;

/// Bytes before the text of a record.
pub(super) const RECORD_PREFIX: usize = 40;
/// Where in a record its flag is.
pub(super) const FLAG_AT: usize = 38;
/// Bytes of the time at the start of a record.
pub(super) const TIME_BYTES: usize = 30;
/// A line longer than this is cut into partial records, in bytes.
const TEXT_MAX: usize = 16 << 10;
/// A file that would grow beyond this is set aside and a fresh one begun, in bytes; with the one set aside a run keeps
/// at most twice as much.
pub(super) const FILE_BYTES_MAX: u64 = 10 << 20;

/// Which of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
}

/// How far the writing is; what readers that follow wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Length of the current file.
    pub(super) length: u64,
    /// How often a file was set aside.
    pub(super) rotations: u32,
    /// The run is over and nothing more comes.
    pub(super) closed: bool,
}

/// The folder of a pod's output.
pub(super) fn pod_directory(root: &Path, pod_uid: &str) -> PathBuf {
    root.join(pod_uid)
}

/// The current file of a run.
pub(super) fn run_path(root: &Path, id: &ContainerId) -> PathBuf {
    pod_directory(root, &id.pod_uid).join(format!("{}.{}.log", id.container, id.run))
}

/// The file of a run that was set aside.
pub(super) fn older_path(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

/// The run number in a file name made by [`run_path`] for this container.
pub(super) fn run_of(name: &str, container: &str) -> Option<u32> {
    name.strip_prefix(container)?
        .strip_prefix('.')?
        .strip_suffix(".log")?
        .parse()
        .ok()
}

/// Writes one run's output. The file is made at the first line, so that a silent container costs none.
pub(super) struct Output {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Option<Box<dyn DiskFile>>,
    /// What stdout and stderr wrote since their last newline.
    unfinished: [Vec<u8>; 2],
    progress: watch::Sender<Progress>,
    failed: bool,
    file_bytes_max: u64,
}

impl Output {
    pub(super) fn new(disk: Arc<dyn Disk>, root: &Path, id: &ContainerId) -> Self {
        let mut output = Self {
            disk,
            path: run_path(root, id),
            file: None,
            unfinished: [Vec::new(), Vec::new()],
            progress: watch::Sender::default(),
            failed: false,
            file_bytes_max: FILE_BYTES_MAX,
        };
        if id.run > 0 {
            // The number of the last run is read off the file names; of a restarted container each run leaves one.
            output.forget_older_runs(root, id);
            output.write(&[]);
        }
        output
    }

    /// For readers that follow.
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Takes what a stream wrote at `now`.
    pub(super) fn append(&mut self, stream: Stream, bytes: &[u8], now: WallTime) {
        let mut records = Vec::with_capacity(bytes.len() + RECORD_PREFIX * 4);
        let prefix = prefix(stream, now);
        let unfinished = &mut self.unfinished[stream as usize];
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            let mut text = text;
            while unfinished.len() + text.len() > TEXT_MAX {
                let (head, rest) = text.split_at(TEXT_MAX - unfinished.len());
                push_record(&mut records, &prefix, b'P', &[unfinished, head]);
                unfinished.clear();
                text = rest;
            }
            if ends {
                push_record(&mut records, &prefix, b'F', &[unfinished, text]);
                unfinished.clear();
            } else {
                unfinished.extend_from_slice(text);
            }
        }
        if !records.is_empty() {
            self.write(&records);
        }
    }

    /// The run is over: writes lines that were never ended and tells the readers.
    pub(super) fn close(mut self, now: WallTime) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = std::mem::take(&mut self.unfinished[stream as usize]);
            if !rest.is_empty() {
                let mut record = Vec::with_capacity(RECORD_PREFIX + rest.len() + 1);
                push_record(&mut record, &prefix(stream, now), b'P', &[&rest]);
                self.write(&record);
            }
        }
        self.progress.send_modify(|progress| progress.closed = true);
    }

    fn write(&mut self, records: &[u8]) {
        match self.try_write(records) {
            Ok(()) => self.failed = false,
            Err(error) => {
                // The container must not stand still because its output cannot be kept. Said once per trouble.
                if !self.failed {
                    tracing::warn!(path = %self.path.display(), %error, "output of a container is lost");
                }
                self.failed = true;
            }
        }
    }

    fn try_write(&mut self, records: &[u8]) -> io::Result<()> {
        let Progress {
            mut length,
            mut rotations,
            ..
        } = *self.progress.borrow();
        if length > 0 && length + records.len() as u64 > self.file_bytes_max {
            self.file = None;
            self.disk.rename(&self.path, &older_path(&self.path))?;
            length = 0;
            rotations += 1;
        }
        let file = if let Some(file) = &self.file {
            file
        } else {
            if let Some(directory) = self.path.parent() {
                self.disk.create_directory(directory)?;
            }
            self.file
                .insert(self.disk.open(&self.path, OpenMode::WriteOrCreate)?)
        };
        if length == 0 && records.is_empty() {
            return Ok(());
        }
        file.write_at(length, records)?;
        self.progress.send_modify(|progress| {
            progress.length = length + records.len() as u64;
            progress.rotations = rotations;
        });
        Ok(())
    }

    /// Keeps the run before this one, for `--previous`, and no older one.
    fn forget_older_runs(&self, root: &Path, id: &ContainerId) {
        let Some(run) = id.run.checked_sub(2) else {
            return;
        };
        let old = run_path(root, &ContainerId { run, ..id.clone() });
        for path in [older_path(&old), old] {
            match self.disk.remove(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(path = %path.display(), %error, "old output cannot be removed"),
            }
        }
    }
}

fn prefix(stream: Stream, now: WallTime) -> String {
    let name = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    format!("{} {name} ", now.format("%Y-%m-%dT%H:%M:%S%.9fZ"))
}

fn push_record(records: &mut Vec<u8>, prefix: &str, flag: u8, text: &[&[u8]]) {
    debug_assert_eq!(prefix.len(), FLAG_AT, "every record's flag is at one place");
    records.extend_from_slice(prefix.as_bytes());
    records.extend_from_slice(&[flag, b' ']);
    for piece in text {
        records.extend_from_slice(piece);
    }
    records.push(b'\n');
}

#[cfg(test)]
impl Output {
    pub(super) fn with_file_bytes_max(mut self, bytes: u64) -> Self {
        self.file_bytes_max = bytes;
        self
    }
}
