//! Owns the questions about the servers themselves, and changes of who they are.

use crate::client::Client;
use crate::error::ApiError;
use crate::retry::Effect;
use bosun_proto::api;
use std::time::Duration;

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

/// The servers of a cluster.
#[derive(Clone, Debug)]
pub struct Servers {
    /// In the order of their numbers.
    pub servers: Vec<ServerEntry>,
    /// Whether the leader said so: only it knows how each of them is doing.
    pub from_leader: bool,
}

/// One server of a cluster.
#[derive(Clone, Debug)]
pub struct ServerEntry {
    /// Its number.
    pub server_id: u64,
    /// The name people use for it.
    pub name: String,
    /// Where the other servers reach it.
    pub address: String,
    /// It votes; otherwise it is a learner that has to catch up first.
    pub voter: bool,
    /// It leads.
    pub leader: bool,
    /// How long ago it last answered the leader.
    pub heard: Option<Duration>,
    /// How many entries it is behind the leader, if that is known.
    pub behind: Option<u64>,
}

impl Client {
    /// The servers of the cluster, as far as the one that answers knows.
    pub async fn servers(&self) -> Result<Servers, ApiError> {
        let listed = self
            .call(Effect::Safe, || {
                let mut cluster = self.cluster.clone();
                async move {
                    cluster
                        .list_servers(api::ListServersRequest { local: false })
                        .await
                }
            })
            .await?;
        let entry = |server: api::ServerInfo| ServerEntry {
            server_id: server.id,
            name: server.name,
            address: server.address,
            voter: server.voter,
            leader: server.leader,
            heard: server.heard_ms_ago.map(Duration::from_millis),
            behind: server.matched_index.map(|_| server.entries_behind),
        };
        Ok(Servers {
            servers: listed.servers.into_iter().map(entry).collect(),
            from_leader: listed.from_leader,
        })
    }

    /// Takes a server out of the cluster; with several of one name, the one with this number (else 0). Its number.
    pub async fn remove_server(&self, name: &str, server_id: u64) -> Result<u64, ApiError> {
        let request = api::RemoveServerRequest {
            name: name.to_owned(),
            server_id,
        };
        let removed = self
            .call(Effect::Change, || {
                let (mut cluster, request) = (self.cluster.clone(), request.clone());
                async move { cluster.remove_server(request).await }
            })
            .await?;
        Ok(removed.server_id)
    }

    /// Hands the lead to a server. Its number.
    pub async fn transfer_leader(&self, name: &str) -> Result<u64, ApiError> {
        let request = api::TransferLeaderRequest {
            name: name.to_owned(),
        };
        let transferred = self
            .call(Effect::Change, || {
                let (mut cluster, request) = (self.cluster.clone(), request.clone());
                async move { cluster.transfer_leader(request).await }
            })
            .await?;
        Ok(transferred.server_id)
    }

    /// Asks the server that answers about itself.
    pub async fn server_state(&self) -> Result<ServerState, ApiError> {
        let described = self
            .call(Effect::Safe, || {
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
