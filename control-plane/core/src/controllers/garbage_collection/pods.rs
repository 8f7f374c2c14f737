//! Pods that nobody else can end: those that never had a node, those whose node is gone, and those whose Job is.

use std::sync::Arc;

use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::{Node, Pod};
use bosun_proto::node_loss::NODE_LOST;
use bosun_proto::scalars::Time;
use bosun_proto::{Object, Resource};

use super::without_finalizer;
use crate::admission::pod_status::{self, JOB_TRACKING_FINALIZER};
use crate::controllers::node_lifecycle::pods::failed_by_disruption;
use crate::kinds::{self, pod};
use crate::plan::Plan;
use crate::state::Snapshot;

/// Why the pod is disturbed. Source: Kubernetes' pod garbage collection.
const DISRUPTION_REASON: &str = "DeletionByPodGC";
/// A pod that was made for a node that does not exist yet waits so long for it. Source: Kubernetes' pod garbage collection.
const NODE_AWAITED_SECONDS: i64 = 40;

/// True when [`reconcile`] may have something to do because of this change.
pub(super) fn needs_a_look(snapshot: &Snapshot, old: Option<&Arc<Pod>>, new: &Pod) -> bool {
    let is_news = old.is_none_or(|old| {
        let (old, new) = (old.metadata(), new.metadata());
        old.finalizers != new.finalizers
            || old.owner_references != new.owner_references
            || old.deletion_timestamp != new.deletion_timestamp
    });
    let has_new_node = old.map(|old| &pod::spec(old).node_name) != Some(&pod::spec(new).node_name);
    (is_news && (is_tracked_in_vain(snapshot, new) || ended_unassigned(new)))
        || (has_new_node && is_on_missing_node(snapshot, new))
}

/// The next step for a pod; `None` when there is none of these.
pub(super) fn reconcile(snapshot: &Snapshot, pod: &Arc<Pod>, now: Time) -> Option<Plan> {
    let mut plan = Plan::default();
    if is_tracked_in_vain(snapshot, pod) {
        plan.writes.push(without_finalizer(
            &Object::from(pod.clone()),
            JOB_TRACKING_FINALIZER,
        ));
    } else if ended_unassigned(pod) {
        let message = "the pod was deleted before it got a node";
        let failed = failed_by_disruption(pod, "Deleted", message, DISRUPTION_REASON, now);
        plan.writes = pod_status::transition(snapshot, pod, failed, now);
    } else if is_on_missing_node(snapshot, pod) {
        let awaited_until = pod
            .metadata()
            .creation_timestamp
            .map(|at| at.plus_seconds(NODE_AWAITED_SECONDS));
        match awaited_until {
            Some(until) if until > now && !was_scheduled(pod) => plan.look_again_at(until),
            _ => {
                let message = format!("node {} does not exist", pod::spec(pod).node_name);
                let failed = failed_by_disruption(pod, NODE_LOST, &message, DISRUPTION_REASON, now);
                plan.writes = pod_status::transition(snapshot, pod, failed, now);
                plan.warn(&pod.key(), &pod.metadata().uid, NODE_LOST, message);
            }
        }
    } else {
        return None;
    }
    Some(plan)
}

/// It waits to be counted by a Job that is gone, or that is not its owner any more.
fn is_tracked_in_vain(snapshot: &Snapshot, pod: &Pod) -> bool {
    let metadata = pod.metadata();
    let is_tracked = metadata
        .finalizers
        .iter()
        .any(|finalizer| finalizer == JOB_TRACKING_FINALIZER);
    let job = || {
        kinds::controller_of(metadata)
            .and_then(|owner| snapshot.by_uid(&owner.uid))
            .and_then(Job::from_object)
    };
    is_tracked && job().is_none()
}

/// No agent will ever say that it has stopped.
fn ended_unassigned(pod: &Pod) -> bool {
    pod::is_ending(pod) && !pod::is_finished(pod) && pod::spec(pod).node_name.is_empty()
}

fn is_on_missing_node(snapshot: &Snapshot, pod: &Pod) -> bool {
    let node = &pod::spec(pod).node_name;
    !node.is_empty() && !pod::is_finished(pod) && snapshot.find::<Node>("", node).is_none()
}

/// True for a pod whose node did exist once.
fn was_scheduled(pod: &Pod) -> bool {
    let scheduled = pod::condition(pod, "PodScheduled").is_some_and(|condition| condition.status == "True");
    scheduled || pod::status(pod).start_time.is_some()
}
