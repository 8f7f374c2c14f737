//! ReplicaSets: keeps as many pods as asked for.
//!
//! A key is a ReplicaSet, or a pod without a controller that one may adopt. All that a decision changes is one transaction:
//! the pods and the status that counts them. So the status is exact, and as it is on the version of the ReplicaSet, nothing
//! is ever created twice.

mod claim;
mod ranking;
mod replicas;
mod status;

use bosun_proto::apps_v1::ReplicaSet;
use bosun_proto::core_v1::Pod;
use bosun_proto::meta_v1::OwnerReference;
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Resource};

use super::Controller;
use crate::kinds;
use crate::plan::Plan;
use crate::state::{Change, Snapshot};

/// Keeps as many pods as each ReplicaSet asks for.
#[derive(Debug)]
pub struct ReplicaSetController;

impl Controller for ReplicaSetController {
    fn name(&self) -> &'static str {
        "replicaset-controller"
    }

    fn keys(&self, snapshot: &Snapshot) -> Vec<Key> {
        let sets = snapshot.all::<ReplicaSet>(None).map(|set| set.key());
        let orphans = snapshot
            .all::<Pod>(None)
            .filter(|pod| claim::adopter(snapshot, pod).is_some());
        sets.chain(orphans.map(|pod| pod.key())).collect()
    }

    fn touched_by(&self, change: &Change, snapshot: &Snapshot) -> Vec<Key> {
        if change.key.kind == Kind::ReplicaSet {
            return vec![change.key.clone()];
        }
        let old = change.old.as_ref().and_then(Pod::from_object);
        let new = change.new.as_ref().and_then(Pod::from_object);
        let mut keys: Vec<Key> = [old, new]
            .into_iter()
            .flatten()
            .filter_map(|pod| owner(pod))
            .collect();
        keys.dedup();
        if let Some(pod) = new
            && is_new_orphan(old.map(AsRef::as_ref), pod)
            && claim::adopter(snapshot, pod).is_some()
        {
            keys.push(pod.key());
        }
        keys
    }

    fn reconcile(&self, snapshot: &Snapshot, key: &Key, now: Time) -> Plan {
        if let Some(set) = snapshot.find_key::<ReplicaSet>(key) {
            replicas::reconcile(snapshot, set, now)
        } else if let Some(pod) = snapshot.find_key::<Pod>(key) {
            claim::adopt_orphan(snapshot, pod)
        } else {
            Plan::default()
        }
    }
}

/// The ReplicaSet that controls a pod.
fn owner(pod: &Pod) -> Option<Key> {
    let metadata = pod.metadata();
    let is_replica_set =
        |owner: &&OwnerReference| Kind::from_api(&owner.api_version, &owner.kind) == Some(Kind::ReplicaSet);
    let owner = kinds::controller_of(metadata).filter(is_replica_set)?;
    Some(Key::new(Kind::ReplicaSet, &metadata.namespace, &owner.name))
}

fn is_new_orphan(old: Option<&Pod>, new: &Pod) -> bool {
    let (Some(old), new) = (old.map(Resource::metadata), new.metadata()) else {
        return true;
    };
    kinds::controller_of(old).is_some() || old.labels != new.labels
}

#[cfg(test)]
mod replica_set_tests;
