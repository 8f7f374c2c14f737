//! The connection to the server that leads, over which everything is forwarded.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bosun_host::Network;
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::outgoing::{CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES};

/// How long the leader may take to accept a connection.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// How often the connection is asked for a sign of life. That a leader has gone is mostly learnt from raft, much sooner.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// How long that sign may take.
const KEEPALIVE_MAX: Duration = Duration::from_secs(2);

/// The connection to the present leader; one for all requests. Cheap to clone.
#[derive(Clone)]
pub(super) struct LeaderLink {
    network: Arc<dyn Network>,
    /// The leader's address with the channel to it. Streams over an earlier one go on by themselves.
    present: Arc<Mutex<Option<(String, Channel)>>>,
}

impl LeaderLink {
    pub(super) fn new(network: Arc<dyn Network>) -> Self {
        Self {
            network,
            present: Arc::default(),
        }
    }

    /// The channel to a server, made anew when that is not the one of last time. Dials when it is first used.
    pub(super) fn to(&self, address: &str) -> Result<Channel, tonic::transport::Error> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, channel)) = present.as_ref().filter(|(known, _)| known == address) {
            return Ok(channel.clone());
        }
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        let (network, dialled) = (Arc::clone(&self.network), address.to_owned());
        let connector = tower::service_fn(move |_: Uri| {
            let (network, dialled) = (Arc::clone(&network), dialled.clone());
            async move { dial(&*network, &dialled).await.map(TokioIo::new) }
        });
        let channel = endpoint.connect_with_connector_lazy(connector);
        *present = Some((address.to_owned(), channel.clone()));
        Ok(channel)
    }
}

async fn dial(network: &dyn Network, address: &str) -> io::Result<bosun_host::Connection> {
    let late = || {
        let message = format!("cannot connect to {address}: no answer within {CONNECT_MAX:?}");
        io::Error::new(io::ErrorKind::TimedOut, message)
    };
    tokio::time::timeout(CONNECT_MAX, network.connect(address))
        .await
        .unwrap_or_else(|_| Err(late()))
}
