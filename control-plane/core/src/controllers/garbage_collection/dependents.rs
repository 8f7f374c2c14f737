//! An owner that is being deleted, and its dependents: it deletes them first, or lets them go.

use std::collections::BTreeSet;

use bosun_proto::Object;
use bosun_proto::meta_v1::OwnerReference;
use bosun_proto::scalars::Time;

use super::owners::{self, Standing};
use super::{ends, has_finalizer, without_finalizer};
use crate::admission::deletion::{self, FOREGROUND_FINALIZER, ORPHAN_FINALIZER, Propagation};
use crate::plan::{PLAN_OBJECTS_MAX, Plan};
use crate::state::{Snapshot, Write};

/// So many objects are looked at to find out whether owners wait for each other in a circle; in a longer circle one of them
/// has to be freed by hand.
const CYCLE_OBJECTS_MAX: usize = 1_000;

/// Takes the owner out of its dependents, then the finalizer out of the owner.
pub(super) fn orphan(snapshot: &Snapshot, owner: &Object) -> Plan {
    let uid = &owner.metadata().uid;
    // A dependent of itself is orphaned with its last write, below.
    let dependents = snapshot
        .dependents(uid)
        .filter(|dependent| dependent.key() != owner.key());
    let writes: Vec<Write> = dependents
        .take(PLAN_OBJECTS_MAX - 1)
        .map(|dependent| released(dependent, uid))
        .collect();
    let is_last_part = writes.len() < PLAN_OBJECTS_MAX - 1;
    let mut plan = Plan {
        writes,
        ..Plan::default()
    };
    if is_last_part {
        plan.writes.push(without_finalizer(owner, ORPHAN_FINALIZER));
    }
    plan
}

fn released(dependent: &Object, owner_uid: &str) -> Write {
    let mut released = dependent.clone();
    released
        .metadata_mut()
        .owner_references
        .retain(|reference| reference.uid != owner_uid);
    Write::replace(dependent, released)
}

/// Deletes the dependents; when none is left that blocks, takes the finalizer out of the owner.
pub(super) fn delete_first(snapshot: &Snapshot, owner: &Object, now: Time) -> Plan {
    let mut plan = Plan::default();
    let mut is_blocked = false;
    for dependent in snapshot.dependents(&owner.metadata().uid) {
        if plan.writes.len() == PLAN_OBJECTS_MAX - 1 {
            is_blocked = true;
            break;
        }
        let write = delete_dependent(snapshot, dependent, now);
        // One that loses the reference, or goes at once, does not block once this plan is carried out.
        let stays = match &write {
            Some(Write::Replace { object, .. }) => names_owner(object, owner),
            Some(_) => false,
            None => true,
        };
        plan.writes.extend(write);
        is_blocked |= stays && blocks(snapshot, dependent, owner);
    }
    if !is_blocked {
        plan.writes.push(without_finalizer(owner, FOREGROUND_FINALIZER));
    }
    plan
}

/// The next write for a dependent of an owner that waits; `None` when it is ending already.
fn delete_dependent(snapshot: &Snapshot, dependent: &Object, now: Time) -> Option<Write> {
    if ends(dependent) {
        return None;
    }
    let references = &dependent.metadata().owner_references;
    let has_solid = |reference| owners::standing(snapshot, dependent, reference) == Standing::Solid;
    if references.iter().any(has_solid) {
        return Some(owners::keep_solid(snapshot, dependent));
    }
    let mut its_dependents = snapshot.dependents(&dependent.metadata().uid);
    let propagation = match owners::own_wish(dependent) {
        Propagation::Background if its_dependents.any(|it| names_as_blocking(it, dependent)) => {
            Propagation::Foreground
        }
        wish => wish,
    };
    deletion::begin(dependent, propagation, None, now)
}

/// True when the owner has to wait for this dependent. Not for one that in turn waits for the owner: neither would ever go.
fn blocks(snapshot: &Snapshot, dependent: &Object, owner: &Object) -> bool {
    names_as_blocking(dependent, owner)
        && dependent.key() != owner.key()
        && !waits_for(snapshot, dependent, owner)
}

fn names_owner(dependent: &Object, owner: &Object) -> bool {
    references_to(dependent, owner).next().is_some()
}

fn names_as_blocking(dependent: &Object, owner: &Object) -> bool {
    references_to(dependent, owner).any(|reference| reference.block_owner_deletion == Some(true))
}

fn references_to<'a>(dependent: &'a Object, owner: &'a Object) -> impl Iterator<Item = &'a OwnerReference> {
    let references = &dependent.metadata().owner_references;
    references
        .iter()
        .filter(|reference| reference.uid == owner.metadata().uid)
}

/// True when `first`, through any number of others, cannot go before `last` does.
fn waits_for(snapshot: &Snapshot, first: &Object, last: &Object) -> bool {
    let mut seen = BTreeSet::from([first.key()]);
    let mut open = vec![first];
    while let Some(object) = open.pop() {
        if !has_finalizer(object, FOREGROUND_FINALIZER) || seen.len() > CYCLE_OBJECTS_MAX {
            continue;
        }
        for dependent in snapshot.dependents(&object.metadata().uid) {
            if !names_as_blocking(dependent, object) {
                continue;
            }
            if dependent.key() == last.key() {
                return true;
            }
            if seen.insert(dependent.key()) {
                open.push(dependent);
            }
        }
    }
    false
}
