//! Watches: the changes of one selection after a version, in order and without gaps.
//!
//! A watch keeps no queue: it remembers the version it has reached and reads on in the snapshot's history whenever
//! something was applied. A slow client therefore costs no memory; one that falls behind the history is told so.

use bosun_core::refusal::Refusal;
use bosun_core::state::{Change, Snapshot, TooOld};
use bosun_proto::Object;
use tokio::sync::watch;

use super::list::Selection;

/// What a watcher sees of one change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// New, or newly in the selection.
    Added(Object),
    /// Changed within the selection.
    Modified(Object),
    /// Gone, or no longer in the selection; as it last was, with the version of the change.
    Deleted(Object),
}

/// What a watch has to tell at once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Batch {
    /// All that is there. Nobody can go on from within it: the objects are in the order of their names.
    Present(Vec<Event>),
    /// What has changed, perhaps nothing of the selection.
    Changes(Vec<Event>),
}

/// A watch at one point of its way.
#[derive(Debug)]
pub(crate) struct Watch {
    selection: Selection,
    snapshots: watch::Receiver<Snapshot>,
    reached: u64,
    started: bool,
}

impl Watch {
    /// A watch for what comes after `version`; `None` begins with the present state as [`Event::Added`].
    pub(crate) fn new(
        selection: Selection,
        version: Option<u64>,
        snapshots: watch::Receiver<Snapshot>,
    ) -> Self {
        Self {
            selection,
            snapshots,
            reached: version.unwrap_or(0),
            started: version.is_some(),
        }
    }

    /// The version that everything up to here belongs to.
    pub(crate) fn reached(&self) -> u64 {
        self.reached
    }

    /// Waits for something to be applied and returns what of it is in the selection (perhaps nothing).
    /// `Ok(None)` when the server ends.
    pub(crate) async fn next(&mut self) -> Result<Option<Batch>, Refusal> {
        if self.started {
            let reached = self.reached;
            if self
                .snapshots
                .wait_for(|snapshot| snapshot.version() > reached)
                .await
                .is_err()
            {
                return Ok(None);
            }
        }
        let snapshot = self.snapshots.borrow_and_update().clone();
        let batch = if self.started {
            let changes = changes_in(&snapshot, &self.selection, self.reached);
            Batch::Changes(changes.map_err(|too_old| Refusal::Expired(too_old.to_string()))?)
        } else {
            self.started = true;
            let namespace = self.selection.namespace.as_deref();
            let present = snapshot.list(self.selection.kind, namespace);
            let present = present.filter(|object| self.selection.matches(object));
            Batch::Present(present.cloned().map(Event::Added).collect())
        };
        self.reached = snapshot.version();
        Ok(Some(batch))
    }
}

fn changes_in(snapshot: &Snapshot, selection: &Selection, after: u64) -> Result<Vec<Event>, TooOld> {
    Ok(snapshot
        .history()
        .since(after)?
        .filter_map(|change| seen(change, selection))
        .collect())
}

fn seen(change: &Change, selection: &Selection) -> Option<Event> {
    if change.key.kind != selection.kind {
        return None;
    }
    let before = change.old.as_ref().filter(|object| selection.matches(object));
    let after = change.new.as_ref().filter(|object| selection.matches(object));
    match (before, after) {
        (None, None) => None,
        (None, Some(after)) => Some(Event::Added(after.clone())),
        (Some(_), Some(after)) => Some(Event::Modified(after.clone())),
        (Some(before), None) => {
            let mut last = change.new.as_ref().unwrap_or(before).clone();
            last.metadata_mut().resource_version = change.version.to_string();
            Some(Event::Deleted(last))
        }
    }
}
