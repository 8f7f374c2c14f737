//! An object and its owners: it lives as long as one of them does.

use bosun_proto::meta_v1::OwnerReference;
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Object};

use super::{ends, has_finalizer};
use crate::admission::deletion::{self, FOREGROUND_FINALIZER, ORPHAN_FINALIZER, Propagation};
use crate::plan::Plan;
use crate::state::{Snapshot, Write};

/// What an owner reference is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The owner is there; also when it is of a kind that is not served here, as nobody can tell that it is not.
    Solid,
    /// The owner is being deleted and waits for its dependents.
    Waiting,
    /// There is no such owner.
    Missing,
}

/// What a reference in `dependent` is worth. The owner must be the named object, and in reach: of the cluster, or of the
/// dependent's own namespace.
pub(super) fn standing(snapshot: &Snapshot, dependent: &Object, reference: &OwnerReference) -> Standing {
    let Some(kind) = Kind::from_api(&reference.api_version, &reference.kind) else {
        return Standing::Solid;
    };
    let in_reach = |owner: &&Object| {
        let metadata = owner.metadata();
        owner.kind() == kind
            && metadata.name == reference.name
            && (metadata.namespace.is_empty() || metadata.namespace == dependent.metadata().namespace)
    };
    match snapshot.by_uid(&reference.uid).filter(in_reach) {
        None => Standing::Missing,
        Some(owner) if ends(owner) && has_finalizer(owner, FOREGROUND_FINALIZER) => Standing::Waiting,
        Some(_) => Standing::Solid,
    }
}

/// True when nothing is to be done about an object's owners.
pub(super) fn all_are_solid(snapshot: &Snapshot, object: &Object) -> bool {
    let references = &object.metadata().owner_references;
    references
        .iter()
        .all(|reference| standing(snapshot, object, reference) == Standing::Solid)
}

/// The owners of an object that cannot go before something happens to it.
pub(super) fn waiting_for(snapshot: &Snapshot, object: &Object) -> impl Iterator<Item = Key> {
    let owners = object
        .metadata()
        .owner_references
        .iter()
        .filter_map(|reference| snapshot.by_uid(&reference.uid));
    owners
        .filter(|owner| {
            ends(owner)
                && (has_finalizer(owner, FOREGROUND_FINALIZER) || has_finalizer(owner, ORPHAN_FINALIZER))
        })
        .map(Object::key)
}

/// One step for an object that is not being deleted: without any owner left it ends; with one left it loses the others.
pub(super) fn reconcile(snapshot: &Snapshot, object: &Object, now: Time) -> Plan {
    let mut plan = Plan::default();
    let references = &object.metadata().owner_references;
    let count = |wanted| {
        references
            .iter()
            .filter(|reference| standing(snapshot, object, reference) == wanted)
            .count()
    };
    let (solid, missing) = (count(Standing::Solid), count(Standing::Missing));
    if references.is_empty() || solid == references.len() {
        return plan;
    }
    if solid > 0 {
        plan.writes.push(keep_solid(snapshot, object));
    } else if missing == references.len() {
        plan.writes
            .extend(deletion::begin(object, own_wish(object), None, now));
    }
    // Otherwise an owner waits for its dependents, and deletes them itself.
    plan
}

/// The write that drops the references to owners that are gone or going.
pub(super) fn keep_solid(snapshot: &Snapshot, object: &Object) -> Write {
    let mut kept = object.clone();
    let references = &mut kept.metadata_mut().owner_references;
    references.retain(|reference| standing(snapshot, object, reference) == Standing::Solid);
    Write::replace(object, kept)
}

/// What the finalizers that an object already has say about its own dependents.
pub(super) fn own_wish(object: &Object) -> Propagation {
    if has_finalizer(object, ORPHAN_FINALIZER) {
        Propagation::Orphan
    } else if has_finalizer(object, FOREGROUND_FINALIZER) {
        Propagation::Foreground
    } else {
        Propagation::Background
    }
}
