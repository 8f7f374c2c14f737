//! The rules for a Job's podFailurePolicy and successPolicy. Source: Kubernetes' Job validation.

use bosun_proto::batch_v1::{
    JobSpec, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule, SuccessPolicy,
    SuccessPolicyRule,
};

use super::{Indexes, is_indexed, restart_policy};
use crate::kinds::check::Check;
use crate::kinds::names;
use crate::refusal::FieldErrorKind;

/// The most rules of either policy, and the most conditions of one rule.
const RULES_MAX: usize = 20;
/// The most exit codes of one rule.
const EXIT_CODES_MAX: usize = 255;
/// The longest text of succeededIndexes, in bytes.
const INDEXES_BYTES_MAX: usize = 64 << 10;

pub(super) fn check_failure_policy(check: &mut Check, spec: &JobSpec, policy: &PodFailurePolicy) {
    if restart_policy(spec) != "Never" {
        check.invalid(
            "",
            "needs spec.template.spec.restartPolicy Never: it looks at failed pods, not at restarts",
        );
    }
    if policy.rules.len() > RULES_MAX {
        check.error(
            FieldErrorKind::TooMany,
            "rules",
            format!("{} rules: {RULES_MAX} at most", policy.rules.len()),
        );
    }
    check.each("rules", &policy.rules, |check, rule| {
        check_failure_rule(check, spec, rule);
    });
}

fn check_failure_rule(check: &mut Check, spec: &JobSpec, rule: &PodFailurePolicyRule) {
    check.one_of(
        "action",
        &rule.action,
        &["FailJob", "FailIndex", "Ignore", "Count"],
    );
    if rule.action == "FailIndex" && spec.backoff_limit_per_index.is_none() {
        check.invalid("action", "FailIndex needs spec.backoffLimitPerIndex");
    }
    match (&rule.on_exit_codes, rule.on_pod_conditions.is_empty()) {
        (Some(_), false) => check.invalid("", "give either onExitCodes or onPodConditions, not both"),
        (None, true) => check.invalid(
            "",
            "say when the rule applies: give onExitCodes or onPodConditions",
        ),
        _ => {}
    }
    if let Some(codes) = &rule.on_exit_codes {
        check.at("onExitCodes", |check| check_exit_codes(check, spec, codes));
    }
    if rule.on_pod_conditions.len() > RULES_MAX {
        let message = format!("{} conditions: {RULES_MAX} at most", rule.on_pod_conditions.len());
        check.error(FieldErrorKind::TooMany, "onPodConditions", message);
    }
    check.each("onPodConditions", &rule.on_pod_conditions, |check, pattern| {
        check.text("type", names::qualified_name(&pattern.r#type));
        check.one_of_or_absent("status", &pattern.status, &["True", "False", "Unknown"]);
    });
}

fn check_exit_codes(check: &mut Check, spec: &JobSpec, codes: &PodFailurePolicyOnExitCodesRequirement) {
    check.one_of("operator", &codes.operator, &["In", "NotIn"]);
    if let Some(name) = &codes.container_name {
        let template = spec.template.as_ref().and_then(|template| template.spec.as_ref());
        let has = |template: &bosun_proto::core_v1::PodSpec| {
            template
                .containers
                .iter()
                .chain(&template.init_containers)
                .any(|container| container.name == *name)
        };
        if !template.is_some_and(has) {
            check.invalid(
                "containerName",
                format!("the template has no container {}", names::quoted(name)),
            );
        }
    }
    if codes.values.is_empty() {
        check.required("values", "give at least one exit code");
    } else if codes.values.len() > EXIT_CODES_MAX {
        check.error(
            FieldErrorKind::TooMany,
            "values",
            format!("{} exit codes: {EXIT_CODES_MAX} at most", codes.values.len()),
        );
    }
    check.each("values", &codes.values, |check, code| {
        if *code == 0 && codes.operator == "In" {
            check.invalid("", "0 is success, which is no failure: leave it out");
        }
    });
    if !codes.values.is_sorted() {
        check.invalid("values", "must be in ascending order");
    }
    if codes.values.windows(2).any(|pair| pair[0] == pair[1]) {
        check.duplicate("values", "give each exit code once");
    }
}

pub(super) fn check_success_policy(check: &mut Check, spec: &JobSpec, policy: &SuccessPolicy) {
    if !is_indexed(spec) {
        check.invalid("", "needs completionMode Indexed");
    }
    if policy.rules.is_empty() {
        check.required("rules", "give at least one rule");
    } else if policy.rules.len() > RULES_MAX {
        check.error(
            FieldErrorKind::TooMany,
            "rules",
            format!("{} rules: {RULES_MAX} at most", policy.rules.len()),
        );
    }
    let completions = spec.completions.unwrap_or(0);
    check.each("rules", &policy.rules, |check, rule| {
        check_success_rule(check, completions, rule);
    });
}

fn check_success_rule(check: &mut Check, completions: i32, rule: &SuccessPolicyRule) {
    if rule.succeeded_count.is_none() && rule.succeeded_indexes.is_none() {
        check.required("", "give at least one of succeededCount, succeededIndexes");
    }
    let mut most = completions;
    if let Some(text) = &rule.succeeded_indexes {
        if text.len() > INDEXES_BYTES_MAX {
            let message = format!("has {} bytes: {INDEXES_BYTES_MAX} at most", text.len());
            return check.error(FieldErrorKind::TooLong, "succeededIndexes", message);
        }
        match Indexes::parse(text) {
            Err(malformed) => check.invalid("succeededIndexes", malformed.to_string()),
            Ok(indexes) => {
                if let Some(last) = indexes.last().filter(|last| *last >= completions) {
                    check.invalid(
                        "succeededIndexes",
                        format!("there is no index {last}: the highest is {}", completions - 1),
                    );
                }
                most = i32::try_from(indexes.len()).unwrap_or(i32::MAX);
            }
        }
    }
    if let Some(count) = rule.succeeded_count {
        check.at_least("succeededCount", count, 1);
        if count > most {
            check.invalid(
                "succeededCount",
                format!("{count} is more than the {most} indexes it is about"),
            );
        }
    }
}
