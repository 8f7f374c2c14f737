//! Nodes: defaults, checks, columns.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use bosun_proto::Resource;
use bosun_proto::core_v1::{Node, NodeCondition, NodeSpec, NodeStatus, Taint};
use bosun_proto::scalars::Time;

use super::check::Check;
use super::pod::validation::TAINT_EFFECTS;
use super::{Column, Rules, age, names, or_none};
use crate::refusal::FieldError;

static NO_SPEC: LazyLock<NodeSpec> = LazyLock::new(NodeSpec::default);
static NO_STATUS: LazyLock<NodeStatus> = LazyLock::new(NodeStatus::default);

/// The labels that say which part a node plays: what follows is the role.
const ROLE_LABEL: &str = "node-role.kubernetes.io/";

impl Rules for Node {
    fn fill_defaults(&mut self) {
        self.spec.get_or_insert_default();
        let status = self.status.get_or_insert_default();
        if status.allocatable.is_empty() {
            status.allocatable.clone_from(&status.capacity);
        }
    }

    fn validate(&self) -> Vec<FieldError> {
        Check::collect(|check| {
            check.at("spec", |check| check_taints(check, &spec(self).taints));
            check.at("status", |check| check_amounts(check, status(self)));
        })
    }

    fn validate_status_update(&self, _old: &Self) -> Vec<FieldError> {
        Check::collect(|check| check.at("status", |check| check_amounts(check, status(self))))
    }

    fn warnings(&self) -> Vec<String> {
        // Those of a lost node are the node controller's own, which does act on them.
        let is_without_effect =
            |taint: &Taint| taint.effect == "NoExecute" && !taint.key.starts_with("node.kubernetes.io/");
        let taints = spec(self).taints.iter().enumerate();
        taints
            .filter(|(_, taint)| is_without_effect(taint))
            .map(|(index, _)| {
                format!("spec.taints[{index}].effect: NoExecute keeps new pods away, but running pods are not evicted yet")
            })
            .collect()
    }

    const SELECTABLE_FIELDS: &'static [&'static str] = &["spec.unschedulable"];

    fn selectable_field(&self, _path: &str) -> String {
        spec(self).unschedulable.to_string()
    }

    const COLUMNS: &'static [Column] = &[
        Column::new("Status"),
        Column::new("Roles"),
        Column::new("Age"),
        Column::new("Version"),
        Column::wide("Internal-IP"),
        Column::wide("External-IP"),
        Column::wide("OS-Image"),
        Column::wide("Kernel-Version"),
        Column::wide("Container-Runtime"),
    ];

    fn cells(&self, now: Time) -> Vec<String> {
        let status = status(self);
        let info = status.node_info.clone().unwrap_or_default();
        let address = |of: &str| {
            let found = status.addresses.iter().find(|address| address.r#type == of);
            or_none(found.map_or("", |address| &address.address))
        };
        let or_unknown = |text: String| if text.is_empty() { "<unknown>".into() } else { text };
        vec![
            word(self),
            roles(self),
            age::since(self.metadata().creation_timestamp, now),
            info.kubelet_version,
            address("InternalIP"),
            address("ExternalIP"),
            or_unknown(info.os_image),
            or_unknown(info.kernel_version),
            or_unknown(info.container_runtime_version),
        ]
    }
}

fn word(node: &Node) -> String {
    let ready = match condition(node, "Ready").map(|ready| ready.status.as_str()) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    let cordoned = if spec(node).unschedulable {
        ",SchedulingDisabled"
    } else {
        ""
    };
    format!("{ready}{cordoned}")
}

fn roles(node: &Node) -> String {
    let labels = node.metadata().labels.keys();
    let roles: Vec<&str> = labels
        .filter_map(|label| label.strip_prefix(ROLE_LABEL))
        .filter(|role| !role.is_empty())
        .collect();
    or_none(&roles.join(","))
}

/// Source of the rules: Kubernetes' node validation.
fn check_taints(check: &mut Check, taints: &[Taint]) {
    let mut taken = BTreeSet::new();
    check.each("taints", taints, |check, taint| {
        check.text("key", names::qualified_name(&taint.key));
        check.text("value", names::label_value(&taint.value));
        check.one_of("effect", &taint.effect, &TAINT_EFFECTS);
        if !taken.insert((taint.key.clone(), taint.effect.clone())) {
            check.duplicate(
                "key",
                format!(
                    "the node has a taint {} with effect {} already",
                    taint.key, taint.effect
                ),
            );
        }
    });
}

fn check_amounts(check: &mut Check, status: &NodeStatus) {
    for (field, amounts) in [
        ("capacity", &status.capacity),
        ("allocatable", &status.allocatable),
    ] {
        for (name, amount) in amounts {
            check.amount(&format!("{field}[{name}]"), amount);
        }
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
    status(node)
        .conditions
        .iter()
        .find(|condition| condition.r#type == condition_type)
}

/// True while the condition Ready holds.
pub fn is_ready(node: &Node) -> bool {
    condition(node, "Ready").is_some_and(|ready| ready.status == "True")
}

/// True for a node that new pods may be given to: ready, not cordoned, not being removed.
pub fn takes_pods(node: &Node) -> bool {
    let ends = node
        .metadata
        .as_ref()
        .is_some_and(|metadata| metadata.deletion_timestamp.is_some());
    !ends && !spec(node).unschedulable && is_ready(node)
}
