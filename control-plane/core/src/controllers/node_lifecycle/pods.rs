//! The pods of a node that does not answer: which are given up when.

use std::sync::Arc;

use bosun_proto::core_v1::{Pod, PodCondition};
use bosun_proto::scalars::Time;
use bosun_proto::{Kind, Object, Resource};

use crate::admission::pod_status;
use crate::kinds::{self, pod};
use crate::state::{Snapshot, Write};

/// The annotation by which a pod chooses what its agent does with it when it is cut off: `stop` or `keep`.
pub const ON_NODE_LOSS_ANNOTATION: &str = "bosun.dev/on-node-loss";
/// The status reason of a pod that was given up with its node.
pub const NODE_LOST: &str = "NodeLost";
/// Why the pod is disturbed. Source: Kubernetes' taint eviction.
const DISRUPTION_REASON: &str = "DeletionByTaintManager";

/// What an agent does with a pod when it is cut off from the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnNodeLoss {
    /// It stops it before its lease ends. So no two copies ever run; it is replaced late.
    Stop,
    /// It lets it run. So it stays available, is replaced at once, and two copies may run for a while.
    Keep,
}

/// What the pod's annotation says; without one (or with another word) a ReplicaSet's pod is kept and every other is stopped.
pub fn on_node_loss(pod: &Pod) -> OnNodeLoss {
    let metadata = pod.metadata();
    match metadata
        .annotations
        .get(ON_NODE_LOSS_ANNOTATION)
        .map(String::as_str)
    {
        Some("stop") => OnNodeLoss::Stop,
        Some("keep") => OnNodeLoss::Keep,
        _ if kinds::controller_of(metadata)
            .is_some_and(|owner| owner.kind == Kind::ReplicaSet.info().kind) =>
        {
            OnNodeLoss::Keep
        }
        _ => OnNodeLoss::Stop,
    }
}

/// When its node falls silent: kept pods are given up, the others are not ready any more. One element per pod.
pub(super) fn of_silent_node(snapshot: &Snapshot, node: &str, now: Time) -> Vec<Vec<Write>> {
    unfinished(snapshot, node)
        .map(|pod| match on_node_loss(pod) {
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

fn unfinished<'a>(snapshot: &'a Snapshot, node: &'a str) -> impl Iterator<Item = &'a Arc<Pod>> {
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
    set_condition(
        &mut failed,
        "DisruptionTarget",
        "True",
        (disruption_reason, message),
        now,
    );
    if pod::is_ready(pod) {
        set_condition(&mut failed, "Ready", "False", ("PodFailed", message), now);
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
