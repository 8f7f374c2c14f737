//! Connections from this server to another one, for the few calls that are not raft's own.

use std::sync::Arc;

use bosun_host::{Connection, Network};
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};

/// What one call may send before the receiver has read any of it, in bytes.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// What all calls on a connection may send together before the receiver has read any of it, in bytes. With the protocol's own
/// 64 KiB, entries for followers would go in small pieces, and a few hundred calls at once would fill the window with
/// fragments so small that the library takes them for an attack and closes the connection.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;

/// A channel to `address` (host:port). Nothing is dialled before the first call; callers bound each call in time.
pub(crate) fn channel(network: &Arc<dyn Network>, address: &str) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    let (network, address) = (Arc::clone(network), address.to_owned());
    let connect = move |_: Uri| {
        let (network, address) = (Arc::clone(&network), address.clone());
        async move { network.connect(&address).await.map(TokioIo::<Connection>::new) }
    };
    Ok(endpoint.connect_with_connector_lazy(tower::service_fn(connect)))
}
