//! Pods: what they are and how to ask about them. What is filled in, checked, warned of and printed is in the files beside.

mod changes;
mod columns;
pub(super) mod defaults;
pub(super) mod validation;

use std::sync::LazyLock;

use bosun_proto::core_v1::{
    ContainerStatus, Pod, PodCondition, PodSpec, PodStatus, PodTemplateSpec, ResourceRequirements,
};
use bosun_proto::meta_v1::{ObjectMeta, OwnerReference};
use bosun_proto::scalars::Time;

use super::check::Check;
use super::{Column, Rules, unenforced};
use crate::refusal::FieldError;

/// Seconds between the request to stop and the kill, when the spec does not say. Source: Kubernetes' pod defaults.
pub const DEFAULT_GRACE_SECONDS: i64 = 30;

/// The phases of a pod; they only go forward.
pub mod phase {
    /// Not all containers have been started once.
    pub const PENDING: &str = "Pending";
    /// At least one container runs, or will be restarted.
    pub const RUNNING: &str = "Running";
    /// All containers ended well and stay ended.
    pub const SUCCEEDED: &str = "Succeeded";
    /// All containers ended, at least one badly, and stay ended.
    pub const FAILED: &str = "Failed";
}

static NO_SPEC: LazyLock<PodSpec> = LazyLock::new(PodSpec::default);
static NO_STATUS: LazyLock<PodStatus> = LazyLock::new(PodStatus::default);

impl Rules for Pod {
    fn fill_defaults(&mut self) {
        defaults::fill_pod(self.spec.get_or_insert_default());
    }

    fn prepare_create(&mut self, now: Time) {
        initialise_status(self);
        if !spec(self).scheduling_gates.is_empty() {
            let gated = PodCondition {
                r#type: "PodScheduled".into(),
                status: "False".into(),
                reason: "SchedulingGated".into(),
                message: "waits until all of spec.schedulingGates are taken away".into(),
                last_transition_time: Some(now),
                ..PodCondition::default()
            };
            set_condition(self.status.get_or_insert_default(), gated);
        }
    }

    fn validate(&self) -> Vec<FieldError> {
        Check::collect(|check| check.at("spec", |check| validation::check_spec(check, spec(self))))
    }

    fn validate_update(&self, old: &Self) -> Vec<FieldError> {
        Check::collect(|check| changes::check_update(check, old, self))
    }

    fn validate_status_update(&self, old: &Self) -> Vec<FieldError> {
        Check::collect(|check| changes::check_status_update(check, old, self))
    }

    fn warnings(&self) -> Vec<String> {
        unenforced::of_pod(spec(self), "spec")
    }

    const SELECTABLE_FIELDS: &'static [&'static str] = &[
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ];

    fn selectable_field(&self, path: &str) -> String {
        let (spec, status) = (spec(self), status(self));
        match path {
            "spec.nodeName" => spec.node_name.clone(),
            "spec.restartPolicy" => spec.restart_policy.clone(),
            "spec.schedulerName" => spec.scheduler_name.clone(),
            "spec.serviceAccountName" => spec.service_account_name.clone(),
            "spec.hostNetwork" => spec.host_network.to_string(),
            "status.phase" => status.phase.clone(),
            "status.podIP" => status.pod_ip.clone(),
            "status.nominatedNodeName" => status.nominated_node_name.clone(),
            _ => String::new(),
        }
    }

    const COLUMNS: &'static [Column] = columns::COLUMNS;

    fn cells(&self, now: Time) -> Vec<String> {
        columns::cells(self, now)
    }
}

/// The spec; an empty one when there is none.
pub fn spec(pod: &Pod) -> &PodSpec {
    pod.spec.as_ref().unwrap_or(&NO_SPEC)
}

/// The status; an empty one when there is none.
pub fn status(pod: &Pod) -> &PodStatus {
    pod.status.as_ref().unwrap_or(&NO_STATUS)
}

/// True in a final phase.
pub fn is_finished(pod: &Pod) -> bool {
    let phase = status(pod).phase.as_str();
    phase == phase::SUCCEEDED || phase == phase::FAILED
}

/// True while the condition Ready holds.
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready.status == "True")
}

/// True for a pod that neither has finished nor is being deleted: what owners count.
pub fn is_active(pod: &Pod) -> bool {
    !is_finished(pod) && !is_ending(pod)
}

/// True once the pod's deletion was asked for.
pub fn is_ending(pod: &Pod) -> bool {
    pod.metadata
        .as_ref()
        .is_some_and(|metadata| metadata.deletion_timestamp.is_some())
}

/// A condition by type.
pub fn condition<'a>(pod: &'a Pod, condition_type: &str) -> Option<&'a PodCondition> {
    status(pod)
        .conditions
        .iter()
        .find(|condition| condition.r#type == condition_type)
}

/// Whether something outside of the pod ended it, such as the loss of its node. It says nothing about the pod itself.
pub fn is_disrupted(pod: &Pod) -> bool {
    condition(pod, "DisruptionTarget").is_some_and(|condition| condition.status == "True")
}

/// Puts a condition in the place of the one of its type. While the condition's status stays the same, so does its
/// lastTransitionTime.
pub fn set_condition(status: &mut PodStatus, mut condition: PodCondition) {
    let present = status
        .conditions
        .iter_mut()
        .find(|present| present.r#type == condition.r#type);
    let Some(present) = present else {
        return status.conditions.push(condition);
    };
    if present.status == condition.status && present.last_transition_time.is_some() {
        condition.last_transition_time = present.last_transition_time;
    }
    *present = condition;
}

/// A pod as a controller makes it: defaults filled in, phase Pending. Name, uid and time of creation come later, with
/// [`crate::stamp::Stamp`], unless the caller sets them.
pub fn from_template(
    template: &PodTemplateSpec,
    owner: OwnerReference,
    generate_name: &str,
    namespace: &str,
) -> Pod {
    let of_template = template.metadata.clone().unwrap_or_default();
    let metadata = ObjectMeta {
        generate_name: generate_name.into(),
        namespace: namespace.into(),
        labels: of_template.labels,
        annotations: of_template.annotations,
        finalizers: of_template.finalizers,
        owner_references: vec![owner],
        ..ObjectMeta::default()
    };
    let mut pod = Pod {
        metadata: Some(metadata),
        spec: template.spec.clone(),
        status: None,
    };
    pod.fill_defaults();
    initialise_status(&mut pod);
    pod
}

fn initialise_status(pod: &mut Pod) {
    let qos_class = qos_class(spec(pod)).into();
    pod.status = Some(PodStatus {
        phase: phase::PENDING.into(),
        qos_class,
        ..PodStatus::default()
    });
}

/// When the pod ended, as far as its status tells: the latest end of a container; else when it stopped being ready; else when
/// its deletion began; else when it was made. Source: Kubernetes' Job back-off.
pub fn finished_at(pod: &Pod) -> Option<Time> {
    let metadata = pod.metadata.as_ref();
    last_container_end(status(pod))
        .or_else(|| {
            let ready = condition(pod, "Ready").filter(|ready| ready.status == "False")?;
            ready.last_transition_time
        })
        .or_else(|| {
            let grace = metadata?.deletion_grace_period_seconds.unwrap_or(0);
            Some(metadata?.deletion_timestamp?.plus_seconds(-grace))
        })
        .or_else(|| metadata?.creation_timestamp)
}

fn last_container_end(status: &PodStatus) -> Option<Time> {
    let end = |container: &ContainerStatus| container.state.as_ref()?.terminated.as_ref()?.finished_at;
    status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .filter_map(end)
        .max()
}

/// Guaranteed: every container has limits for cpu and memory and asks for as much. BestEffort: none asks for either or limits
/// either. Burstable: the rest. Source: Kubernetes' quality-of-service classes.
pub fn qos_class(spec: &PodSpec) -> &'static str {
    const RESOURCES: [&str; 2] = ["cpu", "memory"];
    let nothing = ResourceRequirements::default();
    let mut containers = spec.containers.iter().chain(&spec.init_containers);
    let mut all = containers
        .clone()
        .map(|container| container.resources.as_ref().unwrap_or(&nothing));
    let names_any = |resources: &ResourceRequirements| {
        RESOURCES
            .iter()
            .any(|name| resources.requests.contains_key(*name) || resources.limits.contains_key(*name))
    };
    if !all.clone().any(names_any) {
        return "BestEffort";
    }
    let is_full = |resources: &ResourceRequirements| {
        RESOURCES.iter().all(|name| {
            let limit = resources.limits.get(*name);
            limit.is_some() && resources.requests.get(*name).or(limit) == limit
        })
    };
    if containers.next().is_some() && all.all(is_full) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

#[cfg(test)]
mod pod_tests;
