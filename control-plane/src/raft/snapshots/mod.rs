//! Snapshot files: written whole or not at all, the last two kept, damaged ones refused.
//!
//! Owns the files and their order; `file.rs` owns the bytes. What the state in them is made of belongs to the
//! [`super::StateMachine`].

mod file;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bosun_host::{Disk, DiskFile, OpenMode};
use prost::Message;

pub(super) use self::file::SnapshotReader;
use self::file::SnapshotWriter;
use super::SnapshotEncoder;
use super::types::SnapshotMeta;

const SUFFIX: &str = ".snapshot";

/// Snapshots kept: should the newest one rot, the one before and the log since then still hold everything.
const KEPT: usize = 2;

/// A message in a snapshot above this is damage.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Who is writing a snapshot. Each has one file to write to, so that what is given up is written over by the next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Draft {
    /// This server, from its own state.
    Built,
    /// The leader, for this server to catch up.
    Received,
}

impl Draft {
    fn name(self) -> &'static str {
        match self {
            Self::Built => "built.draft",
            Self::Received => "received.draft",
        }
    }
}

/// The snapshots of one server.
#[derive(Clone)]
pub(super) struct Snapshots {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
}

/// A whole snapshot on disk. The file is held open, so it stays readable when newer ones replace it.
#[derive(Clone)]
pub(super) struct SnapshotFile {
    pub(super) meta: SnapshotMeta,
    file: Arc<dyn DiskFile>,
    path: PathBuf,
}

impl SnapshotFile {
    /// The state in it.
    pub(super) fn content(&self) -> io::Result<SnapshotReader> {
        Ok(SnapshotReader::open(Arc::clone(&self.file))?.1)
    }
}

impl std::fmt::Debug for SnapshotFile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.path.display())
    }
}

impl Snapshots {
    /// The snapshots in `directory`, which must exist.
    pub(super) fn new(disk: Arc<dyn Disk>, directory: PathBuf) -> Self {
        Self { disk, directory }
    }

    /// The newest snapshot that is whole. Damaged ones are reported and passed over; if there are only such, that is an
    /// error, since the log before them is gone.
    pub(super) fn newest(&self) -> io::Result<Option<SnapshotFile>> {
        let mut refusal = None;
        for name in self.names()?.into_iter().rev() {
            let path = self.directory.join(&name);
            match self.load(path.clone()) {
                Ok(snapshot) => return Ok(Some(snapshot)),
                Err(error) => {
                    let error = unusable(&path, &error);
                    if error.kind() == io::ErrorKind::Unsupported {
                        return Err(error);
                    }
                    tracing::error!(%error, "passing over a snapshot");
                    refusal.get_or_insert(error);
                }
            }
        }
        refusal.map_or(Ok(None), Err)
    }

    /// The index up to which the snapshot before the newest one reaches.
    pub(super) fn second_newest_index(&self) -> io::Result<Option<u64>> {
        let names = self.names()?;
        let second = names.iter().rev().nth(1).and_then(|name| name.split('-').next());
        Ok(second.and_then(|index| index.parse().ok()))
    }

    /// Encodes a state into a new snapshot and keeps it. Blocks for as long as that takes.
    pub(super) fn build(&self, meta: SnapshotMeta, encoder: SnapshotEncoder) -> io::Result<SnapshotFile> {
        let build = || {
            let mut writer = self.draft(Draft::Built, meta)?;
            encoder(&mut writer)?;
            self.keep(self.seal(writer)?)
        };
        build().map_err(|error| {
            let directory = self.directory.display();
            io::Error::new(
                error.kind(),
                format!("cannot write a snapshot into {directory}: {error}"),
            )
        })
    }

    /// Begins a snapshot. What was begun before under the same `draft` is lost.
    pub(super) fn draft(&self, draft: Draft, meta: SnapshotMeta) -> io::Result<SnapshotWriter> {
        SnapshotWriter::begin(&*self.disk, self.directory.join(draft.name()), meta)
    }

    /// Ends a snapshot: it is whole and durable, but not yet one of those kept.
    pub(super) fn seal(&self, writer: SnapshotWriter) -> io::Result<SnapshotFile> {
        let (path, meta) = writer.finish()?;
        let file = self.disk.open(&path, OpenMode::Read)?.into();
        Ok(SnapshotFile { meta, file, path })
    }

    /// Makes a sealed snapshot one of those kept, and removes those that are too many. Nothing changes for one that is
    /// kept already.
    pub(super) fn keep(&self, snapshot: SnapshotFile) -> io::Result<SnapshotFile> {
        let path = self.directory.join(name_of(&snapshot.meta));
        if path == snapshot.path {
            return Ok(snapshot);
        }
        self.disk.rename(&snapshot.path, &path)?;
        self.disk.sync_directory(&self.directory)?;
        let names = self.names()?;
        for name in &names[..names.len().saturating_sub(KEPT)] {
            self.disk.remove(&self.directory.join(name))?;
        }
        Ok(SnapshotFile { path, ..snapshot })
    }

    fn load(&self, path: PathBuf) -> io::Result<SnapshotFile> {
        let file: Arc<dyn DiskFile> = self.disk.open(&path, OpenMode::Read)?.into();
        let (meta, mut content) = SnapshotReader::open(Arc::clone(&file))?;
        io::copy(&mut content, &mut io::sink())?;
        Ok(SnapshotFile { meta, file, path })
    }

    /// The names of the snapshots kept, oldest first.
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = self.disk.list(&self.directory)?;
        names.retain(|name| name.ends_with(SUFFIX));
        names.sort();
        Ok(names)
    }
}

/// Names the file and the way out, which is not the same for damage and for another version.
fn unusable(path: &Path, error: &io::Error) -> io::Error {
    let way_out = if error.kind() == io::ErrorKind::Unsupported {
        "Start the bosun that wrote it, or move the data directory away to begin with an empty one"
    } else {
        "Check the disk; restore the data directory from a copy or, if other servers of the cluster are alive, move it \
         away and let this server join anew"
    };
    io::Error::new(
        error.kind(),
        format!("snapshot {} cannot be used: {error}. {way_out}", path.display()),
    )
}

/// Sorts by what the snapshot covers.
fn name_of(meta: &SnapshotMeta) -> String {
    let (index, term) = meta
        .last_log_id
        .map_or((0, 0), |last| (last.index, last.leader_id.term));
    format!("{index:020}-{term:020}{SUFFIX}")
}

/// Writes one message of a state: its length in four bytes, then its content.
pub fn write_message(target: &mut dyn Write, message: &impl Message) -> io::Result<()> {
    let content = message.encode_to_vec();
    let length = u32::try_from(content.len()).map_err(io::Error::other)?;
    target.write_all(&length.to_le_bytes())?;
    target.write_all(&content)
}

/// Reads what [`write_message`] wrote; `None` at the end of the state.
pub fn read_message<M: Message + Default>(source: &mut dyn Read) -> io::Result<Option<M>> {
    let mut length = [0; 4];
    match source.read(&mut length)? {
        0 => return Ok(None),
        count => source.read_exact(&mut length[count..])?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MESSAGE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a message of {length} bytes in a snapshot"),
        ));
    }
    let mut content = vec![0; length];
    source.read_exact(&mut content)?;
    M::decode(content.as_slice())
        .map(Some)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
