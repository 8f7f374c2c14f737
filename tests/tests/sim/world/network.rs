//! Sockets of one machine, over the simulator's network. What is sent goes into the trace.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bosun_host::{Connection, Listener, Network};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

use super::{Links, Trace};

/// How often a machine asks again for a connection that nobody answers.
const SYN_INTERVAL: Duration = Duration::from_millis(500);

pub(super) struct SimulatedNetwork {
    pub(super) machine: Arc<str>,
    pub(super) links: Links,
    pub(super) trace: Trace,
}

#[async_trait]
impl Network for SimulatedNetwork {
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await?;
        Ok(Box::new(SimulatedListener {
            machine: Arc::clone(&self.machine),
            trace: self.trace.clone(),
            listener,
            address,
        }))
    }

    async fn connect(&self, address: &str) -> io::Result<Connection> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        while !self.links.joins(&self.machine, host) {
            tokio::time::sleep(SYN_INTERVAL).await;
        }
        let stream = TcpStream::connect(address).await?;
        let peer = stream.peer_addr()?;
        let stream = Traced {
            stream,
            machine: Arc::clone(&self.machine),
            trace: self.trace.clone(),
        };
        Ok(Connection::new(stream, peer))
    }
}

struct SimulatedListener {
    machine: Arc<str>,
    trace: Trace,
    listener: TcpListener,
    address: SocketAddr,
}

#[async_trait]
impl Listener for SimulatedListener {
    async fn accept(&self) -> io::Result<Connection> {
        let (stream, peer) = self.listener.accept().await?;
        let stream = Traced {
            stream,
            machine: Arc::clone(&self.machine),
            trace: self.trace.clone(),
        };
        Ok(Connection::new(stream, peer))
    }

    fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A stream whose sent bytes are traced.
struct Traced {
    stream: TcpStream,
    machine: Arc<str>,
    trace: Trace,
}

impl AsyncRead for Traced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Traced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.trace.note(&self.machine, "sends", &bytes[..count]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
