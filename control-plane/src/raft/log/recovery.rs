//! Reading the log back at start: what each record says, where the log ends, and whether damage at its end is a write
//! that a crash tore (cut it) or the rotting of something once durable (refuse to start).

use std::io;
use std::path::Path;
use std::sync::Arc;

use bosun_host::{Disk, DiskFile, OpenMode, read_fully};
use bosun_proto::log::log_record::Record;
use bosun_proto::log::{Checkpoint, LogRecord};

use super::contents::{Contents, Gap, Place};
use super::format::{ALIGNMENT, HEAD_BYTES, Head, HeadError, decode_record};
use super::segment::{self, Segment};
use crate::raft::messages::{log_id_from_wire, required, vote_from_wire};

/// What was found.
pub(super) struct Recovered {
    pub(super) contents: Contents,
    /// What the head of the next segment has to repeat.
    pub(super) checkpoint: Checkpoint,
    /// The segment to go on writing to; `None` if there is no log yet.
    pub(super) active: Option<Segment>,
}

/// Reads the log in `directory`, and leaves it so that its end may be written on: what a crash left half done is gone,
/// and all that was found is durable.
pub(super) fn recover(disk: &dyn Disk, directory: &Path, contents: Contents) -> io::Result<Recovered> {
    let bases = segment::bases(&disk.list(directory)?);
    let mut recovered = Recovered {
        contents,
        checkpoint: Checkpoint::default(),
        active: None,
    };
    // One buffer for all: allocated anew for each segment, the memory would not go back to the system.
    let mut bytes = Vec::new();
    for (number, base) in bases.iter().enumerate() {
        let path = segment::path(directory, *base);
        if let Some(before) = &recovered.active
            && before.position() != *base
        {
            return Err(rotten(&path, "does not begin where the one before it ends"));
        }
        let file: Arc<dyn DiskFile> = disk.open(&path, OpenMode::Write)?.into();
        let is_last = number + 1 == bases.len();
        let active = recovered.read_segment(&path, file, *base, is_last, &mut bytes)?;
        recovered.active = Some(active);
    }
    recovered.check(directory)?;
    Ok(recovered)
}

impl Recovered {
    fn read_segment(
        &mut self,
        path: &Path,
        file: Arc<dyn DiskFile>,
        base: u64,
        is_last: bool,
        bytes: &mut Vec<u8>,
    ) -> io::Result<Segment> {
        read_whole(&*file, bytes)?;
        let head = Head::decode(bytes).map_err(|error| head_refusal(path, error))?;
        if head.base != base {
            return Err(rotten(path, "holds another segment than its name says"));
        }
        if head.length > bytes.len() as u64 {
            return Err(rotten(path, "is shorter than it was made"));
        }
        let mut offset = HEAD_BYTES;
        while let Some((record, size)) = decode_record(&bytes[offset..], base + offset as u64) {
            let is_first = offset == HEAD_BYTES;
            if is_first != matches!(record.record, Some(Record::Checkpoint(_))) {
                return Err(rotten(path, "has a checkpoint in the wrong place"));
            }
            let length = u32::try_from(size).map_err(io::Error::other)?;
            self.replay(
                path,
                record,
                Place {
                    segment: base,
                    offset: offset as u64,
                    length,
                },
            )?;
            offset += size;
        }
        if offset == HEAD_BYTES {
            return Err(rotten(path, "has lost its first record"));
        }
        if bytes[offset..].iter().any(|byte| *byte != 0) {
            if !is_last {
                return Err(rotten(path, "is damaged before its end"));
            }
            cut_torn_end(path, &*file, bytes, base, offset)?;
        }
        // What was found may still be in the kernel's memory only; from here on it counts as durable.
        file.sync()?;
        self.contents.segments.insert(base, Arc::clone(&file));
        self.contents.end = base + offset as u64;
        Ok(Segment {
            head,
            file,
            end: offset as u64,
        })
    }

    fn replay(&mut self, path: &Path, record: LogRecord, place: Place) -> io::Result<()> {
        match required(record.record, "a log record without content")? {
            Record::Entry(entry) => {
                let log_id = log_id_from_wire(&required(entry.log_id, "an entry without log id")?);
                self.contents
                    .recover(log_id, place)
                    .map_err(|gap| missing_entries(path, gap))?;
            }
            Record::Vote(vote) => {
                self.contents.vote = Some(vote_from_wire(&vote));
                self.checkpoint.vote = Some(vote);
            }
            Record::Truncate(truncate) => {
                self.contents
                    .truncate_after(truncate.last_kept.as_ref().map(log_id_from_wire));
            }
            Record::Purge(purged) => {
                self.contents.purge(log_id_from_wire(&purged));
                self.checkpoint.purged = Some(purged);
            }
            Record::Committed(committed) => {
                self.contents.committed = Some(log_id_from_wire(&committed));
                self.checkpoint.committed = Some(committed);
            }
            Record::Checkpoint(checkpoint) => {
                self.contents.vote = checkpoint.vote.as_ref().map(vote_from_wire);
                self.contents.committed = checkpoint.committed.as_ref().map(log_id_from_wire);
                if let Some(purged) = &checkpoint.purged {
                    self.contents.purge(log_id_from_wire(purged));
                }
                self.checkpoint = checkpoint;
            }
        }
        Ok(())
    }

    /// The first entry must be the one after the last purged; whether anything is missing before it can be told only
    /// now, since the purge may be recorded behind entries that it covers.
    fn check(&self, directory: &Path) -> io::Result<()> {
        let expected = self.contents.purged.map_or(0, |purged| purged.index + 1);
        let found = self.contents.first_index();
        if found > expected {
            return Err(missing_entries(directory, Gap { expected, found }));
        }
        Ok(())
    }
}

fn read_whole(file: &dyn DiskFile, bytes: &mut Vec<u8>) -> io::Result<()> {
    let length = usize::try_from(file.length()?).map_err(io::Error::other)?;
    bytes.resize(length, 0);
    let filled = read_fully(file, 0, bytes)?;
    bytes.truncate(filled);
    Ok(())
}

/// Clears what lies behind the last whole record, unless a later record proves that it was once durable.
fn cut_torn_end(path: &Path, file: &dyn DiskFile, bytes: &[u8], base: u64, end: usize) -> io::Result<()> {
    let mut offset = end;
    while offset < bytes.len() {
        let Some((record, size)) = decode_record(&bytes[offset..], base + offset as u64) else {
            offset += ALIGNMENT;
            continue;
        };
        if record.synced_to > base + end as u64 {
            return Err(rotten(path, "is damaged below what was once durable"));
        }
        offset += size;
    }
    let dirty = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(end, |last| last + 1);
    tracing::warn!(segment = %path.display(), bytes = dirty - end, "cut a half-written end off the log");
    file.write_at(end as u64, &vec![0; dirty - end])
}

fn head_refusal(path: &Path, error: HeadError) -> io::Error {
    let directory = path.parent().unwrap_or(path).display();
    match error {
        HeadError::Damaged => rotten(path, "has a damaged head, or is no log segment"),
        HeadError::OtherVersion(version) => io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "the log in {directory} has format version {version}, and this bosun reads version {}: start the \
                 bosun that wrote it, or move the directory away to begin with an empty one",
                super::format::FORMAT_VERSION
            ),
        ),
    }
}

fn missing_entries(path: &Path, gap: Gap) -> io::Error {
    rotten(
        path,
        &format!(
            "continues with entry {} where {} is expected",
            gap.found, gap.expected
        ),
    )
}

/// Refusing is the only honest answer: to drop something that was acknowledged would break the promise given for it.
fn rotten(path: &Path, what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "log {} {what}: data that was once safe is damaged, so this server does not start. Check the disk; then \
             restore the data directory from a copy or, if other servers of the cluster are alive, move it away and \
             let this server join anew under a new number",
            path.display()
        ),
    )
}
