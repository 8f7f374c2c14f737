//! Which pods go when there are too many, and how they go.

use std::collections::BTreeSet;
use std::sync::Arc;

use bosun_proto::core_v1::Pod;
use bosun_proto::{Object, Resource};

use super::pods::{completion_index, remove_tracking_finalizer};
use super::scene::{Draft, Scene};
use crate::admission::Propagation;
use crate::admission::deletion;
use crate::kinds::{job, pod};
use crate::state::Write;

/// Whether a pod that is removed adds to the Job's failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// It does, once it has ended.
    Yes,
    /// It does not: its finalizer goes in the same write.
    No,
}

/// Begins the deletion of active pods.
pub(super) fn remove(scene: &Scene<'_>, draft: &mut Draft, victims: &[&Arc<Pod>], counted: Counted) {
    for victim in victims {
        let mut stored = Object::from((*victim).clone());
        if let (Counted::No, Object::Pod(pod)) = (counted, &mut stored) {
            remove_tracking_finalizer(Arc::make_mut(pod));
        }
        let Some(write) = deletion::begin(&stored, Propagation::Background, None, scene.now) else {
            continue;
        };
        draft.active -= 1;
        draft.ready -= usize::from(pod::is_ready(victim));
        draft.terminating += usize::from(matches!(write, Write::Replace { .. }));
        draft.plan.writes.push(write);
    }
    if !victims.is_empty() {
        let names: Vec<&str> = victims
            .iter()
            .take(NAMES_MAX)
            .map(|pod| pod.metadata().name.as_str())
            .collect();
        let more = if victims.len() > NAMES_MAX {
            " and more"
        } else {
            ""
        };
        let pods = if victims.len() == 1 { "pod" } else { "pods" };
        let message = format!("Deleted {} {pods}: {}{more}", victims.len(), names.join(", "));
        draft.plan.note(
            &scene.key(),
            &scene.job.metadata().uid,
            "SuccessfulDelete",
            message,
        );
    }
}

/// So many pods are named in an event.
const NAMES_MAX: usize = 3;

/// The pods to remove so that `keep` stay: first those of an Indexed Job that have no place in it, then those that have come
/// least far.
pub(super) fn surplus<'a>(scene: &Scene<'a>, keep: usize) -> Vec<&'a Arc<Pod>> {
    let mut ranked = scene.active.clone();
    ranked.sort_by_key(|pod| rank(pod));
    let mut misplaced: Vec<&Arc<Pod>> = Vec::new();
    if job::is_indexed(scene.spec) {
        let mut taken = BTreeSet::new();
        let completions = scene.spec.completions.unwrap_or(0);
        // From the far end, so that of two pods of one index the one that has come further stays.
        for place in (0..ranked.len()).rev() {
            let index = completion_index(ranked[place]).filter(|index| *index < completions);
            if !index.is_some_and(|index| taken.insert(index)) {
                misplaced.push(ranked.remove(place));
            }
        }
    }
    let also = ranked.len().saturating_sub(keep);
    misplaced.extend(ranked.into_iter().take(also));
    misplaced
}

/// Smaller goes first: without a node, pending, not ready, ready for a shorter time, restarted more often, newer; then by name.
/// Source: Kubernetes' ranking of active pods.
fn rank(pod: &Pod) -> impl Ord + use<> {
    let assigned = !pod::spec(pod).node_name.is_empty();
    let running = pod::status(pod).phase == pod::phase::RUNNING;
    let ready_for = std::cmp::Reverse(
        pod::condition(pod, "Ready")
            .filter(|ready| ready.status == "True")
            .and_then(|ready| ready.last_transition_time),
    );
    let containers = pod::status(pod).container_statuses.iter();
    let restarts = std::cmp::Reverse(containers.map(|container| container.restart_count).max());
    let age = std::cmp::Reverse(pod.metadata().creation_timestamp);
    (
        assigned,
        running,
        pod::is_ready(pod),
        ready_for,
        restarts,
        age,
        pod.metadata().name.clone(),
    )
}
