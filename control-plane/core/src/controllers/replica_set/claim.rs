//! Which pods belong to a ReplicaSet: those it controls and whose labels match. It adopts matching pods that nobody controls
//! and releases those that match no more. Source: Kubernetes' adoption rules.

use std::sync::Arc;

use bosun_proto::apps_v1::ReplicaSet;
use bosun_proto::core_v1::Pod;
use bosun_proto::selector::LabelSelector;
use bosun_proto::{Key, Kind, Object, Resource};

use crate::kinds::{self, pod, replica_set};
use crate::plan::Plan;
use crate::state::{Snapshot, Write};

/// What the ReplicaSet selects. `None`, so nothing, for an empty or unreadable selector, which validation does not let in.
pub(super) fn selector(set: &ReplicaSet) -> Option<LabelSelector> {
    let selector = LabelSelector::try_from(replica_set::spec(set).selector.as_ref()?).ok()?;
    (!selector.is_empty()).then_some(selector)
}

/// True when the labels of the pod are what is selected.
pub(super) fn matches(selector: Option<&LabelSelector>, pod: &Pod) -> bool {
    selector.is_some_and(|selector| selector.matches(&pod.metadata().labels))
}

/// The ReplicaSet that has to adopt this pod: the oldest that matches. None when the pod has a controller, is ending or has
/// finished.
pub(super) fn adopter<'a>(snapshot: &'a Snapshot, pod: &Pod) -> Option<&'a Arc<ReplicaSet>> {
    if !is_orphan(pod) {
        return None;
    }
    let sets = snapshot.all::<ReplicaSet>(Some(&pod.metadata().namespace));
    sets.filter(|set| set.metadata().deletion_timestamp.is_none() && matches(selector(set).as_ref(), pod))
        .min_by_key(|set| (set.metadata().creation_timestamp, set.key()))
}

/// The plan for a pod that may be adopted. It holds only as long as the ReplicaSet is as it was: one that is being deleted
/// adopts nothing.
pub(super) fn adopt_orphan(snapshot: &Snapshot, pod: &Arc<Pod>) -> Plan {
    let Some(set) = adopter(snapshot, pod) else {
        return Plan::default();
    };
    let expect = Write::Expect {
        key: set.key(),
        version: snapshot.version_of(&set.key()),
    };
    Plan {
        writes: vec![expect, adopt(set, pod)],
        ..Plan::default()
    }
}

/// All pods that this ReplicaSet may adopt.
pub(super) fn orphans<'a>(snapshot: &'a Snapshot, set: &ReplicaSet) -> Vec<&'a Arc<Pod>> {
    let candidates = snapshot.all::<Pod>(Some(&set.metadata().namespace));
    let (key, selector): (Key, _) = (set.key(), selector(set));
    candidates
        .filter(|pod| {
            matches(selector.as_ref(), pod)
                && adopter(snapshot, pod).is_some_and(|adopter| adopter.key() == key)
        })
        .collect()
}

/// Makes the ReplicaSet the controller of the pod.
pub(super) fn adopt(set: &ReplicaSet, pod: &Arc<Pod>) -> Write {
    let mut adopted = pod.as_ref().clone();
    let references = &mut adopted.metadata.get_or_insert_default().owner_references;
    let reference = kinds::controller_reference(Kind::ReplicaSet, set.metadata());
    // It may have named the owner already, without saying that it controls.
    references.retain(|present| present.uid != reference.uid);
    references.push(reference);
    Write::replace(&Object::from(pod.clone()), adopted)
}

/// Takes the ReplicaSet out of the pod's owners.
pub(super) fn release(set: &ReplicaSet, pod: &Arc<Pod>) -> Write {
    let mut released = pod.as_ref().clone();
    let references = &mut released.metadata.get_or_insert_default().owner_references;
    references.retain(|reference| reference.uid != set.metadata().uid);
    Write::replace(&Object::from(pod.clone()), released)
}

fn is_orphan(pod: &Pod) -> bool {
    pod::is_active(pod) && kinds::controller_of(pod.metadata()).is_none()
}
