//! What is written about a pod: its node, or why it has none.

use std::collections::BTreeMap;

use bosun_proto::core_v1::{Pod, PodCondition};
use bosun_proto::scalars::Time;
use bosun_proto::{Object, Resource};

use super::filters::Reason;
use crate::kinds::pod;
use crate::plan::Plan;
use crate::state::{Snapshot, Write};

/// More reasons than these are only counted: a message is read by people.
const REASONS_MAX: usize = 20;

/// Gives the pod its node.
pub(super) fn bind(snapshot: &Snapshot, pod: &Pod, node: &str) -> Plan {
    let key = pod.key();
    let metadata = pod.metadata();
    let mut plan = Plan::default();
    let message = format!(
        "Successfully assigned {}/{} to {node}",
        metadata.namespace, metadata.name
    );
    plan.note(&key, &metadata.uid, "Scheduled", message);
    let expected_version = snapshot.version_of(&key);
    plan.writes.push(Write::Bind {
        pod: key,
        expected_version,
        node: node.to_owned(),
    });
    plan
}

/// Says why no node does, once: the condition and the note are written when the message is another than before.
pub(super) fn unschedulable(pod: &std::sync::Arc<Pod>, message: &str, now: Time) -> Plan {
    let mut plan = Plan::default();
    let is_said = pod::condition(pod, "PodScheduled").is_some_and(|said| {
        said.status == "False" && said.reason == "Unschedulable" && said.message == message
    });
    if is_said {
        return plan;
    }
    let mut told = pod.as_ref().clone();
    let condition = PodCondition {
        r#type: "PodScheduled".into(),
        status: "False".into(),
        reason: "Unschedulable".into(),
        message: message.to_owned(),
        last_transition_time: Some(now),
        ..PodCondition::default()
    };
    pod::set_condition(told.status.get_or_insert_default(), condition);
    plan.writes.push(Write::replace(&Object::from(pod.clone()), told));
    plan.warn(&pod.key(), &pod.metadata().uid, "FailedScheduling", message);
    plan
}

/// How many nodes there are and how many each reason rules out, in Kubernetes' words.
pub(super) fn message(nodes: usize, reasons: &BTreeMap<Reason, usize>) -> String {
    if nodes == 0 {
        return "no nodes available to schedule pods".into();
    }
    let mut counted: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    counted.sort();
    let unnamed = counted.len().saturating_sub(REASONS_MAX);
    if unnamed > 0 {
        counted.truncate(REASONS_MAX);
        counted.push(format!("and {unnamed} more reasons"));
    }
    format!("0/{nodes} nodes are available: {}.", counted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_counts_the_nodes_of_each_reason_and_stays_readable() {
        let reasons = |reasons: &[(&'static str, usize)]| {
            reasons
                .iter()
                .map(|(reason, count)| (Reason::Borrowed(*reason), *count))
                .collect()
        };
        let two = reasons(&[
            ("node(s) had untolerated taint {k: v}", 2),
            ("Insufficient cpu", 1),
        ]);
        let expected = "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {k: v}.";
        assert_eq!(message(3, &two), expected);
        assert_eq!(message(0, &reasons(&[])), "no nodes available to schedule pods");
        let many = (0..25)
            .map(|number| (Reason::Owned(format!("Insufficient r{number:02}")), 1))
            .collect();
        let said = message(25, &many);
        assert!(
            said.ends_with("1 Insufficient r19, and 5 more reasons."),
            "{said}"
        );
    }
}
