//! The data directory of one process: made if absent, and locked so that two processes never share one.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Disk, DiskLock};

/// The name of the lock file inside a data directory.
const LOCK_NAME: &str = "lock";

/// A data directory that this process holds. Dropping it gives the lock back.
pub struct DataDirectory {
    path: PathBuf,
    _lock: Box<dyn DiskLock>,
}

impl DataDirectory {
    /// Makes `path` if it does not exist and takes its lock.
    pub fn claim(disk: &dyn Disk, path: &Path) -> Result<Self, DataDirectoryError> {
        disk.create_directory(path)
            .map_err(|source| DataDirectoryError::new(path, source))?;
        let lock = disk
            .lock(&path.join(LOCK_NAME))
            .map_err(|source| DataDirectoryError::new(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for DataDirectory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DataDirectory({})", self.path.display())
    }
}

/// Why a data directory cannot be used. The message names the directory and the way out.
#[derive(Debug)]
pub struct DataDirectoryError {
    path: PathBuf,
    source: io::Error,
}

impl DataDirectoryError {
    fn new(path: &Path, source: io::Error) -> Self {
        Self {
            path: path.to_owned(),
            source,
        }
    }

    /// Whether another process holds the directory.
    pub fn is_in_use(&self) -> bool {
        self.source.kind() == io::ErrorKind::WouldBlock
    }
}

impl fmt::Display for DataDirectoryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        if self.is_in_use() {
            write!(
                formatter,
                "data directory {path} is in use by another bosun process; stop that one, or give another directory"
            )
        } else {
            write!(
                formatter,
                "data directory {path} cannot be used: {}; check that it can be written, or give another directory",
                self.source
            )
        }
    }
}

impl std::error::Error for DataDirectoryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Host;

    #[test]
    fn a_second_claim_of_one_directory_is_refused_until_the_first_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        let disk = Host::system().disk;
        let first = DataDirectory::claim(&*disk, &path).unwrap();
        let refusal = DataDirectory::claim(&*disk, &path).unwrap_err();
        assert!(refusal.is_in_use(), "{refusal}");
        assert!(
            refusal.to_string().contains(&path.display().to_string()),
            "{refusal}"
        );
        drop(first);
        DataDirectory::claim(&*disk, &path).unwrap();
    }

    #[test]
    fn a_path_that_is_a_file_is_named_in_the_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        Host::system().disk.write_atomically(&path, b"x").unwrap();
        let refusal = DataDirectory::claim(&*Host::system().disk, &path).unwrap_err();
        assert!(!refusal.is_in_use());
        assert!(
            refusal.to_string().contains(&path.display().to_string()),
            "{refusal}"
        );
    }
}
