//! The running node: starts the parts, and offers the rest of the server its few verbs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bosun_host::{Disk, Host};
use bosun_proto::log::Entry;
use bosun_proto::raft::raft_server::RaftServer;
use openraft::errors::{ClientWriteError, ForwardToLeader, LinearizableReadError, RaftError};
use openraft::rt::WatchReceiver;
use openraft::{Raft, ReadPolicy};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tonic::service::interceptor::InterceptedService;

use super::contact::{LastContact, LeaderContact, QuorumContact};
use super::error::{ProposeError, ReadError, StartError};
use super::housekeeping::{Housekeeping, SnapshotDue};
use super::leadership::{self, Leader, Leadership};
use super::log::{Log, LogLimits};
use super::machine::Machine;
use super::membership;
use super::network::Peers;
use super::runtime::HostRuntime;
use super::service::{OfCluster, RaftService};
use super::settings::RaftSettings;
use super::snapshots::Snapshots;
use super::types::{NodeId, Outcomes, Proposal, Server, Types};
use super::{ENTRY_BYTES_MAX, StateMachine};

/// This server's part in the agreement. Clones are the same node.
pub struct RaftNode<M: StateMachine> {
    pub(super) inner: Arc<Inner<M>>,
}

impl<M: StateMachine> Clone for RaftNode<M> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

pub(super) struct Inner<M: StateMachine> {
    pub(super) node_id: NodeId,
    cluster_id: String,
    host: Host,
    pub(super) raft: Raft<Types, Machine<M>>,
    pub(super) log: Log,
    snapshots: Snapshots,
    proposals: Semaphore,
    leadership: watch::Receiver<Leadership>,
    pub(super) peers: Peers,
    quorum: watch::Receiver<Option<QuorumContact>>,
    last_contact: LastContact,
    /// How long a leader without answers goes by its older contact.
    patience: std::time::Duration,
    /// Ended when the node is dropped.
    _tasks: JoinSet<()>,
}

/// How a node is doing, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftStatus {
    /// This server.
    pub node_id: NodeId,
    /// `Leader`, `Follower`, `Candidate`, `Learner` or `Shutdown`.
    pub state: String,
    /// The current term.
    pub term: u64,
    /// The leader, if one is known.
    pub leader: Option<Leader>,
    /// The servers that vote.
    pub voters: Vec<NodeId>,
    /// Index of the last entry in this server's log.
    pub last_index: Option<u64>,
    /// Index of the last entry its state machine has applied.
    pub applied_index: Option<u64>,
    /// Index of the last entry that its newest snapshot covers.
    pub snapshot_index: Option<u64>,
    /// Index of the last entry that is gone from its log.
    pub purged_index: Option<u64>,
    /// Bytes ever written to its log.
    pub log_bytes_written: u64,
    /// Segments of its log on disk.
    pub log_segments: usize,
}

impl<M: StateMachine> RaftNode<M> {
    /// Starts a node on the directory in `settings`: takes up what is there, or begins with nothing and, if told so,
    /// forms a new cluster. `machine` must be empty; it is brought to the latest known state before this returns,
    /// except for entries that are not known to be agreed on. A server that is the only voter leads within
    /// milliseconds.
    pub async fn start(settings: RaftSettings, host: Host, machine: M) -> Result<Self, StartError> {
        let config = Arc::new(settings.library_config()?);
        let (log, snapshots, machine) = open(&settings, &host, machine).await?;
        let peers = Peers::new(host.clone(), &settings.cluster_id)?;
        let starting = Raft::new(settings.node_id, config, peers.clone(), log.clone(), machine);
        let raft = HostRuntime::scope(Arc::clone(&host.entropy), starting)
            .await
            .map_err(|error| StartError::Library {
                reason: error.to_string(),
            })?;
        form_or_resume(&settings, &raft)
            .await
            .map_err(|reason| StartError::Library { reason })?;

        let (sender, leadership) = watch::channel(Leadership::default());
        let (quorum_sender, quorum) = watch::channel(None);
        let last_contact = LastContact::starting_at(host.clock.instant());
        let told = leadership::Told {
            leadership: sender,
            quorum: quorum_sender,
            last: last_contact.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(leadership::follow(
            raft.metrics(),
            told,
            settings.heartbeat,
            settings.election_timeout_max,
        ));
        let due = SnapshotDue {
            entries: settings.storage.snapshot_after_entries,
            bytes: settings.storage.snapshot_after_bytes,
        };
        let housekeeping = Housekeeping {
            host: host.clone(),
            raft: raft.clone(),
            log: log.clone(),
            snapshots: snapshots.clone(),
            due,
        };
        tasks.spawn(housekeeping.run(raft.metrics()));
        let book = peers.clone();
        tasks.spawn(membership::follow_addresses(raft.metrics(), move |addresses| {
            book.set_addresses(addresses);
        }));
        let inner = Inner {
            node_id: settings.node_id,
            cluster_id: settings.cluster_id,
            host,
            raft,
            log,
            snapshots,
            proposals: Semaphore::new(settings.proposals_in_flight_max),
            leadership,
            peers,
            quorum,
            last_contact,
            patience: settings.election_timeout_max,
            _tasks: tasks,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The gRPC service that the other servers call; to be served at the address this server is known by.
    pub fn service(&self) -> InterceptedService<RaftServer<RaftService<M>>, OfCluster> {
        let Inner {
            node_id,
            cluster_id,
            host,
            raft,
            snapshots,
            last_contact,
            ..
        } = &*self.inner;
        let service = RaftService::server(
            *node_id,
            host.clone(),
            raft.clone(),
            snapshots.clone(),
            last_contact.clone(),
        );
        InterceptedService::new(service, OfCluster::new(cluster_id))
    }

    /// Has `entry` agreed on and applied, and gives back what became of each of its commands. Call it many times at
    /// once: what is under way together shares its trips to the disk. Between calls that overlap in time no order is
    /// promised.
    pub async fn propose(&self, entry: Entry) -> Result<Vec<M::Outcome>, ProposeError> {
        let proposal = Proposal::encode(&entry);
        drop(entry);
        let (bytes, most) = (proposal.0.len(), ENTRY_BYTES_MAX);
        if bytes > most {
            return Err(ProposeError::TooLarge { bytes, most });
        }
        let permit = self.inner.proposals.acquire().await;
        let _permit = permit.map_err(|_| ProposeError::Stopped {
            reason: self.reason(),
        })?;
        match self.inner.raft.client_write(proposal).await {
            Ok(response) => Ok(Outcomes::take(response.data)),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                Err(leader(forward).map_or(ProposeError::NoLeader, ProposeError::ForwardToLeader))
            }
            Err(RaftError::APIError(
                ClientWriteError::LogEntryDiscarded(_)
                | ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_),
            )) => Err(ProposeError::Unknown),
            Err(RaftError::Fatal(_)) => Err(ProposeError::Stopped {
                reason: self.reason(),
            }),
        }
    }

    /// Returns once this server's state holds everything that was acknowledged, by anyone, before the call: reads made
    /// after it are linearizable. Fails if this server does not lead.
    pub async fn barrier(&self) -> Result<(), ReadError> {
        match self.inner.raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                Err(leader(forward).map_or(ReadError::NoLeader, ReadError::ForwardToLeader))
            }
            Err(RaftError::APIError(_)) => Err(ReadError::NoLeader),
            Err(RaftError::Fatal(_)) => Err(ReadError::Stopped {
                reason: self.reason(),
            }),
        }
    }

    /// This server's number.
    pub fn node_id(&self) -> NodeId {
        self.inner.node_id
    }

    /// Who leads; changes are seen by watching.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.inner.leadership.clone()
    }

    /// This server's contact with its majority as a leader; `None` when it does not lead or has lost it. Only as new as
    /// the last report of the raft library: ask [`QuorumContact::holds`] before relying on it.
    pub fn quorum_contact(&self) -> Option<QuorumContact> {
        *self.inner.quorum.borrow()
    }

    /// What this server knows of any leader, for agents that have lost theirs.
    pub fn leader_contact(&self) -> LeaderContact {
        // Before the voters: whoever joins in between is not vouched for.
        let silence = self.inner.last_contact.silence(self.inner.host.clock.instant());
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let stored = &metrics.membership_config;
        LeaderContact {
            node_id: self.inner.node_id,
            silence,
            patience: self.inner.patience,
            voters_made_by: stored.log_id().as_ref().map_or((0, 0, 0), |log_id| {
                (log_id.leader_id.term, log_id.leader_id.node_id, log_id.index)
            }),
            voters: stored
                .membership()
                .get_joint_config()
                .iter()
                .map(|voters| voters.iter().copied().collect())
                .collect(),
        }
    }

    /// The addresses of the servers that vote, and the index of the entry that made them so.
    pub fn voter_addresses(&self) -> (u64, Vec<String>) {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let stored = &metrics.membership_config;
        let membership = stored.membership();
        let addresses = membership
            .voter_ids()
            .filter_map(|voter| membership.get_node(&voter))
            .map(|server| server.address.clone())
            .collect();
        (
            stored.log_id().as_ref().map_or(0, |log_id| log_id.index),
            addresses,
        )
    }

    /// How the node is doing.
    pub fn status(&self) -> RaftStatus {
        let metrics = self.inner.raft.metrics().borrow_watched().clone();
        let extent = self.inner.log.extent();
        RaftStatus {
            node_id: self.inner.node_id,
            state: format!("{:?}", metrics.state),
            term: metrics.current_term,
            leader: self.inner.leadership.borrow().current.clone(),
            voters: metrics.membership_config.membership().voter_ids().collect(),
            last_index: metrics.last_log_index,
            applied_index: metrics.last_applied.map(|log_id| log_id.index),
            snapshot_index: metrics.snapshot.map(|log_id| log_id.index),
            purged_index: extent.purged.map(|log_id| log_id.index),
            log_bytes_written: extent.bytes_written,
            log_segments: extent.segments,
        }
    }

    /// Says where a server really is, should it have moved while the servers could not agree on that. Holds until the next change of
    /// the membership.
    pub fn learn_address(&self, node_id: NodeId, address: &str) {
        self.inner.peers.learn_address(node_id, address);
    }

    /// Asks for a snapshot now, whatever the policy says.
    pub async fn snapshot(&self) -> Result<(), ReadError> {
        let asked = self.inner.raft.trigger().snapshot().await;
        asked.map_err(|_| ReadError::Stopped {
            reason: self.reason(),
        })
    }

    /// Hands the lead to another voter. Returns when asked, not when done: watch the leadership.
    pub async fn transfer_leader(&self, target: NodeId) -> Result<(), ReadError> {
        let asked = self.inner.raft.trigger().transfer_leader(target).await;
        asked.map_err(|_| ReadError::Stopped {
            reason: self.reason(),
        })
    }

    /// Returns, with the reason, when the node has stopped by itself: the process must end then, with an error, because
    /// it can neither write nor promise anything any more. Never returns while the node runs, nor after
    /// [`RaftNode::shutdown`].
    pub async fn failed(&self) -> String {
        let mut failure = self.inner.log.failure();
        let mut metrics = self.inner.raft.metrics();
        loop {
            if let Some(reason) = failure.borrow_and_update().clone() {
                return reason;
            }
            let stopped = metrics.borrow_and_update().running_state.clone();
            match stopped {
                Err(openraft::errors::Fatal::Stopped) => std::future::pending().await,
                Err(fatal) => return fatal.to_string(),
                Ok(()) => {}
            }
            tokio::select! {
                changed = metrics.changed() => if changed.is_err() { std::future::pending().await },
                _ = failure.changed() => {}
            }
        }
    }

    /// Stops taking part, answers those who still wait, and makes the log durable. The directory may be opened again
    /// when this returns.
    pub async fn shutdown(&self) {
        self.inner.proposals.close();
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::warn!(%error, "the raft task did not end well");
        }
        self.inner.log.close().await;
    }

    pub(super) fn reason(&self) -> String {
        let failure = self.inner.log.failure().borrow().clone();
        let state = self.inner.raft.metrics().borrow_watched().running_state.clone();
        failure
            .or_else(|| state.err().map(|fatal| fatal.to_string()))
            .unwrap_or_else(|| "it was shut down".to_owned())
    }
}

/// Whether there is a log in a directory that [`RaftSettings::directory`] may name.
pub(crate) async fn holds_log(host: &Host, directory: &Path) -> Result<bool, String> {
    let (opened, log) = (host.clone(), directory.join("log"));
    let look = move || match Log::exists(&opened, &log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        other => other,
    };
    let found = host.workers.run("log-look", look).await;
    found
        .and_then(|found| found)
        .map_err(|error| format!("cannot look into {}: {error}", directory.display()))
}

/// Opens log and snapshots, and refuses what does not fit together.
async fn open<M: StateMachine>(
    settings: &RaftSettings,
    host: &Host,
    machine: M,
) -> Result<(Log, Snapshots, Machine<M>), StartError> {
    let (log_directory, snapshot_directory) = (
        settings.directory.join("log"),
        settings.directory.join("snapshots"),
    );
    let snapshots = Snapshots::new(Arc::clone(&host.disk), snapshot_directory.clone());
    let (preparing, found, directory) = (host.clone(), snapshots.clone(), settings.directory.clone());
    let prepare = move || {
        make_directories(
            &*preparing.disk,
            &directory,
            &[&log_directory, &snapshot_directory],
        )?;
        let newest = found.newest()?;
        if newest.is_some() && !Log::exists(&preparing, &log_directory)? {
            return Err(inconsistent(&directory, "there are snapshots but no log"));
        }
        Ok::<_, io::Error>((newest, log_directory))
    };
    let (newest, log_directory) = host.workers.run("raft-open", prepare).await??;
    let limits = LogLimits {
        segment_bytes: settings.storage.log_segment_bytes,
        cache_bytes: settings.storage.log_cache_bytes,
    };
    let log = Log::open(host.clone(), log_directory, limits).await?;
    let covered = newest.as_ref().and_then(|newest| newest.meta.last_log_id);
    if log.extent().purged > covered {
        return Err(inconsistent(
            &settings.directory,
            "the log begins after what the snapshots cover",
        )
        .into());
    }
    let machine = Machine::new(host.clone(), snapshots.clone(), newest, machine);
    Ok((log, snapshots, machine))
}

/// Makes the directories below `directory`, and their names durable.
fn make_directories(disk: &dyn Disk, directory: &Path, inner: &[&PathBuf]) -> io::Result<()> {
    let make = || {
        for path in inner {
            disk.create_directory(path)?;
        }
        disk.sync_directory(directory)?;
        directory
            .parent()
            .map_or(Ok(()), |parent| disk.sync_directory(parent))
    };
    make().map_err(|error: io::Error| {
        let shown = directory.display();
        io::Error::new(
            error.kind(),
            format!("data directory {shown} cannot be used: {error}; check that it can be written"),
        )
    })
}

/// Forms a new cluster if there is none and the settings say so; leads at once if nobody else could.
async fn form_or_resume<M: StateMachine>(
    settings: &RaftSettings,
    raft: &Raft<Types, Machine<M>>,
) -> Result<(), String> {
    let initialized = raft.is_initialized().await.map_err(|error| error.to_string())?;
    if !initialized && let Some(servers) = &settings.bootstrap {
        return raft
            .initialize(servers.clone())
            .await
            .map_err(|error| error.to_string());
    }
    let alone = raft.voter_ids().eq([settings.node_id]);
    if alone {
        raft.trigger()
            .elect(false)
            .await
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn inconsistent(directory: &Path, what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "data directory {}: {what}, so part of it is missing. Restore it from a copy or, if other servers of the \
             cluster are alive, move it away and let this server join anew",
            directory.display()
        ),
    )
}

pub(super) fn leader(forward: ForwardToLeader<Types>) -> Option<Leader> {
    let server: Server = forward.leader_node?;
    Some(Leader {
        node_id: forward.leader_id?,
        server,
    })
}
