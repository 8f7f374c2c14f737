//! Garbage collection: dependents follow their owners, and what ends goes when nothing holds it any more.
//!
//! A key is any object. One decision takes one step; the next follows on top of it. Owners are told apart by uid: an owner
//! that was deleted and created anew under the same name is another owner. Source: Kubernetes' garbage collection.

mod dependents;
mod owners;
mod pods;

use bosun_proto::core_v1::{Node, Pod};
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Object, Resource};

use super::Controller;
use crate::admission::deletion::{self, FOREGROUND_FINALIZER, ORPHAN_FINALIZER};
use crate::plan::Plan;
use crate::state::{Change, Snapshot, Write};

/// Deletes what has lost its owners, and completes deletions.
#[derive(Debug)]
pub struct GarbageCollectionController;

impl Controller for GarbageCollectionController {
    fn name(&self) -> &'static str {
        "garbage-collector"
    }

    fn keys(&self, snapshot: &Snapshot) -> Vec<Key> {
        let all = Kind::ALL.iter().flat_map(|kind| snapshot.list(*kind, None));
        all.filter(|object| needs_a_look(snapshot, None, object))
            .map(Object::key)
            .collect()
    }

    fn touched_by(&self, change: &Change, snapshot: &Snapshot) -> Vec<Key> {
        let mut keys = Vec::new();
        match (&change.old, &change.new) {
            (old, Some(new)) => {
                if needs_a_look(snapshot, old.as_ref(), new) {
                    keys.push(change.key.clone());
                }
                if let Some(old) = old.as_ref().filter(|old| owner_references_differ(old, new)) {
                    keys.extend(owners::waiting_for(snapshot, old));
                }
            }
            (Some(gone), None) => {
                keys.extend(snapshot.dependents(&gone.metadata().uid).map(Object::key));
                keys.extend(owners::waiting_for(snapshot, gone));
                if let Some(node) = Node::from_object(gone) {
                    keys.extend(snapshot.pods_on(&node.metadata().name).map(|pod| pod.key()));
                }
            }
            (None, None) => {}
        }
        keys
    }

    fn reconcile(&self, snapshot: &Snapshot, key: &Key, now: Time) -> Plan {
        let Some(object) = snapshot.get(key) else {
            return Plan::default();
        };
        if deletion::may_go(object) {
            return Plan {
                writes: vec![Write::delete(object)],
                ..Plan::default()
            };
        }
        if let Some(pod) = Pod::from_object(object)
            && let Some(plan) = pods::reconcile(snapshot, pod, now)
        {
            return plan;
        }
        if !ends(object) {
            owners::reconcile(snapshot, object, now)
        } else if has_finalizer(object, ORPHAN_FINALIZER) {
            dependents::orphan(snapshot, object)
        } else if has_finalizer(object, FOREGROUND_FINALIZER) {
            dependents::delete_first(snapshot, object, now)
        } else {
            Plan::default()
        }
    }
}

/// True when there may be something to do about an object, given how it was before; cheap, and for most changes false.
fn needs_a_look(snapshot: &Snapshot, old: Option<&Object>, new: &Object) -> bool {
    if ends(new) {
        let holds_dependents = [FOREGROUND_FINALIZER, ORPHAN_FINALIZER]
            .iter()
            .any(|name| has_finalizer(new, name));
        let is_news =
            old.is_none_or(|old| !ends(old) || old.metadata().finalizers != new.metadata().finalizers);
        if deletion::may_go(new) || (holds_dependents && is_news) {
            return true;
        }
    } else if old.is_none_or(|old| owner_references_differ(old, new)) && !owners::all_are_solid(snapshot, new)
    {
        return true;
    }
    Pod::from_object(new).is_some_and(|pod| pods::needs_a_look(snapshot, old.and_then(Pod::from_object), pod))
}

fn owner_references_differ(old: &Object, new: &Object) -> bool {
    old.metadata().owner_references != new.metadata().owner_references
}

fn ends(object: &Object) -> bool {
    object.metadata().deletion_timestamp.is_some()
}

fn has_finalizer(object: &Object, name: &str) -> bool {
    object
        .metadata()
        .finalizers
        .iter()
        .any(|finalizer| finalizer == name)
}

/// The write that takes a finalizer away; a removal when it was the last thing that held the object.
fn without_finalizer(object: &Object, name: &str) -> Write {
    let mut freed = object.clone();
    freed
        .metadata_mut()
        .finalizers
        .retain(|finalizer| finalizer != name);
    deletion::write_of(object, freed)
}

#[cfg(test)]
mod garbage_collection_tests;
