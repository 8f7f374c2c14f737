//! The files of the log: their names, how one is made, how the next one is kept ready.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bosun_host::{Disk, DiskFile, Host, OpenMode};
use tokio::sync::oneshot;

use super::format::Head;

/// The name of the file that becomes the next segment.
pub(super) const SPARE_NAME: &str = "spare";

const SUFFIX: &str = ".log";

/// Written at once while zero-filling; small enough not to hold up the log's own syncs for long.
const FILL_BYTES: usize = 1 << 20;

/// The segment that is written to.
pub(super) struct Segment {
    pub(super) head: Head,
    pub(super) file: Arc<dyn DiskFile>,
    /// Where the next record goes, from the beginning of the file.
    pub(super) end: u64,
}

impl Segment {
    /// The position of the next record in the log.
    pub(super) fn position(&self) -> u64 {
        self.head.base + self.end
    }
}

/// The path of the segment that begins at `base`.
pub(super) fn path(directory: &Path, base: u64) -> PathBuf {
    directory.join(format!("{base:016x}{SUFFIX}"))
}

/// The positions at which the segments named in `names` begin, ascending.
pub(super) fn bases(names: &[String]) -> Vec<u64> {
    let mut bases: Vec<u64> = names
        .iter()
        .filter_map(|name| name.strip_suffix(SUFFIX))
        .filter_map(|digits| u64::from_str_radix(digits, 16).ok())
        .collect();
    bases.sort_unstable();
    bases
}

/// Makes the spare file with its space reserved; zero-filled as well if `filled`, which makes later syncs cheaper
/// because they change nothing but the bytes.
pub(super) fn make_spare(
    disk: &dyn Disk,
    directory: &Path,
    length: u64,
    filled: bool,
) -> io::Result<Box<dyn DiskFile>> {
    let file = disk.open(&directory.join(SPARE_NAME), OpenMode::WriteOrCreate)?;
    file.set_length(0)?;
    file.allocate(length)?;
    if filled {
        let zeroes = vec![0; FILL_BYTES];
        let mut offset = 0;
        while offset < length {
            let count = (length - offset).min(FILL_BYTES as u64);
            let count = usize::try_from(count).expect("a chunk is small");
            file.write_at(offset, &zeroes[..count])?;
            file.sync()?;
            offset += count as u64;
        }
    }
    file.sync()?;
    Ok(file)
}

/// The next segment's file, on its way or there.
pub(super) enum Spare {
    /// Not asked for, or it could not be made; then it is made when needed.
    None,
    /// A worker is filling it.
    Coming(oneshot::Receiver<io::Result<Box<dyn DiskFile>>>),
}

impl Spare {
    /// Has a worker make the spare.
    pub(super) fn prepare(host: &Host, directory: &Path, length: u64) -> Self {
        let (sender, receiver) = oneshot::channel();
        let disk = Arc::clone(&host.disk);
        let directory = directory.to_owned();
        let work = Box::pin(async move {
            // If the log is gone by now, nobody needs it.
            drop(sender.send(make_spare(&*disk, &directory, length, true)));
        });
        match host.workers.spawn("log-spare", work) {
            Ok(()) => Self::Coming(receiver),
            Err(error) => {
                tracing::warn!(%error, "cannot start the worker that prepares the next log segment");
                Self::None
            }
        }
    }

    /// The spare if it was asked for and could be made; waits for it if it is on its way.
    pub(super) async fn take(&mut self) -> Option<Box<dyn DiskFile>> {
        match std::mem::replace(self, Self::None) {
            Self::None => None,
            Self::Coming(receiver) => match receiver.await {
                Ok(Ok(file)) => Some(file),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "cannot prepare the next log segment; trying again when it is needed");
                    None
                }
                Err(_) => None,
            },
        }
    }

    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}
