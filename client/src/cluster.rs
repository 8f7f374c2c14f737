//! Owns the questions about a server itself.

use crate::client::Client;
use crate::error::ApiError;
use crate::retry::Effect;
use bosun_proto::api;

/// What a server says about itself and its cluster.
#[derive(Clone, Debug)]
pub struct ServerState {
    /// The program's version.
    pub version: String,
    /// Which cluster it belongs to.
    pub cluster_id: String,
    /// Its number among the servers.
    pub server_id: u64,
    /// The number of the server that leads; `None` while none is known.
    pub leader_id: Option<u64>,
    /// The raft term.
    pub term: u64,
    /// The version of the state it has applied.
    pub resource_version: u64,
}

impl Client {
    /// Asks the server that answers about itself.
    pub async fn server_state(&self) -> Result<ServerState, ApiError> {
        let described = self
            .call(Effect::Read, || {
                let mut cluster = self.cluster.clone();
                async move { cluster.describe(api::DescribeRequest {}).await }
            })
            .await?;
        Ok(ServerState {
            version: described.version,
            cluster_id: described.cluster_id,
            server_id: described.server_id,
            leader_id: (described.leader_id != 0).then_some(described.leader_id),
            term: described.term,
            resource_version: described.resource_version,
        })
    }
}
