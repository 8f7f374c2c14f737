//! The status of a ReplicaSet, counted from the pods it has once the plan is carried out.

use std::sync::Arc;

use bosun_proto::Resource;
use bosun_proto::apps_v1::{ReplicaSet, ReplicaSetStatus};
use bosun_proto::core_v1::Pod;
use bosun_proto::scalars::Time;

use crate::kinds::{pod, replica_set};
use crate::plan::Plan;

/// The pods of a ReplicaSet once the plan is carried out.
pub(super) struct Census<'a> {
    /// Present pods that stay: not finished, not being deleted.
    pub(super) active: Vec<&'a Arc<Pod>>,
    /// Pods the plan creates.
    pub(super) created: usize,
    /// Pods that are being deleted and have not finished.
    pub(super) terminating: usize,
}

/// The new status. Asks the plan to look again when the next pod has been ready for long enough.
pub(super) fn of(set: &ReplicaSet, census: &Census<'_>, now: Time, plan: &mut Plan) -> ReplicaSetStatus {
    let spec = replica_set::spec(set);
    let template_labels = spec
        .template
        .as_ref()
        .and_then(|template| template.metadata.as_ref());
    let is_fully_labelled = |pod: &Pod| {
        let labels = &pod.metadata().labels;
        template_labels.is_none_or(|template| {
            template
                .labels
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
        })
    };
    let (mut labelled, mut ready, mut available) = (census.created, 0, 0);
    for pod in &census.active {
        labelled += usize::from(is_fully_labelled(pod));
        let Some(since) = ready_since(pod) else { continue };
        ready += 1;
        let available_at = since.plus_seconds(i64::from(spec.min_ready_seconds));
        if available_at <= now {
            available += 1;
        } else {
            plan.look_again_at(available_at);
        }
    }
    ReplicaSetStatus {
        replicas: count(census.active.len() + census.created),
        fully_labeled_replicas: count(labelled),
        ready_replicas: ready,
        available_replicas: available,
        terminating_replicas: Some(count(census.terminating)),
        observed_generation: set.metadata().generation,
        conditions: replica_set::status(set).conditions.clone(),
    }
}

/// Since when the pod has been ready; with an unknown beginning it counts as ready for ever.
fn ready_since(pod: &Pod) -> Option<Time> {
    let ready = pod::condition(pod, "Ready").filter(|ready| ready.status == "True")?;
    Some(ready.last_transition_time.unwrap_or_default())
}

fn count(pods: usize) -> i32 {
    i32::try_from(pods).unwrap_or(i32::MAX)
}
