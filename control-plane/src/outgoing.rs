//! Connections from this server to another one, for the few calls that are not raft's own.

use std::sync::Arc;

use bosun_host::{Connection, Network};
use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};

/// A channel to `address` (host:port). Nothing is dialled before the first call; callers bound each call in time.
pub(crate) fn channel(network: &Arc<dyn Network>, address: &str) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    let (network, address) = (Arc::clone(network), address.to_owned());
    let connect = move |_: Uri| {
        let (network, address) = (Arc::clone(&network), address.clone());
        async move { network.connect(&address).await.map(TokioIo::<Connection>::new) }
    };
    Ok(endpoint.connect_with_connector_lazy(tower::service_fn(connect)))
}
