//! Keeps the membership true while a server runs: the leader completes what was begun, and every other server makes sure
//! that it still belongs to the cluster and can be found where it is.

use std::path::PathBuf;
use std::time::Duration;

use bosun_host::Host;
use bosun_proto::api;
use tokio::sync::watch;
use tokio::time::Instant;

use super::admission;
use super::ask::{self, NoPlace};
use super::entry;
use super::identity::{Identity, Stage};
use super::verbs::{self, Place};
use crate::raft::Server;
use crate::replica::Replica;

/// How often the leader looks whether a learner has caught up.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How often a server that does not lead asks whether all is well. Bounds how long one that was taken out goes on.
const CHECK_IN_INTERVAL: Duration = Duration::from_secs(2);
/// The same while what the others know about it is known to be wrong.
const CHECK_IN_SOON: Duration = Duration::from_millis(200);

/// What is kept true about this server.
pub(crate) struct Keeper {
    pub(crate) replica: Replica,
    pub(crate) host: Host,
    pub(crate) identity: Identity,
    /// Its name, and where it can be reached now.
    pub(crate) server: Server,
    /// The list it was started with.
    pub(crate) servers: Vec<String>,
    pub(crate) data_directory: PathBuf,
    /// Set when the cluster has taken this server out, with the words for it.
    pub(crate) removed: watch::Sender<Option<String>>,
}

impl Keeper {
    /// Works until dropped, or until this server is taken out.
    pub(crate) async fn run(mut self) {
        let mut seen_before = None;
        let mut check_in_at = Instant::now();
        loop {
            let leadership = self.replica.leadership().borrow().clone();
            if leadership.leader {
                let members = self.replica.node().members();
                let last_index = members.last_index;
                if let Some(caught_up_at) = seen_before
                    && let Some(step) = admission::complete(&members, caught_up_at)
                {
                    tracing::info!(?step, "changing the servers");
                    if let Err(error) = self.replica.node().change_members(&members, step).await {
                        tracing::warn!(%error, "the servers were not changed");
                    }
                }
                seen_before = Some(last_index);
            } else {
                seen_before = None;
            }
            if self.identity.stage == Stage::Gathering {
                self.gather().await;
            }
            if Instant::now() >= check_in_at {
                if self.check_in().await == Some(Place::Removed) {
                    self.leave().await;
                    return;
                }
                let known = self.replica.node().members();
                let known = known.find(self.identity.server_id).map(|member| &member.server);
                let pause = if known == Some(&self.server) {
                    CHECK_IN_INTERVAL
                } else {
                    CHECK_IN_SOON
                };
                check_in_at = Instant::now() + pause;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Takes writes once the majority of the list votes: from then on what is acknowledged survives any one of them.
    async fn gather(&mut self) {
        let members = self.replica.node().members();
        if !members.settled || members.voters().count() < self.servers.len() / 2 + 1 {
            return;
        }
        match entry::advance(
            &self.host,
            &self.data_directory,
            &mut self.identity,
            Stage::Member,
        )
        .await
        {
            Ok(()) => self.replica.accept_writes(true),
            Err(error) => tracing::error!(%error, "cannot note that the cluster is formed"),
        }
    }

    /// Asks the leader for this server's place; `None` if nobody could tell.
    async fn check_in(&self) -> Option<Place> {
        let leadership = self.replica.leadership().borrow().clone();
        let number = self.identity.server_id;
        if leadership.leader {
            let known = self.replica.node().members();
            if known
                .find(number)
                .is_some_and(|member| member.server == self.server)
            {
                return Some(Place::Member(number));
            }
            return verbs::join(&self.replica, Some(number), self.server.clone())
                .await
                .ok();
        }
        let request = api::JoinServerRequest {
            cluster_id: self.identity.cluster_id.clone(),
            server_id: number,
            name: self.server.name.clone(),
            address: self.server.address.clone(),
        };
        let leader = leadership.current.map(|leader| leader.server.address);
        let members = self.replica.node().members().servers.into_iter();
        let addresses: Vec<String> = leader
            .into_iter()
            .chain(members.map(|member| member.server.address))
            .chain(self.servers.iter().cloned())
            .filter(|address| *address != self.server.address)
            .collect();
        match ask::join(&self.host.network, &addresses, &request).await {
            Ok(answer) if answer.removed => Some(Place::Removed),
            Ok(answer) => Some(Place::Member(answer.server_id)),
            Err(NoPlace::Refused(why)) => {
                tracing::warn!(%why, "the leader refuses this server");
                None
            }
            Err(NoPlace::Later(why)) => {
                tracing::debug!(%why, "nobody could be asked about this server's place");
                self.look_for_the_others().await;
                None
            }
        }
    }

    /// While nobody leads, servers may have moved and cannot agree on it: the list this server was started with says
    /// where they are.
    async fn look_for_the_others(&self) {
        for address in self
            .servers
            .iter()
            .filter(|address| **address != self.server.address)
        {
            let Ok(described) = ask::describe(&self.host.network, address).await else {
                continue;
            };
            if described.cluster_id == self.identity.cluster_id
                && described.server_id != self.identity.server_id
            {
                self.replica.node().learn_address(described.server_id, address);
            }
        }
    }

    async fn leave(&mut self) {
        let written = entry::advance(
            &self.host,
            &self.data_directory,
            &mut self.identity,
            Stage::Removed,
        )
        .await;
        if let Err(error) = written {
            tracing::error!(%error, "cannot note that this server was removed");
        }
        let message = entry::removed(&self.identity, &self.data_directory);
        self.removed.send_replace(Some(message));
    }
}
