//! The state machine as the raft library sees it: applies committed entries, makes and takes in snapshots.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bosun_host::Host;
use futures::{FutureExt, Stream, StreamExt};
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder, Snapshot};

use super::snapshots::{SnapshotFile, Snapshots};
use super::types::{
    Entry, LeaderId, LogId, NodeId, Outcomes, Payload, Server, SnapshotMeta, StoredMembership, Types,
};
use super::{SnapshotEncoder, StateMachine};

/// Entries applied before their outcomes are handed out at the latest.
const RUN_ENTRIES_MAX: usize = 256;

type LibrarySnapshot = Snapshot<LeaderId, NodeId, Server, SnapshotFile>;

/// A [`StateMachine`] with what the library wants to know about it.
pub(super) struct Machine<M> {
    host: Host,
    snapshots: Snapshots,
    /// Behind a lock only so that a worker can restore it; nothing else is under way then.
    state: Arc<Mutex<M>>,
    applied: Option<LogId>,
    membership: StoredMembership,
    /// The newest snapshot, shared with the builder, which finishes later.
    current: Arc<Mutex<Option<SnapshotFile>>>,
}

impl<M: StateMachine> Machine<M> {
    /// The machine before anything is applied, with the `newest` snapshot for the library to start from.
    pub(super) fn new(host: Host, snapshots: Snapshots, newest: Option<SnapshotFile>, machine: M) -> Self {
        Self {
            host,
            snapshots,
            state: Arc::new(Mutex::new(machine)),
            applied: None,
            membership: StoredMembership::default(),
            current: Arc::new(Mutex::new(newest)),
        }
    }

    fn state(&self) -> MutexGuard<'_, M> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply_entry(&mut self, entry: Entry) -> io::Result<Outcomes> {
        let outcomes = match entry.payload {
            Payload::Blank => Outcomes::none(),
            Payload::Normal(proposal) => {
                let applied = proposal
                    .decode()
                    .map_err(io::Error::other)
                    .and_then(|commands| self.state().apply(commands));
                Outcomes::new(applied.map_err(|error| unreadable(&entry.log_id, &error))?)
            }
            Payload::Membership(membership) => {
                self.membership = StoredMembership::new(Some(entry.log_id), membership);
                Outcomes::none()
            }
        };
        self.applied = Some(entry.log_id);
        Ok(outcomes)
    }

    /// Readers first, then those who wait for an answer.
    fn answer(&mut self, waiting: &mut Vec<(ApplyResponder<Types>, Outcomes)>) {
        self.state().publish();
        for (responder, outcomes) in waiting.drain(..) {
            responder.send(outcomes);
        }
    }
}

fn unreadable(log_id: &LogId, error: &io::Error) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "log entry {log_id} cannot be read: {error}. It was agreed on by servers that run a newer bosun: install that \
             one here as well and start again; nothing is lost"
        ),
    )
}

impl<M: StateMachine> RaftStateMachine<Types> for Machine<M> {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        let mut waiting = Vec::new();
        let mut run = 0;
        loop {
            // Entries that are there already are one run; before waiting for more, the others are answered.
            let next = if let Some(next) = entries.next().now_or_never() {
                next
            } else {
                self.answer(&mut waiting);
                run = 0;
                entries.next().await
            };
            let Some(entry) = next else { break };
            let (entry, responder) = entry?;
            let outcomes = self.apply_entry(entry)?;
            waiting.extend(responder.map(|responder| (responder, outcomes)));
            run += 1;
            if run == RUN_ENTRIES_MAX {
                self.answer(&mut waiting);
                run = 0;
            }
        }
        self.answer(&mut waiting);
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        Builder {
            host: self.host.clone(),
            snapshots: self.snapshots.clone(),
            meta: SnapshotMeta {
                last_log_id: self.applied,
                last_membership: self.membership.clone(),
            },
            encoder: Mutex::new(Some(self.state().snapshot())),
            current: Arc::clone(&self.current),
        }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotFile) -> io::Result<()> {
        let (snapshots, state) = (self.snapshots.clone(), Arc::clone(&self.state));
        // A large one takes seconds, in which this server must go on answering its leader.
        let install = move || {
            let snapshot = snapshots.keep(snapshot)?;
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.restore(&mut snapshot.content()?)?;
            state.publish();
            Ok::<_, io::Error>(snapshot)
        };
        let snapshot = self.host.workers.run("snapshot-read", install).await??;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<LibrarySnapshot>> {
        let current = self
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Ok(current.map(|snapshot| Snapshot {
            meta: snapshot.meta.clone(),
            snapshot,
        }))
    }
}

/// One snapshot to be made: the state was taken when this was made, the work is done by a worker.
pub(super) struct Builder {
    host: Host,
    snapshots: Snapshots,
    meta: SnapshotMeta,
    /// Used up by the first build. The lock is never contended; it only makes the builder shareable.
    encoder: Mutex<Option<SnapshotEncoder>>,
    current: Arc<Mutex<Option<SnapshotFile>>>,
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> io::Result<LibrarySnapshot> {
        let encoder = self
            .encoder
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let encoder = encoder.ok_or_else(|| io::Error::other("a snapshot builder builds one snapshot"))?;
        let (snapshots, meta) = (self.snapshots.clone(), self.meta.clone());
        let build = move || snapshots.build(meta, encoder);
        let built = self.host.workers.run("snapshot-build", build).await?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = match (built, &*current) {
            (Ok(snapshot), _) => snapshot,
            // An older snapshot with a longer log is as good; it is tried again when the log has grown by as much.
            (Err(error), Some(older)) => {
                tracing::error!(%error, "keeping the snapshot before");
                older.clone()
            }
            (Err(error), None) => return Err(error),
        };
        // A newer one may have been received meanwhile.
        if current
            .as_ref()
            .is_none_or(|current| current.meta.last_log_id <= snapshot.meta.last_log_id)
        {
            *current = Some(snapshot.clone());
        }
        Ok(Snapshot {
            meta: snapshot.meta.clone(),
            snapshot,
        })
    }
}
