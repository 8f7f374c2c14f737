//! The conditions of a node, as far as they follow from whether its agent is heard.

use bosun_proto::core_v1::{Node, NodeCondition};
use bosun_proto::scalars::Time;

use crate::kinds::node;

/// What only the agent can know. Source: Kubernetes' node conditions.
const KNOWN_BY_THE_AGENT: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// The agent is heard: Ready, and nothing unknown any more.
pub(super) fn set_ready(node: &mut Node, now: Time) {
    for condition_type in KNOWN_BY_THE_AGENT {
        if condition_type == "Ready" {
            set(
                node,
                condition_type,
                "True",
                ("AgentConnected", "the node's agent is connected"),
                now,
            );
        } else if node::condition(node, condition_type).is_some_and(|condition| condition.status == "Unknown")
        {
            set(
                node,
                condition_type,
                "False",
                ("AgentConnected", "the node's agent is connected"),
                now,
            );
        }
    }
}

/// The agent is not heard: what only it can know is unknown.
pub(super) fn set_silent(node: &mut Node, now: Time) {
    for condition_type in KNOWN_BY_THE_AGENT {
        if condition_type == "Ready" || node::condition(node, condition_type).is_some() {
            set(
                node,
                condition_type,
                "Unknown",
                ("NodeStatusUnknown", "the node's agent is not heard any more"),
                now,
            );
        }
    }
}

fn set(node: &mut Node, condition_type: &str, status: &str, (reason, message): (&str, &str), now: Time) {
    let conditions = &mut node.status.get_or_insert_default().conditions;
    let present = conditions
        .iter_mut()
        .find(|present| present.r#type == condition_type);
    if present.as_ref().is_some_and(|present| present.status == status) {
        return;
    }
    let condition = NodeCondition {
        r#type: condition_type.into(),
        status: status.into(),
        reason: reason.into(),
        message: message.into(),
        last_heartbeat_time: Some(now),
        last_transition_time: Some(now),
    };
    match present {
        Some(present) => *present = condition,
        None => conditions.push(condition),
    }
}
