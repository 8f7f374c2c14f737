//! When to make a snapshot and how much of the log to keep.
//!
//! The raft library counts entries only, and would keep the log back to the newest snapshot. Here bytes count as well,
//! and the log reaches back to the newest snapshot but one, so that a rotten newest snapshot loses nothing.

use std::time::Duration;

use bosun_host::Host;
use openraft::Raft;
use openraft::rt::WatchReceiver;

use super::StateMachine;
use super::log::Log;
use super::machine::Machine;
use super::snapshots::Snapshots;
use super::types::{LogId, MetricsWatch, Types};

/// How often the size of the log is looked at.
const INTERVAL: Duration = Duration::from_millis(500);

/// After how much log a snapshot is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct SnapshotDue {
    pub(super) entries: u64,
    pub(super) bytes: u64,
}

/// The parts that are looked after.
pub(super) struct Housekeeping<M: StateMachine> {
    pub(super) host: Host,
    pub(super) raft: Raft<Types, Machine<M>>,
    pub(super) log: Log,
    pub(super) snapshots: Snapshots,
    pub(super) due: SnapshotDue,
}

impl<M: StateMachine> Housekeeping<M> {
    /// Works until the library stops.
    pub(super) async fn run(self, mut metrics: MetricsWatch) {
        let mut asked_at: Option<LogId> = None;
        let mut purged_for: Option<LogId> = None;
        loop {
            let (applied, snapshot) = {
                let metrics = metrics.borrow_and_update();
                (metrics.last_applied, metrics.snapshot)
            };
            if snapshot.is_some() && purged_for != snapshot {
                purged_for = snapshot;
                self.purge().await;
            }
            // The same state is not asked for twice, should a snapshot fail or take long.
            if applied > asked_at.max(snapshot) && self.is_due(applied, asked_at.max(snapshot)) {
                asked_at = applied;
                if self.raft.trigger().snapshot().await.is_err() {
                    return;
                }
            }
            tokio::time::sleep(INTERVAL).await;
            if metrics.changed().await.is_err() {
                return;
            }
        }
    }

    fn is_due(&self, applied: Option<LogId>, covered: Option<LogId>) -> bool {
        let next = |log_id: Option<LogId>| log_id.map_or(0, |log_id| log_id.index + 1);
        let entries = next(applied).saturating_sub(next(covered));
        entries >= self.due.entries || self.log.bytes_from(next(covered)) >= self.due.bytes
    }

    async fn purge(&self) {
        let snapshots = self.snapshots.clone();
        let kept_from = self
            .host
            .workers
            .run("snapshot-list", move || snapshots.second_newest_index())
            .await;
        match kept_from.unwrap_or_else(Err) {
            // An error means that the library has stopped.
            Ok(Some(index)) => drop(self.raft.trigger().purge_log(index).await),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "cannot list the snapshots; the log is kept longer"),
        }
    }
}
