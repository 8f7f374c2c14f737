//! Owns the cut from this side: a connection that ends when its owner no longer wants to talk to the server at its end.
//!
//! A channel keeps to a connection for as long as it lives, also when the server there can do nothing just now (it is cut off from
//! the others) while another one could. Ending the connection makes the channel dial again, and the dialler goes on to the next.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bosun_host::Connection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// A connection that fails once it has been severed.
pub(crate) struct Severable {
    connection: Connection,
    severing: Pin<Box<dyn Future<Output = ()> + Send>>,
    severed: bool,
}

impl Severable {
    /// Fails as soon as `epoch` is set again.
    pub(crate) fn new(connection: Connection, mut epoch: watch::Receiver<u64>) -> Self {
        epoch.mark_unchanged();
        let severing = Box::pin(async move {
            if epoch.changed().await.is_err() {
                // The client is gone, but a stream that it opened may live on.
                std::future::pending::<()>().await;
            }
        });
        Self {
            connection,
            severing,
            severed: false,
        }
    }
}

impl AsyncRead for Severable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // The connection always has a read under way, so this one place notices.
        self.severed = self.severed || self.severing.as_mut().poll(context).is_ready();
        if self.severed {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "this server cannot help: going on to the next",
            )));
        }
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

impl AsyncWrite for Severable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn a_severed_connection_fails_and_the_next_one_does_not() {
        let (epoch, _) = watch::channel(0);
        let (near, _far) = tokio::io::duplex(16);
        let connect = |stream| {
            Severable::new(
                Connection::new(stream, ([127, 0, 0, 1], 1).into()),
                epoch.subscribe(),
            )
        };
        let mut first = connect(near);
        let (near, mut far) = tokio::io::duplex(16);
        epoch.send_modify(|epoch| *epoch += 1);
        let mut second = connect(near);
        for _ in 0..2 {
            let error = first.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        }
        tokio::io::AsyncWriteExt::write_u8(&mut far, 7).await.unwrap();
        assert_eq!(second.read_u8().await.unwrap(), 7);
    }
}
