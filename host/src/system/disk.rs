//! The file system of the machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock, statvfs};
use rustix::io::Errno;

use crate::{Disk, DiskFile, DiskLock, OpenMode};

/// Real files.
pub(crate) struct SystemDisk;

impl Disk for SystemDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::Write => options.write(true),
            OpenMode::WriteOrCreate => options.write(true).create(true).truncate(false),
            OpenMode::CreateNew => options.write(true).create_new(true),
        };
        Ok(Box::new(SystemFile(options.open(path)?)))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let mut names = fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        // The parent of a relative path such as `data` is the empty path.
        let directory = if directory.as_os_str().is_empty() {
            Path::new(".")
        } else {
            directory
        };
        File::open(directory)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        // For people only; the lock itself is what counts.
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Box::new(SystemLock { _file: file }))
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        let status = statvfs(path)?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }
}

struct SystemFile(File);

impl DiskFile for SystemFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        match fallocate(&self.0, FallocateFlags::empty(), 0, length) {
            // Such a file system cannot promise space.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.0.set_len(length),
            other => Ok(other?),
        }
    }
}

/// The lock belongs to the open file and ends with it.
struct SystemLock {
    _file: File,
}

impl DiskLock for SystemLock {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_fully;

    #[test]
    fn what_was_written_is_read_back_at_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let file = SystemDisk.open(&path, OpenMode::CreateNew).unwrap();
        file.write_at(3, b"abc").unwrap();
        file.sync().unwrap();
        let mut buffer = [9_u8; 8];
        assert_eq!(read_fully(&*file, 0, &mut buffer).unwrap(), 6);
        assert_eq!(&buffer[..6], b"\0\0\0abc");
        assert_eq!(
            SystemDisk.open(&path, OpenMode::CreateNew).err().unwrap().kind(),
            io::ErrorKind::AlreadyExists
        );
    }

    #[test]
    fn an_atomic_write_replaces_and_leaves_no_draft() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        SystemDisk.write_atomically(&path, b"a longer first").unwrap();
        SystemDisk.write_atomically(&path, b"second").unwrap();
        assert_eq!(SystemDisk.read(&path).unwrap(), b"second");
        assert_eq!(SystemDisk.list(directory.path()).unwrap(), ["file"]);
        assert!(SystemDisk.free_space(directory.path()).unwrap() > 0);
    }
}
