//! Files, as far as durable state needs them: positioned access, syncing, names, a lock. Owns the traits and the two
//! compound operations every user of files needs (read whole, write whole atomically). All calls block; callers run
//! them on a worker (see [`crate::Workers`]) or before anything else is served.

use std::io;
use std::path::Path;

use futures::future::BoxFuture;

/// How [`Disk::open`] treats a file that exists or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The file must exist; it is opened for reading only.
    Read,
    /// The file must exist; it is opened for reading and writing.
    Write,
    /// The file is opened for reading and writing, and made first if it does not exist.
    WriteOrCreate,
    /// The file must not exist yet; it is made and opened for reading and writing.
    CreateNew,
}

/// The disk of one host. Paths are used as given; a name becomes durable only by [`Disk::sync_directory`].
pub trait Disk: Send + Sync + 'static {
    /// Opens one file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>>;

    /// Makes a directory and those above it; fine if it exists.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, sorted.
    fn list(&self, directory: &Path) -> io::Result<Vec<String>>;

    /// Renames a file, replacing one that has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Unlinks a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory and everything below it; fine if it does not exist.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;

    /// Makes the names made, renamed and unlinked in `directory` durable.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;

    /// Takes an exclusive lock on `path` (made if absent) that ends with the returned value or with the process.
    /// Another holder is an error of kind [`io::ErrorKind::WouldBlock`].
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;

    /// Bytes an unprivileged process may still write to the file system that holds `path`.
    fn free_space(&self, path: &Path) -> io::Result<u64>;

    /// The whole content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open(path, OpenMode::Read)?;
        let length = usize::try_from(file.length()?).map_err(io::Error::other)?;
        let mut content = vec![0_u8; length];
        let filled = read_fully(&*file, 0, &mut content)?;
        content.truncate(filled);
        Ok(content)
    }

    /// Puts `content` under `path` so that after a crash either the old file or the whole new one is there: written
    /// to `<path>.new`, synced, renamed, directory synced.
    fn write_atomically(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut draft = path.as_os_str().to_owned();
        draft.push(".new");
        let draft = Path::new(&draft);
        let file = self.open(draft, OpenMode::WriteOrCreate)?;
        file.set_length(0)?;
        file.write_at(0, content)?;
        file.sync()?;
        drop(file);
        self.rename(draft, path)?;
        path.parent()
            .map_or(Ok(()), |directory| self.sync_directory(directory))
    }
}

/// An open file. Dropping it closes it; nothing is synced by that.
pub trait DiskFile: Send + Sync {
    /// Reads at `offset` into `buffer`, and says how many bytes there were; 0 at the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`, growing the file if need be.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes content and length durable. After an error nothing about this file may be trusted any more: the kernel
    /// may have dropped the pages it could not write.
    fn sync(&self) -> io::Result<()>;

    /// [`DiskFile::sync`] for async code on a worker (see [`crate::Workers`]): it may block there, or, where a disk is
    /// simulated, take simulated time.
    fn sync_in_time(&self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(std::future::ready(self.sync()))
    }

    /// The length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Cuts the file or extends it with zeroes.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Extends the file with zeroes to `length` and reserves the space, so that writing there later cannot run into
    /// a full disk where the file system is able to promise that.
    fn allocate(&self, length: u64) -> io::Result<()>;
}

/// Proof that a lock is held; dropping it gives the lock back.
pub trait DiskLock: Send + Sync {}

/// Reads until `buffer` is full or the file ends; returns the number of bytes read.
pub fn read_fully(file: &dyn DiskFile, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(offset + filled as u64, &mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
