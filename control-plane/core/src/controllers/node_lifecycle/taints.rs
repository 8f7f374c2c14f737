//! The taints that follow from a node's conditions and spec. Source: Kubernetes' taints by condition.

use bosun_proto::core_v1::{Node, Taint};
use bosun_proto::scalars::Time;

use crate::kinds::node;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// The conditions that, when true, keep new pods away.
const BY_CONDITION: [(&str, &str); 4] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
];

/// Adds and removes these taints, and leaves all others alone.
pub(super) fn follow(node: &mut Node, now: Time) {
    let wanted = wanted(node);
    let taints = &mut node.spec.get_or_insert_default().taints;
    taints.retain(|taint| !is_ours(taint) || wanted.contains(&(taint.key.as_str(), taint.effect.as_str())));
    for (key, effect) in wanted {
        if !taints
            .iter()
            .any(|taint| taint.key == key && taint.effect == effect)
        {
            let time_added = Some(now);
            taints.push(Taint {
                key: key.into(),
                value: String::new(),
                effect: effect.into(),
                time_added,
            });
        }
    }
}

fn wanted(node: &Node) -> Vec<(&'static str, &'static str)> {
    let is =
        |condition_type, status| node::condition(node, condition_type).is_some_and(|it| it.status == status);
    let mut wanted = Vec::new();
    // A node that has said nothing yet takes no pods either, without a taint.
    for (status, key) in [("False", NOT_READY), ("Unknown", UNREACHABLE)] {
        if is("Ready", status) {
            wanted.extend([(key, "NoSchedule"), (key, "NoExecute")]);
        }
    }
    wanted.extend(
        BY_CONDITION
            .iter()
            .filter(|(it, _)| is(it, "True"))
            .map(|(_, key)| (*key, "NoSchedule")),
    );
    if node::spec(node).unschedulable {
        wanted.push((UNSCHEDULABLE, "NoSchedule"));
    }
    wanted
}

fn is_ours(taint: &Taint) -> bool {
    let key = taint.key.as_str();
    [NOT_READY, UNREACHABLE, UNSCHEDULABLE].contains(&key)
        || BY_CONDITION.iter().any(|(_, ours)| *ours == key)
}
