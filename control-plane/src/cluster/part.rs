//! How a server that has an identity takes part: raft under its number, and the keeper beside it.

use bosun_host::Host;
use tokio::sync::watch;

use super::entry;
use super::identity::{Identity, Stage};
use super::keeper::Keeper;
use crate::config::{Config, ServerError};
use crate::raft::{RaftSettings, Server, holds_log};
use crate::replica::Replica;

/// Starts raft as the server that `identity` says.
pub(crate) async fn take_part(
    config: &Config,
    host: &Host,
    mut identity: Identity,
    address: String,
) -> Result<(Replica, Keeper), ServerError> {
    let directory = &config.data_directory;
    let raft_directory = entry::raft_directory(directory);
    let server = Server {
        name: identity.name.clone(),
        address,
    };
    if matches!(identity.stage, Stage::Gathering | Stage::Member)
        && !holds_log(host, &raft_directory)
            .await
            .map_err(ServerError::Cluster)?
    {
        return Err(ServerError::Cluster(format!(
            "data directory {}: the log of server {} (number {}) is missing, and with it its votes, so it cannot go on under that \
             number. Restore it from a copy or, if other servers of the cluster are alive, move the directory away, so \
             that this server joins anew",
            directory.display(),
            identity.name,
            identity.server_id
        )));
    }
    let settings = RaftSettings {
        cluster_id: identity.cluster_id.clone(),
        storage: config.storage,
        ..match identity.stage {
            Stage::Forming => RaftSettings::single(identity.server_id, server.clone(), raft_directory),
            Stage::Gathering | Stage::Joining | Stage::Member | Stage::Removed => {
                RaftSettings::new(identity.server_id, raft_directory)
            }
        }
    };
    let replica = Replica::start(settings, host).await?;
    let next = match identity.stage {
        Stage::Forming | Stage::Gathering if config.servers.len() > 1 => Stage::Gathering,
        Stage::Forming | Stage::Gathering | Stage::Joining | Stage::Member | Stage::Removed => Stage::Member,
    };
    replica.accept_writes(next == Stage::Member);
    entry::advance(host, directory, &mut identity, next)
        .await
        .map_err(ServerError::Cluster)?;
    let keeper = Keeper {
        replica: replica.clone(),
        host: host.clone(),
        identity,
        server,
        servers: config.servers.clone(),
        data_directory: directory.clone(),
        removed: watch::Sender::new(None),
    };
    Ok((replica, keeper))
}
