//! Local (unix domain) sockets of the machine, at paths of any length and for this user alone.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rustix::fs::{CWD, Mode, OFlags, chmodat, open};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen as start_listening, socket_with,
};
use tokio::net::{UnixListener, UnixStream};

use crate::{ByteStream, LocalListener};

/// The longest name the kernel takes for a socket, in bytes (unix(7)).
const NAME_BYTES_MAX: usize = 107;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// A name for a path that the kernel takes; a directory that it refers to is held open.
struct Name {
    path: PathBuf,
    _directory: Option<OwnedFd>,
}

impl Name {
    fn of(path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() <= NAME_BYTES_MAX {
            return Ok(Self {
                path: path.to_owned(),
                _directory: None,
            });
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let directory = open(
            parent,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        Ok(Self {
            path: PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name),
            _directory: Some(directory),
        })
    }
}

pub(super) fn listen(path: &Path) -> io::Result<Box<dyn LocalListener>> {
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let name = Name::of(path)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddrUnix::new(&name.path)?)?;
    // Before it listens nobody can connect, so there is no moment in which another user could.
    chmodat(CWD, path, Mode::RUSR | Mode::WUSR, rustix::fs::AtFlags::empty())?;
    start_listening(&socket, BACKLOG)?;
    Ok(Box::new(UnixListener::from_std(socket.into())?))
}

pub(super) async fn connect(path: &Path) -> io::Result<Box<dyn ByteStream>> {
    let name = Name::of(path)?;
    Ok(Box::new(UnixStream::connect(&name.path).await?))
}

#[async_trait]
impl LocalListener for UnixListener {
    async fn accept(&self) -> io::Result<Box<dyn ByteStream>> {
        let (stream, _) = UnixListener::accept(self).await?;
        Ok(Box::new(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn bytes_cross_a_socket_at_a_path_longer_than_the_kernel_takes() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(100)).join("e".repeat(100));
        std::fs::create_dir_all(&deep).unwrap();
        for path in [directory.path().join("short.sock"), deep.join("long.sock")] {
            assert_eq!(
                connect(&path).await.err().unwrap().kind(),
                io::ErrorKind::NotFound
            );
            let listener = listen(&path).unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let mut near = connect(&path).await.unwrap();
            let mut far = listener.accept().await.unwrap();
            near.write_all(b"ahoy").await.unwrap();
            let mut buffer = [0_u8; 4];
            far.read_exact(&mut buffer).await.unwrap();
            assert_eq!(&buffer, b"ahoy");
            drop(listener);
            let refused = connect(&path).await.err().unwrap();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            // What is left behind is replaced.
            drop(listen(&path).unwrap());
        }
    }
}
