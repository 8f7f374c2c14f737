//! A network in memory for tests: servers listen at addresses of their own, and any of them can be cut off. What is under
//! way on a cut link waits, as on a real one, and arrives when it heals.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bosun_host::{Connection, Listener, Network};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;

/// Bytes that may be under way on a connection.
const BUFFER_BYTES: usize = 256 << 10;

/// The network. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct TestNetwork(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    listening: BTreeMap<String, mpsc::UnboundedSender<Link>>,
    cut_off: BTreeSet<String>,
    waiting: Vec<Waker>,
    dialled: BTreeMap<String, u64>,
}

impl TestNetwork {
    /// The network as the host at `address` has it.
    pub(crate) fn at(&self, address: &str) -> Arc<dyn Network> {
        Arc::new(Place {
            network: self.clone(),
            address: address.to_owned(),
        })
    }

    /// Lets nothing through to or from the host at `address` until [`TestNetwork::heal`].
    pub(crate) fn cut_off(&self, address: &str) {
        self.lock().cut_off.insert(address.to_owned());
    }

    /// Lets everything through again.
    pub(crate) fn heal(&self) {
        let mut shared = self.lock();
        shared.cut_off.clear();
        shared.waiting.drain(..).for_each(Waker::wake);
    }

    /// How often `address` was dialled.
    pub(crate) fn dialled(&self, address: &str) -> u64 {
        self.lock().dialled.get(address).copied().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when the two hosts can reach each other.
    fn poll_open(&self, ends: &(String, String), context: &mut Context<'_>) -> Poll<()> {
        let mut shared = self.lock();
        if shared.cut_off.contains(&ends.0) || shared.cut_off.contains(&ends.1) {
            shared.waiting.push(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

struct Place {
    network: TestNetwork,
    address: String,
}

#[tonic::async_trait]
impl Network for Place {
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        let (sender, incoming) = mpsc::unbounded_channel();
        self.network.lock().listening.insert(address.to_string(), sender);
        Ok(Box::new(Ear {
            address,
            incoming: tokio::sync::Mutex::new(incoming),
        }))
    }

    async fn connect(&self, address: &str) -> io::Result<Connection> {
        *self.network.lock().dialled.entry(address.to_owned()).or_default() += 1;
        let ends = (self.address.clone(), address.to_owned());
        std::future::poll_fn(|context| self.network.poll_open(&ends, context)).await;
        let (near, far) = tokio::io::duplex(BUFFER_BYTES);
        let link = |stream| Link {
            stream,
            ends: ends.clone(),
            network: self.network.clone(),
        };
        let listener = self.network.lock().listening.get(address).cloned();
        let refused = || {
            io::Error::new(
                io::ErrorKind::ConnectionRefused,
                format!("nobody listens at {address}"),
            )
        };
        listener
            .ok_or_else(refused)?
            .send(link(far))
            .map_err(|_| refused())?;
        Ok(Connection::new(link(near), ([10, 0, 0, 99], 1).into()))
    }
}

struct Ear {
    address: SocketAddr,
    incoming: tokio::sync::Mutex<mpsc::UnboundedReceiver<Link>>,
}

#[tonic::async_trait]
impl Listener for Ear {
    async fn accept(&self) -> io::Result<Connection> {
        let link = self.incoming.lock().await.recv().await;
        let link = link.ok_or_else(|| io::Error::other("another one listens here now"))?;
        Ok(Connection::new(link, ([10, 0, 0, 99], 1).into()))
    }

    fn address(&self) -> SocketAddr {
        self.address
    }
}

struct Link {
    stream: DuplexStream,
    ends: (String, String),
    network: TestNetwork,
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.network.poll_open(&self.ends, context).is_pending() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.network.poll_open(&self.ends, context).is_pending() {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
