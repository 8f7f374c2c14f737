//! Sockets: listen and connect. Owns the traits and the byte stream they yield; what is spoken over it belongs to the
//! callers. Streams are boxed so that a simulated network can be put underneath.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The network as one host sees it.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// Listens on `address`; port 0 takes a free port, to be asked for with [`Listener::address`].
    /// A port in use is an error that names the address.
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>>;

    /// Connects to `address`, which is `name:port` or `number:port`. No deadline is applied here; callers bound it.
    async fn connect(&self, address: &str) -> io::Result<Connection>;

    /// Listens at a path, for processes of this user on this machine. What is left there from an earlier listener is
    /// replaced, so the caller makes sure that there is no other one. A network without such sockets has none.
    async fn listen_local(&self, _path: &Path) -> io::Result<Box<dyn LocalListener>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Connects to a listener at a path. Where there is none (any more), the error is of kind
    /// [`io::ErrorKind::NotFound`] or [`io::ErrorKind::ConnectionRefused`].
    async fn connect_local(&self, _path: &Path) -> io::Result<Box<dyn ByteStream>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A listening local socket.
#[async_trait]
pub trait LocalListener: Send + Sync {
    /// Waits for the next connection.
    async fn accept(&self) -> io::Result<Box<dyn ByteStream>>;
}

/// A listening socket.
#[async_trait]
pub trait Listener: Send + Sync {
    /// Waits for the next connection.
    async fn accept(&self) -> io::Result<Connection>;

    /// The address really listened on.
    fn address(&self) -> SocketAddr;
}

/// What a byte stream must be able to do.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// One established connection.
pub struct Connection {
    stream: Box<dyn ByteStream>,
    peer: SocketAddr,
}

impl Connection {
    /// Wraps a stream to the given peer.
    pub fn new(stream: impl ByteStream + 'static, peer: SocketAddr) -> Self {
        Self {
            stream: Box::new(stream),
            peer,
        }
    }

    /// The address of the other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Connection({})", self.peer)
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
