//! When the scheduler has to look at something.

use bosun_proto::core_v1::{Node, Pod};
use bosun_proto::{Key, Resource};

use super::NAME;
use crate::kinds::{node, pod};
use crate::state::{Change, Snapshot};

/// Every pod that wants a node: what a new leader starts with.
pub fn keys(snapshot: &Snapshot) -> Vec<Key> {
    snapshot
        .unassigned_pods()
        .filter(|pod| wants_node(pod))
        .map(|pod| pod.key())
        .collect()
}

/// The pod that wants a node since `change`; or the node that may take pods now that it did not take before, as long as any
/// pod waits.
pub fn touched_by(change: &Change, snapshot: &Snapshot) -> Vec<Key> {
    let old = change.old.as_ref();
    let new = change.new.as_ref();
    let (old_pod, new_pod) = (old.and_then(Pod::from_object), new.and_then(Pod::from_object));
    if let Some(pod) = old_pod.or(new_pod) {
        return of_pod(
            old_pod.map(AsRef::as_ref),
            new_pod.map(AsRef::as_ref),
            pod,
            snapshot,
        );
    }
    let (old_node, new_node) = (old.and_then(Node::from_object), new.and_then(Node::from_object));
    let is_node = old_node.is_some() || new_node.is_some();
    if is_node && offers_differ(old_node, new_node) && anything_waits(snapshot) {
        return vec![change.key.clone()];
    }
    Vec::new()
}

/// True for a pod that this scheduler has to find a node for.
pub(super) fn wants_node(pod: &Pod) -> bool {
    let spec = pod::spec(pod);
    let is_ours = spec.scheduler_name.is_empty() || spec.scheduler_name == NAME;
    is_ours && spec.node_name.is_empty() && spec.scheduling_gates.is_empty() && pod::is_active(pod)
}

fn of_pod(old: Option<&Pod>, new: Option<&Pod>, either: &Pod, snapshot: &Snapshot) -> Vec<Key> {
    // A change of the status (such as our own saying why there is no node) is no reason to try again.
    let is_new_demand = old.map(pod::spec) != new.map(pod::spec);
    if new.is_some_and(wants_node) && is_new_demand {
        return vec![either.key()];
    }
    let holds = |pod: &&Pod| !pod::spec(pod).node_name.is_empty() && !pod::is_finished(pod);
    match old.filter(holds) {
        Some(old) if !new.as_ref().is_some_and(holds) && anything_waits(snapshot) => {
            vec![Key::new(bosun_proto::Kind::Node, "", &pod::spec(old).node_name)]
        }
        _ => Vec::new(),
    }
}

fn anything_waits(snapshot: &Snapshot) -> bool {
    snapshot.unassigned_pods().next().is_some()
}

/// True when something changed that a filter looks at, or that the message to waiting pods counts.
fn offers_differ(old: Option<&std::sync::Arc<Node>>, new: Option<&std::sync::Arc<Node>>) -> bool {
    let (Some(old), Some(new)) = (old, new) else {
        return true;
    };
    node::takes_pods(old) != node::takes_pods(new)
        || node::spec(old) != node::spec(new)
        || node::status(old).allocatable != node::status(new).allocatable
        || old.metadata().labels != new.metadata().labels
}
