//! How a server takes part: who it is, where its data lies, and the times and limits of the protocol.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use openraft::SnapshotPolicy;

use super::error::StartError;
use super::types::{NodeId, Server};

/// How much is kept, and when it is cut: what a server needs of memory and disk follows from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageLimits {
    /// A snapshot is made once the log has grown by this many entries ...
    pub snapshot_after_entries: u64,
    /// ... or by this many bytes.
    pub snapshot_after_bytes: u64,
    /// Bytes of recent entries kept in memory for followers and for applying.
    pub log_cache_bytes: usize,
    /// Size of one log segment in bytes.
    pub log_segment_bytes: u64,
}

impl Default for StorageLimits {
    fn default() -> Self {
        Self {
            snapshot_after_entries: 50_000,
            snapshot_after_bytes: 64 << 20,
            log_cache_bytes: 4 << 20,
            log_segment_bytes: 16 << 20,
        }
    }
}

/// The settings of one raft node. [`RaftSettings::new`] gives the defaults.
#[derive(Clone, Debug)]
pub struct RaftSettings {
    /// This server's number; never given to another server of the cluster, not even after this one is gone.
    pub node_id: NodeId,
    /// The cluster it belongs to; messages from servers of another one are refused.
    pub cluster_id: String,
    /// The directory that holds `log/` and `snapshots/`. The caller holds the lock on the data directory around it.
    pub directory: PathBuf,
    /// The servers to form a new cluster with if the directory is empty, this one among them; exactly one server of
    /// a new cluster is given this. `None` waits to be taken in by an existing cluster. Ignored once there is data.
    pub bootstrap: Option<BTreeMap<NodeId, Server>>,
    /// How often the leader makes itself heard.
    pub heartbeat: Duration,
    /// The shortest silence of the leader after which a server stands for election.
    pub election_timeout_min: Duration,
    /// The longest such silence; also how long a leader's lease runs.
    pub election_timeout_max: Duration,
    /// Proposals that may be under way at once; more wait in line.
    pub proposals_in_flight_max: usize,
    /// How much is kept.
    pub storage: StorageLimits,
}

impl RaftSettings {
    /// The defaults for a server with the given number and directory.
    pub fn new(node_id: NodeId, directory: impl Into<PathBuf>) -> Self {
        Self {
            node_id,
            cluster_id: String::new(),
            directory: directory.into(),
            bootstrap: None,
            heartbeat: Duration::from_millis(50),
            election_timeout_min: Duration::from_millis(150),
            election_timeout_max: Duration::from_millis(300),
            proposals_in_flight_max: 256,
            storage: StorageLimits::default(),
        }
    }

    /// The same, forming a new cluster of one if the directory is empty.
    pub fn single(node_id: NodeId, server: Server, directory: impl Into<PathBuf>) -> Self {
        Self {
            bootstrap: Some(BTreeMap::from([(node_id, server)])),
            ..Self::new(node_id, directory)
        }
    }

    /// What the raft library is told.
    pub(super) fn library_config(&self) -> Result<openraft::Config, StartError> {
        let config = openraft::Config {
            cluster_name: "bosun".to_owned(),
            heartbeat_interval: milliseconds(self.heartbeat),
            election_timeout_min: milliseconds(self.election_timeout_min),
            election_timeout_max: milliseconds(self.election_timeout_max),
            // Ours go by bytes as well, and keep the log back to the last snapshot but one: see housekeeping.rs.
            snapshot_policy: SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: u64::MAX,
            // Otherwise a follower would be sent a snapshot while we still hold its log.
            replication_lag_threshold: self.storage.snapshot_after_entries.saturating_mul(4),
            max_payload_entries: 256,
            // Time for a whole snapshot to travel and be installed, not for one piece.
            install_snapshot_timeout: 120_000,
            enable_pre_vote: Some(true),
            // A restarted leader must be elected again: its state machine may be behind what it once answered.
            enable_leader_restore: Some(false),
            ..openraft::Config::default()
        };
        config.validate().map_err(|error| StartError::Settings {
            reason: error.to_string(),
        })
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
