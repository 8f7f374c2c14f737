//! Nodes: defaults, checks, columns.

use std::sync::LazyLock;

use bosun_proto::core_v1::{Node, NodeCondition, NodeSpec, NodeStatus};
use bosun_proto::scalars::Time;

use super::{Column, Rules};

static NO_SPEC: LazyLock<NodeSpec> = LazyLock::new(NodeSpec::default);
static NO_STATUS: LazyLock<NodeStatus> = LazyLock::new(NodeStatus::default);

impl Rules for Node {
    const COLUMNS: &'static [Column] = &[];

    fn cells(&self, _now: Time) -> Vec<String> {
        Vec::new()
    }
}

/// The spec; an empty one when there is none.
pub fn spec(node: &Node) -> &NodeSpec {
    node.spec.as_ref().unwrap_or(&NO_SPEC)
}

/// The status; an empty one when there is none.
pub fn status(node: &Node) -> &NodeStatus {
    node.status.as_ref().unwrap_or(&NO_STATUS)
}

/// A condition by type.
pub fn condition<'a>(node: &'a Node, condition_type: &str) -> Option<&'a NodeCondition> {
    status(node).conditions.iter().find(|condition| condition.r#type == condition_type)
}

/// True while the condition Ready holds.
pub fn is_ready(node: &Node) -> bool {
    condition(node, "Ready").is_some_and(|ready| ready.status == "True")
}

/// True for a node that new pods may be given to: ready, not cordoned, not being removed.
pub fn takes_pods(node: &Node) -> bool {
    let ends = node.metadata.as_ref().is_some_and(|metadata| metadata.deletion_timestamp.is_some());
    !ends && !spec(node).unschedulable && is_ready(node)
}
