//! A disk in memory that behaves like a disk losing power: [`SimulatedDisk::crash`] forgets bytes and names that were
//! never synced, and may leave the write in flight half done. Faults (full disk, failing sync, flipped bits) are set by
//! the test.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;

use crate::{Disk, DiskFile, DiskLock, Entropy, OpenMode};

/// How much of what was not synced survives a crash.
#[derive(Clone, Copy)]
pub enum Crash<'a> {
    /// Nothing: the cruellest outcome.
    LoseAll,
    /// Everything: as when only the process dies.
    KeepAll,
    /// Of each file a random number of its unsynced writes, the next one torn at a random byte, and of the names
    /// a random number of the latest operations.
    Random(&'a dyn Entropy),
}

/// The disk; clones share it.
#[derive(Clone, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<u64, Content>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    unsynced_names: Vec<NameOperation>,
    directories: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    next_file: u64,
    /// Counts crashes; handles from before a crash are dead.
    power_cycle: u64,
    capacity: Option<u64>,
    failing_syncs: u32,
    syncs: u64,
    sync_times: Option<SyncTimes>,
}

/// Says how long the next sync takes.
type SyncTimes = Box<dyn FnMut() -> Duration + Send>;

/// One file: what is safe, what is seen, and the writes between the two.
#[derive(Default)]
struct Content {
    durable: Vec<u8>,
    seen: Vec<u8>,
    unsynced: Vec<Write>,
}

enum Write {
    Bytes { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

enum NameOperation {
    Put(PathBuf, u64),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
}

impl NameOperation {
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Put(path, file) => {
                names.insert(path.clone(), *file);
            }
            Self::Remove(path) => {
                names.remove(path);
            }
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
        }
    }

    fn concerns(&self, directory: &Path) -> bool {
        match self {
            Self::Put(path, _) | Self::Remove(path) => path.parent() == Some(directory),
            Self::Rename(from, to) => from.parent() == Some(directory) || to.parent() == Some(directory),
        }
    }
}

impl Write {
    /// Applies the first `limit` bytes of this write.
    fn apply(&self, content: &mut Vec<u8>, limit: usize) {
        match self {
            Self::Bytes { offset, bytes } => {
                let bytes = &bytes[..bytes.len().min(limit)];
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(bytes);
            }
            Self::Length(length) => content.resize(*length, 0),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Bytes { bytes, .. } => bytes.len(),
            Self::Length(_) => 0,
        }
    }
}

impl SimulatedDisk {
    /// An empty disk of unlimited size.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the power and restores it. Open files and locks from before are dead.
    pub fn crash(&self, crash: Crash<'_>) {
        let mut state = self.state();
        let state = &mut *state;
        let survivors = |count: usize| match crash {
            Crash::LoseAll => 0,
            Crash::KeepAll => count,
            Crash::Random(entropy) => below(entropy, count + 1),
        };
        let kept = survivors(state.unsynced_names.len());
        for operation in state.unsynced_names.drain(..).take(kept) {
            operation.apply(&mut state.durable_names);
        }
        state.names = state.durable_names.clone();
        for content in state.files.values_mut() {
            let kept = survivors(content.unsynced.len());
            for (number, write) in content.unsynced.drain(..).enumerate() {
                if number < kept {
                    write.apply(&mut content.durable, usize::MAX);
                } else if let (true, Crash::Random(entropy)) = (number == kept && write.size() > 0, crash) {
                    write.apply(&mut content.durable, below(entropy, write.size()));
                }
            }
            content.seen = content.durable.clone();
        }
        let alive: BTreeSet<u64> = state.names.values().copied().collect();
        state.files.retain(|file, _| alive.contains(file));
        state.locks.clear();
        state.power_cycle += 1;
    }

    /// From now on at most `bytes` fit; `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Lets the next `count` syncs fail with an input/output error.
    pub fn fail_syncs(&self, count: u32) {
        self.state().failing_syncs = count;
    }

    /// How many file syncs there have been.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Changes the durable and visible content of a file behind everyone's back.
    pub fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut state = self.state();
        let file = state.find(path)?;
        let content = state.files.get_mut(&file).ok_or_else(|| missing(path))?;
        change(&mut content.seen);
        content.durable = content.seen.clone();
        content.unsynced.clear();
        Ok(())
    }

    /// Has [`DiskFile::sync_in_time`] take as long as `times` says, on tokio's clock. The plain `sync` cannot wait.
    pub fn set_sync_times(&self, times: impl FnMut() -> Duration + Send + 'static) {
        self.state().sync_times = Some(Box::new(times));
    }

    /// A disk with the same content, for trying several damages on one history.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = self.state();
        let files = state.files.iter().map(|(file, content)| {
            let seen = content.seen.clone();
            (
                *file,
                Content {
                    durable: seen.clone(),
                    seen,
                    unsynced: Vec::new(),
                },
            )
        });
        let fork = State {
            files: files.collect(),
            names: state.names.clone(),
            durable_names: state.names.clone(),
            directories: state.directories.clone(),
            next_file: state.next_file,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(fork)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&self, path: &Path) -> io::Result<u64> {
        self.names.get(path).copied().ok_or_else(|| missing(path))
    }

    fn used(&self) -> u64 {
        self.files.values().map(|content| content.seen.len() as u64).sum()
    }

    fn operate(&mut self, operation: NameOperation) {
        operation.apply(&mut self.names);
        self.unsynced_names.push(operation);
    }
}

fn missing(path: &Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("{} does not exist", path.display()),
    )
}

/// A random number below `limit`, which must not be zero.
fn below(entropy: &dyn Entropy, limit: usize) -> usize {
    usize::try_from(entropy.next_u64() % limit as u64).expect("the remainder is below a usize")
}

impl Disk for SimulatedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        let found = state.find(path);
        let file = match (mode, found) {
            (OpenMode::CreateNew, Ok(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            (_, Ok(file)) => file,
            (OpenMode::Read | OpenMode::Write, Err(error)) => return Err(error),
            (OpenMode::WriteOrCreate | OpenMode::CreateNew, Err(_)) => {
                if !path
                    .parent()
                    .is_none_or(|parent| state.directories.contains(parent))
                {
                    return Err(missing(path.parent().unwrap_or(path)));
                }
                state.next_file += 1;
                let file = state.next_file;
                state.files.insert(file, Content::default());
                state.operate(NameOperation::Put(path.to_owned(), file));
                file
            }
        };
        Ok(Box::new(SimulatedFile {
            disk: self.clone(),
            file,
            power_cycle: state.power_cycle,
        }))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        for directory in path.ancestors() {
            state.directories.insert(directory.to_owned());
        }
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        if !state.directories.contains(directory) {
            return Err(missing(directory));
        }
        let children = state.names.keys().chain(&state.directories);
        let mut names: Vec<String> = children
            .filter(|path| path.parent() == Some(directory))
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect();
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.find(from)?;
        state.operate(NameOperation::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.find(path)?;
        state.operate(NameOperation::Remove(path.to_owned()));
        Ok(())
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let below: Vec<PathBuf> = state
            .names
            .keys()
            .filter(|name| name.starts_with(path))
            .cloned()
            .collect();
        for name in below {
            state.operate(NameOperation::Remove(name));
        }
        state.directories.retain(|directory| !directory.starts_with(path));
        Ok(())
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state();
        let (synced, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut state.unsynced_names)
            .into_iter()
            .partition(|operation| operation.concerns(directory));
        for operation in synced {
            operation.apply(&mut state.durable_names);
        }
        state.unsynced_names = rest;
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let mut state = self.state();
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimulatedLock {
            disk: self.clone(),
            path: path.to_owned(),
            power_cycle: state.power_cycle,
        }))
    }

    fn free_space(&self, _path: &Path) -> io::Result<u64> {
        let state = self.state();
        Ok(state
            .capacity
            .map_or(u64::MAX, |capacity| capacity.saturating_sub(state.used())))
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    file: u64,
    power_cycle: u64,
}

impl SimulatedFile {
    fn with<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        if state.power_cycle != self.power_cycle {
            return Err(io::Error::other("the power was cut since this file was opened"));
        }
        work(&mut state)
    }

    fn write(&self, write: Write, end: u64) -> io::Result<()> {
        self.with(|state| {
            let used = state.used();
            let capacity = state.capacity;
            // An unlinked file lives as long as it is open.
            let content = state.files.entry(self.file).or_default();
            let growth = end.saturating_sub(content.seen.len() as u64);
            if growth > 0 && capacity.is_some_and(|capacity| used + growth > capacity) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            write.apply(&mut content.seen, usize::MAX);
            content.unsynced.push(write);
            Ok(())
        })
    }
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(|state| {
            let Some(content) = state.files.get(&self.file) else {
                return Ok(0);
            };
            let start = usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(content.seen.len());
            let count = buffer.len().min(content.seen.len() - start);
            buffer[..count].copy_from_slice(&content.seen[start..start + count]);
            Ok(count)
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset + bytes.len() as u64;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.write(
            Write::Bytes {
                offset,
                bytes: bytes.to_vec(),
            },
            end,
        )
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|state| {
            state.syncs += 1;
            if state.failing_syncs > 0 {
                state.failing_syncs -= 1;
                return Err(io::Error::other("the disk could not write"));
            }
            if let Some(content) = state.files.get_mut(&self.file) {
                for write in content.unsynced.drain(..) {
                    write.apply(&mut content.durable, usize::MAX);
                }
            }
            Ok(())
        })
    }

    fn sync_in_time(&self) -> BoxFuture<'_, io::Result<()>> {
        let time = self.disk.state().sync_times.as_mut().map(|times| times());
        Box::pin(async move {
            if let Some(time) = time {
                tokio::time::sleep(time).await;
            }
            self.sync()
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.with(|state| {
            Ok(state
                .files
                .get(&self.file)
                .map_or(0, |content| content.seen.len() as u64))
        })
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let size = usize::try_from(length).map_err(io::Error::other)?;
        self.write(Write::Length(size), length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        if length > self.length()? {
            self.set_length(length)
        } else {
            Ok(())
        }
    }
}

struct SimulatedLock {
    disk: SimulatedDisk,
    path: PathBuf,
    power_cycle: u64,
}

impl DiskLock for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.power_cycle == self.power_cycle {
            state.locks.remove(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededEntropy;

    fn disk_with_directory() -> (SimulatedDisk, PathBuf) {
        let disk = SimulatedDisk::new();
        let directory = PathBuf::from("/data");
        disk.create_directory(&directory).unwrap();
        (disk, directory)
    }

    #[test]
    fn a_crash_loses_what_was_not_synced() {
        let (disk, directory) = disk_with_directory();
        let path = directory.join("file");
        let file = disk.open(&path, OpenMode::CreateNew).unwrap();
        file.write_at(0, b"safe").unwrap();
        file.sync().unwrap();
        disk.sync_directory(&directory).unwrap();
        file.write_at(4, b"lost").unwrap();
        assert_eq!(disk.read(&path).unwrap(), b"safelost");
        disk.crash(Crash::LoseAll);
        assert_eq!(disk.read(&path).unwrap(), b"safe");
        assert!(
            file.write_at(0, b"x").is_err(),
            "a handle from before the crash is dead"
        );
    }

    #[test]
    fn a_name_needs_its_directory_synced() {
        let (disk, directory) = disk_with_directory();
        let path = directory.join("file");
        disk.open(&path, OpenMode::CreateNew).unwrap().sync().unwrap();
        disk.crash(Crash::LoseAll);
        assert_eq!(disk.read(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_random_crash_tears_a_write_but_keeps_the_synced_part() {
        let mut torn = 0;
        for seed in 0..50 {
            let (disk, directory) = disk_with_directory();
            let path = directory.join("file");
            disk.write_atomically(&path, b"base").unwrap();
            disk.open(&path, OpenMode::Write)
                .unwrap()
                .write_at(4, b"12345678")
                .unwrap();
            disk.crash(Crash::Random(&SeededEntropy::new(seed)));
            let content = disk.read(&path).unwrap();
            assert!(
                b"base12345678".starts_with(&content) && content.len() >= 4,
                "{content:?}"
            );
            torn += u32::from(content.len() > 4 && content.len() < 12);
        }
        assert!(torn > 5, "some crashes must tear: {torn}");
    }

    #[test]
    fn a_full_disk_refuses_growth_and_nothing_else() {
        let (disk, directory) = disk_with_directory();
        let file = disk.open(&directory.join("file"), OpenMode::CreateNew).unwrap();
        file.write_at(0, &[1; 8]).unwrap();
        disk.set_capacity(Some(10));
        assert_eq!(
            file.write_at(8, &[1; 8]).unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
        file.write_at(0, &[2; 8]).unwrap();
    }
}
