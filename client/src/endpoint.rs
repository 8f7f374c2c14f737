//! Owns the way from a list of addresses to one gRPC channel. What is said over it is left to the callers; the node agent
//! builds its channel here too.
//!
//! The channel connects when it is first used and again whenever the connection is lost. Each attempt goes through the
//! addresses in order, beginning after the one that was connected last: a server that accepts connections but never answers
//! (its process is stopped) must not be chosen for ever. A dead one costs one failed attempt and no more.

use crate::severable::Severable;
use bosun_host::{Connection, Network};
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tonic::transport::{Channel, Endpoint, Uri};

/// How long one address may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a connection is asked for a sign of life, so that a watch notices a server that vanished without a word.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// How long that sign may take.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(3);
/// What one answer may send before it is read, in bytes.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// What all answers on a connection may send together before they are read, in bytes. When this runs full, messages are cut
/// into pieces, and the library takes many small ones for an attack and closes the connection.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// The largest message either side may send: a page of a list, a full set of assignments. tonic's own limit is 4 MiB.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// An address list that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AddressError {
    /// The list is empty.
    #[error("no server address is given; name at least one as HOST:PORT")]
    None,
    /// One address is not `HOST:PORT`.
    #[error("{0:?} is not a server address; write HOST:PORT, for example 127.0.0.1:7600")]
    Malformed(String),
}

/// Splits and checks a list of addresses as people write it: `a:7600,b:7600`, with or without `http://`.
pub fn parse_addresses(text: &str) -> Result<Vec<String>, AddressError> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let addresses = parts.map(parse_address).collect::<Result<Vec<_>, _>>()?;
    if addresses.is_empty() {
        Err(AddressError::None)
    } else {
        Ok(addresses)
    }
}

fn parse_address(text: &str) -> Result<String, AddressError> {
    let malformed = || AddressError::Malformed(text.to_owned());
    let plain = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let (host, port) = plain.rsplit_once(':').ok_or_else(malformed)?;
    let bracketed = host.strip_prefix('[').is_some_and(|inner| inner.ends_with(']'));
    let host_fits = !host.is_empty()
        && (bracketed || !host.contains(':'))
        && host
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || "[]:.-_%".contains(char));
    let port_fits = port.parse::<u16>().is_ok_and(|port| port != 0);
    if host_fits && port_fits {
        Ok(plain.to_owned())
    } else {
        Err(malformed())
    }
}

/// A channel to whichever of `addresses` (each `HOST:PORT`) answers. Nothing is dialled before the first call.
///
/// # Errors
/// When the list is empty or holds something that is no address.
pub fn channel(network: Arc<dyn Network>, addresses: &[String]) -> Result<Channel, AddressError> {
    let (endpoint, dialler) = parts(network, addresses)?;
    let connector = tower::service_fn(move |_: Uri| {
        let dialler = Arc::clone(&dialler);
        async move { dialler.dial().await.map(TokioIo::new) }
    });
    Ok(endpoint.connect_with_connector_lazy(connector))
}

/// Like [`channel`]; each connection ends when `epoch` is next set, and the channel goes on to the next address.
pub(crate) fn severable_channel(
    network: Arc<dyn Network>,
    addresses: &[String],
    epoch: &watch::Sender<u64>,
) -> Result<Channel, AddressError> {
    let (endpoint, dialler) = parts(network, addresses)?;
    let epoch = epoch.subscribe();
    let connector = tower::service_fn(move |_: Uri| {
        let (dialler, epoch) = (Arc::clone(&dialler), epoch.clone());
        async move {
            let connection = dialler.dial().await?;
            Ok::<_, io::Error>(TokioIo::new(Severable::new(connection, epoch)))
        }
    });
    Ok(endpoint.connect_with_connector_lazy(connector))
}

fn parts(network: Arc<dyn Network>, addresses: &[String]) -> Result<(Endpoint, Arc<Dialler>), AddressError> {
    let addresses = addresses
        .iter()
        .map(|address| parse_address(address))
        .collect::<Result<Vec<_>, _>>()?;
    let first = addresses.first().ok_or(AddressError::None)?;
    // Only the authority of requests comes from here; where to dial is the connector's decision.
    let endpoint = Endpoint::from_shared(format!("http://{first}"))
        .map_err(|_| AddressError::Malformed(first.clone()))?
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    let dialler = Arc::new(Dialler {
        network,
        addresses,
        next: AtomicUsize::new(0),
    });
    Ok((endpoint, dialler))
}

/// Connects to the first address that accepts.
struct Dialler {
    network: Arc<dyn Network>,
    addresses: Vec<String>,
    next: AtomicUsize,
}

impl Dialler {
    async fn dial(&self) -> io::Result<Connection> {
        let count = self.addresses.len();
        let first = self.next.load(Ordering::Relaxed);
        let mut failures = Vec::new();
        for index in (0..count).map(|step| (first + step) % count) {
            let address = &self.addresses[index];
            match tokio::time::timeout(CONNECT_TIMEOUT, self.network.connect(address)).await {
                Ok(Ok(connection)) => {
                    self.next.store((index + 1) % count, Ordering::Relaxed);
                    return Ok(connection);
                }
                Ok(Err(error)) => failures.push(error.to_string()),
                Err(_) => failures.push(format!(
                    "cannot connect to {address}: no answer within {} s",
                    CONNECT_TIMEOUT.as_secs()
                )),
            }
        }
        Err(io::Error::new(io::ErrorKind::NotConnected, failures.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use bosun_host::Listener;
    use std::net::SocketAddr;
    use std::sync::Mutex;

    #[test]
    fn addresses() {
        let fine = |text: &str| parse_addresses(text).unwrap().join(" ");
        assert_eq!(fine("127.0.0.1:7600"), "127.0.0.1:7600");
        assert_eq!(
            fine("http://a:1/, b.example.org:65535"),
            "a:1 b.example.org:65535"
        );
        assert_eq!(fine("[::1]:7600"), "[::1]:7600");
        for wrong in [
            "7600",
            "a",
            "a:",
            "a:0",
            "a:70000",
            ":7600",
            "::1:7600",
            "https://a:1",
            "a b:1",
            "a:1/x",
        ] {
            assert!(
                matches!(parse_addresses(wrong), Err(AddressError::Malformed(_))),
                "{wrong}"
            );
        }
        assert_eq!(parse_addresses(" , "), Err(AddressError::None));
    }

    /// A network in which only the named addresses answer.
    struct Answering {
        alive: Mutex<Vec<String>>,
        dialled: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Network for Answering {
        async fn listen(&self, _: SocketAddr) -> io::Result<Box<dyn Listener>> {
            Err(io::Error::other("not needed here"))
        }

        async fn connect(&self, address: &str) -> io::Result<Connection> {
            self.dialled.lock().unwrap().push(address.to_owned());
            if self.alive.lock().unwrap().iter().any(|alive| alive == address) {
                return Ok(Connection::new(tokio::io::empty(), ([127, 0, 0, 1], 1).into()));
            }
            Err(io::Error::other(format!("{address} is dead")))
        }
    }

    #[tokio::test]
    async fn dials_in_order_and_begins_after_the_one_that_was_lost() {
        let network = Arc::new(Answering {
            alive: Mutex::new(vec!["b:1".into()]),
            dialled: Mutex::default(),
        });
        let addresses = ["a:1", "b:1", "c:1"].map(str::to_owned).to_vec();
        let dialler = Dialler {
            network: network.clone(),
            addresses,
            next: AtomicUsize::new(0),
        };
        let dialled = || std::mem::take(&mut *network.dialled.lock().unwrap()).join(" ");

        dialler.dial().await.unwrap();
        assert_eq!(dialled(), "a:1 b:1");
        *network.alive.lock().unwrap() = ["a:1", "b:1"].map(str::to_owned).to_vec();
        dialler.dial().await.unwrap();
        assert_eq!(dialled(), "c:1 a:1");
        dialler.dial().await.unwrap();
        assert_eq!(dialled(), "b:1");
        network.alive.lock().unwrap().clear();
        let message = dialler.dial().await.unwrap_err().to_string();
        assert!(
            message.contains("a:1 is dead") && message.contains("c:1 is dead"),
            "{message}"
        );
    }
}
