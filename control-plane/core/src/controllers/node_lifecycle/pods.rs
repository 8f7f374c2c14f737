//! The pods of a node that does not answer: which are given up when.

use std::sync::Arc;

use bosun_proto::Object;
use bosun_proto::core_v1::{Pod, PodCondition};
use bosun_proto::node_loss::{NODE_LOST, OnNodeLoss};
use bosun_proto::scalars::Time;

use crate::admission::pod_status;
use crate::kinds::pod;
use crate::state::{Snapshot, Write};

/// Why the pod is disturbed. Source: Kubernetes' taint eviction.
const DISRUPTION_REASON: &str = "DeletionByTaintManager";

/// When its node falls silent: kept pods are given up, the others are not ready any more. One element per pod.
pub(super) fn of_silent_node(snapshot: &Snapshot, node: &str, now: Time) -> Vec<Vec<Write>> {
    unfinished(snapshot, node)
        .map(|pod| match OnNodeLoss::of(pod) {
            OnNodeLoss::Keep => give_up(snapshot, pod, now),
            OnNodeLoss::Stop => not_ready(pod, now).into_iter().collect(),
        })
        .filter(|writes| !writes.is_empty())
        .collect()
}

/// When its node is lost: all pods are given up. One element per pod.
pub(super) fn of_lost_node(snapshot: &Snapshot, node: &str, now: Time) -> Vec<Vec<Write>> {
    unfinished(snapshot, node)
        .map(|pod| give_up(snapshot, pod, now))
        .collect()
}

/// The pods that may still run there.
pub(super) fn unfinished<'a>(snapshot: &'a Snapshot, node: &'a str) -> impl Iterator<Item = &'a Arc<Pod>> {
    snapshot.pods_on(node).filter(|pod| !pod::is_finished(pod))
}

/// The pod fails, its Job counts it, and if it was being deleted it goes: nobody is left to confirm its end.
fn give_up(snapshot: &Snapshot, pod: &Arc<Pod>, now: Time) -> Vec<Write> {
    let message = format!("node {} is not heard any more", pod::spec(pod).node_name);
    let failed = failed_by_disruption(pod, NODE_LOST, &message, DISRUPTION_REASON, now);
    pod_status::transition(snapshot, pod, failed, now)
}

fn not_ready(pod: &Arc<Pod>, now: Time) -> Option<Write> {
    if !pod::is_ready(pod) {
        return None;
    }
    let mut changed = pod.as_ref().clone();
    set_condition(
        &mut changed,
        "Ready",
        "False",
        ("NodeNotReady", "its node is not heard any more"),
        now,
    );
    Some(Write::replace(&Object::from(pod.clone()), changed))
}

/// The pod as failed by something outside of it, which Jobs can tell from a failure of its own.
pub(in crate::controllers) fn failed_by_disruption(
    pod: &Pod,
    reason: &str,
    message: &str,
    disruption_reason: &str,
    now: Time,
) -> Pod {
    let mut failed = pod.clone();
    let status = failed.status.get_or_insert_default();
    status.phase = pod::phase::FAILED.into();
    status.reason = reason.into();
    status.message = message.into();
    for container in &mut status.container_statuses {
        container.ready = false;
    }
    set_condition(
        &mut failed,
        "DisruptionTarget",
        "True",
        (disruption_reason, message),
        now,
    );
    for condition_type in ["ContainersReady", "Ready"] {
        if pod::condition(pod, condition_type).is_some_and(|condition| condition.status == "True") {
            set_condition(&mut failed, condition_type, "False", ("PodFailed", message), now);
        }
    }
    failed
}

fn set_condition(
    pod: &mut Pod,
    condition_type: &str,
    status: &str,
    (reason, message): (&str, &str),
    now: Time,
) {
    let condition = PodCondition {
        r#type: condition_type.into(),
        status: status.into(),
        reason: reason.into(),
        message: message.into(),
        last_transition_time: Some(now),
        ..PodCondition::default()
    };
    pod::set_condition(pod.status.get_or_insert_default(), condition);
}
