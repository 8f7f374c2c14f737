//! The controllers: each brings objects of one kind nearer to their spec.
//!
//! A controller is a pure function of a snapshot and a time. It never calls another one, never waits and never reads a
//! clock; it does not know who runs it. The table [`CONTROLLERS`] is all there is to register one.

pub mod cron_job;
pub mod garbage_collection;
pub mod job;
pub mod namespace;
pub mod node_lifecycle;
pub mod queue;
pub mod replica_set;
pub mod ttl;

use bosun_proto::Key;
use bosun_proto::scalars::Time;

use crate::plan::Plan;
use crate::state::{Change, Snapshot};

/// Brings the objects it is responsible for nearer to their spec.
pub trait Controller: Sync {
    /// Its name in logs and as the source of Events.
    fn name(&self) -> &'static str;

    /// Every key it has to look at when a leader starts.
    fn keys(&self, snapshot: &Snapshot) -> Vec<Key>;

    /// The keys that must be looked at again because `change` happened.
    fn touched_by(&self, change: &Change, snapshot: &Snapshot) -> Vec<Key>;

    /// What to write so that `key` comes nearer to its spec. Empty when it is there already, and when the key is gone.
    fn reconcile(&self, snapshot: &Snapshot, key: &Key, now: Time) -> Plan;
}

/// All controllers.
pub static CONTROLLERS: &[&dyn Controller] = &[
    &cron_job::CronJobController,
    &garbage_collection::GarbageCollectionController,
    &job::JobController,
    &namespace::NamespaceController,
    &node_lifecycle::NodeLifecycleController,
    &replica_set::ReplicaSetController,
    &ttl::TtlController,
];

#[cfg(test)]
mod controllers_tests;
