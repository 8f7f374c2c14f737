//! How a server comes to be part of a cluster at its start: it goes on as what its data directory says it is, or forms a
//! new cluster, or is taken in by the one it finds.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bosun_host::{Host, Listener};
use bosun_proto::api;
use futures::future::join_all;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ask::{self, NoPlace};
use super::formation::{Answer, Next, decide};
use super::identity::{Identity, Stage, check_name};
use crate::api::grpc::newcomer;
use crate::config::Config;
use crate::incoming::incoming;
use crate::raft::holds_log;

/// The number of the server that forms a cluster. Those that join get larger ones: see [`crate::raft::Members`].
const FOUNDER: u64 = 1;
/// The name of a server that forms a cluster of its own and was given none.
const NAME_DEFAULT: &str = "server-1";
/// The pause between two rounds of questions.
const PAUSE: Duration = Duration::from_millis(200);
/// How long "a server of your name is alive" is taken for one that has only just died.
const REFUSED_FOR_MAX: Duration = Duration::from_secs(5);
/// How long those who asked a newcomer have to hang up before it serves as a member.
const HANG_UP_PATIENCE: Duration = Duration::from_secs(1);

/// Finds out who this server is. Returns when it has a place in a cluster, which may take as long as other servers are
/// missing; meanwhile it answers those that ask who it is. What is returned is durable.
pub(crate) async fn enter(
    config: &Config,
    host: &Host,
    listener: &Arc<dyn Listener>,
    address: &str,
) -> Result<Identity, String> {
    let directory = &config.data_directory;
    if let Some(identity) = read(host, directory).await? {
        return resumed(config, identity);
    }
    let name = config.name.clone();
    if let Some(name) = &name {
        check_name(name)?;
    }
    let alone = config.servers.iter().all(|server| server == address);
    let identity = if holds_log(host, &raft_directory(directory)).await? {
        // Written before servers had a file for this: a cluster of one.
        founder(host, name, Stage::Member)
    } else if alone {
        founder(host, name, Stage::Forming)
    } else {
        let name = name.ok_or(
            "--name is missing: with --servers each server needs a name of its own, for example --name server-2",
        )?;
        newcomer(config, host, listener, &name, address).await?
    };
    write(host, directory, &identity).await?;
    Ok(identity)
}

/// Notes that a server has come a stage further.
pub(crate) async fn advance(
    host: &Host,
    directory: &Path,
    identity: &mut Identity,
    stage: Stage,
) -> Result<(), String> {
    if identity.stage == stage {
        return Ok(());
    }
    identity.stage = stage;
    write(host, directory, identity).await
}

/// What a server that the cluster has taken out is told, and its way back.
pub(crate) fn removed(identity: &Identity, directory: &Path) -> String {
    format!(
        "server {} (number {}) was removed from the cluster. To let it join again, move its data directory {} away and \
         start it with --servers naming the others",
        identity.name,
        identity.server_id,
        directory.display()
    )
}

fn resumed(config: &Config, identity: Identity) -> Result<Identity, String> {
    let directory = config.data_directory.display();
    if let Some(name) = &config.name
        && *name != identity.name
    {
        return Err(format!(
            "--name {name}: data directory {directory} belongs to server {} (number {} of cluster {}); start it under \
             that name, or give another directory with --data-dir",
            identity.name, identity.server_id, identity.cluster_id
        ));
    }
    if identity.stage == Stage::Removed {
        return Err(removed(&identity, &config.data_directory));
    }
    Ok(identity)
}

fn founder(host: &Host, name: Option<String>, stage: Stage) -> Identity {
    Identity {
        cluster_id: host.entropy.uuid().to_string(),
        server_id: FOUNDER,
        name: name.unwrap_or_else(|| NAME_DEFAULT.to_owned()),
        stage,
    }
}

/// The way of a server with an empty disk and others to ask.
async fn newcomer(
    config: &Config,
    host: &Host,
    listener: &Arc<dyn Listener>,
    name: &str,
    address: &str,
) -> Result<Identity, String> {
    let hung_up = CancellationToken::new();
    let mut answering = JoinSet::new();
    let routes = newcomer::routes(api::DescribeResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: name.to_owned(),
        address: address.to_owned(),
        servers: config.servers.clone(),
        ..api::DescribeResponse::default()
    });
    let connections = incoming(Arc::clone(listener));
    let end = hung_up.clone().cancelled_owned();
    answering.spawn(newcomer::serve(routes, connections, end, Arc::clone(&host.clock)));
    let identity = find_place(config, host, name, address).await;
    hung_up.cancel();
    // Whoever does not hang up is cut off.
    drop(tokio::time::timeout(HANG_UP_PATIENCE, answering.join_next()).await);
    identity
}

async fn find_place(config: &Config, host: &Host, name: &str, address: &str) -> Result<Identity, String> {
    let mut told = String::new();
    let mut refused_since: Option<Instant> = None;
    loop {
        let answers = ask_all(host, &config.servers, address).await;
        let why = match decide(name, address, &config.servers, &answers) {
            Next::Form => return Ok(founder(host, Some(name.to_owned()), Stage::Forming)),
            Next::Refuse(why) => return Err(why),
            Next::Wait(why) => format!("waiting for {why}"),
            Next::Join => match join(host, name, address, &answers).await {
                Ok(identity) => return Ok(identity),
                Err(NoPlace::Later(why)) => format!("cannot join yet: {why}"),
                Err(NoPlace::Refused(why)) => {
                    if refused_since.get_or_insert_with(Instant::now).elapsed() > REFUSED_FOR_MAX {
                        return Err(format!("the cluster does not take this server in: {why}"));
                    }
                    why
                }
            },
        };
        if told != why {
            tracing::warn!(server = name, %why, "not part of a cluster yet");
            told = why;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks all others of the list at once.
async fn ask_all(host: &Host, servers: &[String], address: &str) -> Vec<(String, Answer)> {
    let others = servers.iter().filter(|server| *server != address);
    join_all(others.map(|server| async move {
        let answer = match ask::describe(&host.network, server).await {
            Err(why) => Answer::Silent(why),
            Ok(described) if described.cluster_id.is_empty() => Answer::Empty {
                name: described.name,
                servers: described.servers,
            },
            Ok(described) => Answer::Member {
                cluster_id: described.cluster_id,
            },
        };
        (server.clone(), answer)
    }))
    .await
}

async fn join(
    host: &Host,
    name: &str,
    address: &str,
    answers: &[(String, Answer)],
) -> Result<Identity, NoPlace> {
    let members = answers
        .iter()
        .filter(|(_, answer)| matches!(answer, Answer::Member { .. }));
    let members: Vec<String> = members.map(|(server, _)| server.clone()).collect();
    let request = api::JoinServerRequest {
        cluster_id: String::new(),
        server_id: 0,
        name: name.to_owned(),
        address: address.to_owned(),
    };
    let joined = ask::join(&host.network, &members, &request).await?;
    Ok(Identity {
        cluster_id: joined.cluster_id,
        server_id: joined.server_id,
        name: name.to_owned(),
        stage: Stage::Joining,
    })
}

/// Where raft keeps its files.
pub(crate) fn raft_directory(directory: &Path) -> std::path::PathBuf {
    directory.join("raft")
}

async fn read(host: &Host, directory: &Path) -> Result<Option<Identity>, String> {
    let (disk, directory) = (Arc::clone(&host.disk), directory.to_owned());
    let read = move || Identity::read(&*disk, &directory);
    let read = host.workers.run("identity-read", read).await;
    read.and_then(|read| read).map_err(|error| error.to_string())
}

async fn write(host: &Host, directory: &Path, identity: &Identity) -> Result<(), String> {
    let (disk, directory, identity) = (Arc::clone(&host.disk), directory.to_owned(), identity.clone());
    let write = move || identity.write(&*disk, &directory);
    let written = host.workers.run("identity-write", write).await;
    written
        .and_then(|written| written)
        .map_err(|error| error.to_string())
}
