//! Which pods go first when there are too many. Source: Kubernetes' ranking, in its order: what is lost least.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use bosun_proto::Resource;
use bosun_proto::core_v1::Pod;
use bosun_proto::scalars::Time;

use crate::kinds::pod;

/// The annotation by which a user says what losing a pod costs; pods that cost less go first.
const DELETION_COST_ANNOTATION: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Sorts pods so that those to be deleted first come first.
pub(super) fn sort(pods: &mut [&Arc<Pod>], now: Time) {
    let mut on_node: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in pods.iter() {
        *on_node.entry(&pod::spec(pod).node_name).or_default() += 1;
    }
    pods.sort_by_cached_key(|pod| {
        let spec = pod::spec(pod);
        let neighbours = on_node.get(spec.node_name.as_str()).copied().unwrap_or(0);
        let worth = (
            !spec.node_name.is_empty(),
            phase_rank(pod),
            pod::is_ready(pod),
            deletion_cost(pod),
        );
        let metadata = pod.metadata();
        let ages = (
            magnitude(ready_since(pod), now),
            Reverse(restarts(pod)),
            magnitude(metadata.creation_timestamp, now),
        );
        (worth, Reverse(neighbours), ages, metadata.uid.clone())
    });
}

fn phase_rank(pod: &Pod) -> u8 {
    match pod::status(pod).phase.as_str() {
        pod::phase::RUNNING => 2,
        "Unknown" => 1,
        _ => 0,
    }
}

/// What cannot be read costs nothing special.
fn deletion_cost(pod: &Pod) -> i32 {
    pod.metadata()
        .annotations
        .get(DELETION_COST_ANNOTATION)
        .and_then(|cost| cost.parse().ok())
        .unwrap_or(0)
}

fn ready_since(pod: &Pod) -> Option<Time> {
    pod::condition(pod, "Ready")
        .filter(|ready| ready.status == "True")?
        .last_transition_time
}

/// Ages count by their order of magnitude only, so that which of two old pods goes is left to chance.
fn magnitude(since: Option<Time>, now: Time) -> u32 {
    let seconds = since.map_or(0, |since| now.millis_since(since).max(0) / 1_000);
    seconds.checked_ilog2().map_or(0, |log| log + 1)
}

fn restarts(pod: &Pod) -> i32 {
    pod::status(pod)
        .container_statuses
        .iter()
        .map(|container| container.restart_count)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use bosun_proto::core_v1::{ContainerStatus, PodCondition, PodSpec, PodStatus};
    use bosun_proto::meta_v1::ObjectMeta;

    use super::*;

    const NOW: Time = Time::from_seconds(100_000);

    /// A pod that is worth keeping in every respect.
    fn kept(name: &str) -> Pod {
        let ready = PodCondition {
            r#type: "Ready".into(),
            status: "True".into(),
            last_transition_time: Some(Time::from_seconds(10)),
            ..PodCondition::default()
        };
        Pod {
            metadata: Some(ObjectMeta {
                name: name.into(),
                uid: name.into(),
                creation_timestamp: Some(Time::from_seconds(10)),
                ..ObjectMeta::default()
            }),
            spec: Some(PodSpec {
                node_name: format!("node-of-{name}"),
                ..PodSpec::default()
            }),
            status: Some(PodStatus {
                phase: "Running".into(),
                conditions: vec![ready],
                container_statuses: vec![ContainerStatus::default()],
                ..PodStatus::default()
            }),
        }
    }

    fn changed(name: &str, change: impl FnOnce(&mut ObjectMeta, &mut PodSpec, &mut PodStatus)) -> Arc<Pod> {
        let mut pod = kept(name);
        let Pod {
            metadata: Some(metadata),
            spec: Some(spec),
            status: Some(status),
        } = &mut pod
        else {
            unreachable!("kept() fills all three")
        };
        change(metadata, spec, status);
        Arc::new(pod)
    }

    fn cost(metadata: &mut ObjectMeta, cost: &str) {
        metadata
            .annotations
            .insert(DELETION_COST_ANNOTATION.into(), cost.into());
    }

    #[test]
    fn the_pod_that_is_lost_least_goes_first() {
        let crowded = |name| changed(name, |_, spec, _| spec.node_name = "crowded".into());
        let in_order = [
            changed("unassigned", |_, spec, _| spec.node_name.clear()),
            changed("pending", |_, _, status| status.phase = "Pending".into()),
            changed("unknown", |_, _, status| status.phase = "Unknown".into()),
            changed("not-ready", |_, _, status| {
                status.conditions[0].status = "False".into();
            }),
            changed("cheap", |metadata, _, _| cost(metadata, "-5")),
            crowded("crowded-a"),
            crowded("crowded-b"),
            changed("ready-for-short", |_, _, status| {
                status.conditions[0].last_transition_time = Some(Time::from_seconds(99_990));
            }),
            changed("restarted", |_, _, status| {
                status.container_statuses[0].restart_count = 3;
            }),
            changed("new", |metadata, _, _| {
                metadata.creation_timestamp = Some(Time::from_seconds(99_000));
            }),
            changed("a-plain", |metadata, _, _| cost(metadata, "not a number")),
            changed("b-plain", |metadata, _, _| {
                metadata.creation_timestamp = Some(Time::from_seconds(20));
            }),
            changed("dear", |metadata, _, _| cost(metadata, "5")),
        ];
        let expected: Vec<&str> = in_order.iter().map(|pod| pod.metadata().name.as_str()).collect();
        let mut pods: Vec<&Arc<Pod>> = in_order.iter().rev().collect();
        sort(&mut pods, NOW);
        let sorted: Vec<&str> = pods.iter().map(|pod| pod.metadata().name.as_str()).collect();
        assert_eq!(sorted, expected);
    }
}
