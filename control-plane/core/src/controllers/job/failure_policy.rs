//! `spec.podFailurePolicy`: what the way a pod failed means for its Job.

use bosun_proto::Resource;
use bosun_proto::batch_v1::{Job, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule};
use bosun_proto::core_v1::{ContainerStatus, Pod};

use crate::kinds::{job, pod};

/// What a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The Job fails.
    FailJob,
    /// The pod's index fails.
    FailIndex,
    /// The pod is replaced and not counted.
    Ignore,
    /// As without a policy.
    Count,
}

/// The first rule that fits a failed pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) action: Action,
    /// For the Job's condition: which pod, why, which rule.
    pub(super) message: String,
}

/// The first rule that fits; `None` when none does, or the pod has not failed. Rules see pods of phase Failed only.
pub(super) fn decide(job: &Job, failed: &Pod) -> Option<Decision> {
    if pod::status(failed).phase != pod::phase::FAILED {
        return None;
    }
    let rules = &job::spec(job).pod_failure_policy.as_ref()?.rules;
    rules.iter().enumerate().find_map(|(place, rule)| {
        let why = reason_to_match(rule, failed)?;
        let metadata = failed.metadata();
        let message = format!(
            "{why} of pod {}/{}: rule {place} of spec.podFailurePolicy says {}",
            metadata.namespace, metadata.name, rule.action
        );
        Some(Decision {
            action: action(&rule.action),
            message,
        })
    })
}

fn action(name: &str) -> Action {
    match name {
        "FailJob" => Action::FailJob,
        "FailIndex" => Action::FailIndex,
        "Ignore" => Action::Ignore,
        _ => Action::Count,
    }
}

fn reason_to_match(rule: &PodFailurePolicyRule, failed: &Pod) -> Option<String> {
    if let Some(requirement) = &rule.on_exit_codes {
        return exit_code_match(requirement, failed);
    }
    rule.on_pod_conditions.iter().find_map(|pattern| {
        let wanted = if pattern.status.is_empty() {
            "True"
        } else {
            &pattern.status
        };
        let found =
            pod::condition(failed, &pattern.r#type).is_some_and(|condition| condition.status == wanted);
        found.then(|| format!("condition {}={wanted}", pattern.r#type))
    })
}

/// Only containers that ended with another code than 0 are looked at.
fn exit_code_match(requirement: &PodFailurePolicyOnExitCodesRequirement, failed: &Pod) -> Option<String> {
    let status = pod::status(failed);
    let containers = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses);
    containers.filter_map(exit_code).find_map(|(name, code)| {
        let named = requirement
            .container_name
            .as_deref()
            .is_none_or(|wanted| wanted == name);
        let listed = requirement.values.contains(&code);
        let fits = if requirement.operator == "NotIn" {
            !listed
        } else {
            listed
        };
        (named && fits).then(|| format!("exit code {code} of container {name}"))
    })
}

fn exit_code(container: &ContainerStatus) -> Option<(&str, i32)> {
    let code = container.state.as_ref()?.terminated.as_ref()?.exit_code;
    (code != 0).then_some((container.name.as_str(), code))
}
