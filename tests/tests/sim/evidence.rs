//! What a run leaves for the invariants to judge: what clients were told, what watchers saw, what was there at the end,
//! what really ran.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bosun_proto::{Key, Kind, Object};
use bosun_tests::linearizability::History;

use crate::world::Life;

/// A change as one server told it to a watcher.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) server: String,
    pub(crate) version: u64,
    pub(crate) object: Object,
}

/// All objects of a kind as one server lists them.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) server: String,
    pub(crate) kind: Kind,
    pub(crate) version: String,
    pub(crate) objects: Vec<Object>,
}

/// A Job that a client submitted.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    pub(crate) completions: i32,
    pub(crate) parallelism: i32,
    pub(crate) indexed: bool,
}

#[derive(Default)]
pub(crate) struct Notes {
    /// Objects whose creation was acknowledged and that nobody deletes.
    pub(crate) created: BTreeSet<Key>,
    pub(crate) jobs: BTreeMap<String, Submitted>,
    pub(crate) seen: Vec<Seen>,
    /// At the end, once everything had converged.
    pub(crate) listed: Vec<Listed>,
    /// What the observer still waits for; empty once everything has converged.
    pub(crate) missing: Option<String>,
    pub(crate) lives: Vec<Life>,
    /// When all was over.
    pub(crate) end: Duration,
}

/// Shared by the clients and the observer of a run.
#[derive(Default)]
pub(crate) struct Evidence {
    /// What clients did to registers.
    pub(crate) history: History,
    notes: Mutex<Notes>,
}

impl Evidence {
    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    /// The objects of a kind at the end, as the first server has them; all servers have the same.
    pub(crate) fn at_the_end(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        let listed = self.listed.iter().find(|listed| listed.kind == kind);
        listed.into_iter().flat_map(|listed| &listed.objects)
    }
}
