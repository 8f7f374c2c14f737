//! What may stand in the spec of a Job or of the template of a CronJob. Source of the rules: Kubernetes' Job validation.

use bosun_proto::batch_v1::{Job, JobSpec};

use super::policies::{check_failure_policy, check_success_policy};
use super::{is_indexed, restart_policy, selector, spec};
use crate::kinds::check::Check;
use crate::kinds::names;
use crate::kinds::pod::validation::check_template;
use crate::refusal::FieldErrorKind;

/// The most pods an Indexed Job may run at once, and the most indexes that may fail.
const INDEXED_MAX: i64 = 100_000;
/// Above so many completions, limits per index must be tighter.
const MANY_COMPLETIONS: i64 = 100_000;
/// The tighter limit.
const TIGHT_MAX: i64 = 10_000;
/// The longest `managedBy`.
const MANAGED_BY_MAX: usize = 63;

/// Checks a Job.
pub(super) fn check_job(check: &mut Check, job: &Job) {
    let name = job.metadata.as_ref().map_or("", |metadata| &metadata.name);
    check.at("spec", |check| {
        check_spec(check, spec(job));
        selector::check(check, job);
        check_index_names(check, spec(job), name);
    });
}

/// Checks a spec, at the place where `check` is; but for the selector.
pub(in crate::kinds) fn check_spec(check: &mut Check, spec: &JobSpec) {
    check_numbers(check, spec);
    check_completion_mode(check, spec);
    check_limits_per_index(check, spec);
    check_replacement(check, spec);
    if let Some(policy) = &spec.pod_failure_policy {
        check.at("podFailurePolicy", |check| {
            check_failure_policy(check, spec, policy);
        });
    }
    if let Some(policy) = &spec.success_policy {
        check.at("successPolicy", |check| check_success_policy(check, spec, policy));
    }
    if let Some(manager) = &spec.managed_by {
        check_manager(check, manager);
    }
    match &spec.template {
        None => check.required("template", "describe the pods to run"),
        Some(template) => check.at("template", |check| {
            check_template(check, template);
            if !["Never", "OnFailure"].contains(&restart_policy(spec)) {
                let message = "a Job's pods must be able to end: set it to Never or OnFailure";
                check.error(FieldErrorKind::NotSupported, "spec.restartPolicy", message);
            }
        }),
    }
}

fn check_numbers(check: &mut Check, spec: &JobSpec) {
    let numbers = [
        ("parallelism", spec.parallelism.map(i64::from)),
        ("completions", spec.completions.map(i64::from)),
        ("backoffLimit", spec.backoff_limit.map(i64::from)),
        ("activeDeadlineSeconds", spec.active_deadline_seconds),
        (
            "ttlSecondsAfterFinished",
            spec.ttl_seconds_after_finished.map(i64::from),
        ),
        (
            "backoffLimitPerIndex",
            spec.backoff_limit_per_index.map(i64::from),
        ),
        ("maxFailedIndexes", spec.max_failed_indexes.map(i64::from)),
    ];
    for (field, number) in numbers {
        if let Some(number) = number {
            check.not_negative(field, number);
        }
    }
}

fn check_completion_mode(check: &mut Check, spec: &JobSpec) {
    if let Some(mode) = &spec.completion_mode {
        check.one_of("completionMode", mode, &["NonIndexed", "Indexed"]);
    }
    if is_indexed(spec) {
        if spec.completions.is_none() {
            check.required(
                "completions",
                "an Indexed Job needs to know how many indexes there are",
            );
        }
        if let Some(parallelism) = spec.parallelism
            && i64::from(parallelism) > INDEXED_MAX
        {
            check.invalid(
                "parallelism",
                format!("{parallelism} is too many: an Indexed Job may run {INDEXED_MAX} at once"),
            );
        }
    }
}

fn check_limits_per_index(check: &mut Check, spec: &JobSpec) {
    if spec.backoff_limit_per_index.is_some() {
        if !is_indexed(spec) {
            check.forbidden("backoffLimitPerIndex", "needs completionMode Indexed");
        }
        if restart_policy(spec) != "Never" {
            check.invalid(
                "template.spec.restartPolicy",
                "must be Never when backoffLimitPerIndex is set",
            );
        }
    }
    let completions = i64::from(spec.completions.unwrap_or(0));
    if let Some(most) = spec.max_failed_indexes.map(i64::from) {
        if spec.backoff_limit_per_index.is_none() {
            check.required(
                "backoffLimitPerIndex",
                "maxFailedIndexes needs it: it says when an index has failed",
            );
        }
        if spec.completions.is_some() && most > completions {
            check.invalid(
                "maxFailedIndexes",
                format!("{most} is more than there are completions ({completions})"),
            );
        }
        if most > INDEXED_MAX {
            check.invalid(
                "maxFailedIndexes",
                format!("{most} is too many: {INDEXED_MAX} at most"),
            );
        }
    }
    if spec.backoff_limit_per_index.is_some() && completions > MANY_COMPLETIONS {
        let reason = format!("with backoffLimitPerIndex and more than {MANY_COMPLETIONS} completions");
        match spec.max_failed_indexes.map(i64::from) {
            None => check.required("maxFailedIndexes", format!("needed {reason}")),
            Some(most) if most > TIGHT_MAX => {
                check.invalid("maxFailedIndexes", format!("{TIGHT_MAX} at most {reason}"));
            }
            Some(_) => {}
        }
        if spec
            .parallelism
            .is_some_and(|parallelism| i64::from(parallelism) > TIGHT_MAX)
        {
            check.invalid("parallelism", format!("{TIGHT_MAX} at most {reason}"));
        }
    }
}

fn check_replacement(check: &mut Check, spec: &JobSpec) {
    let Some(policy) = &spec.pod_replacement_policy else {
        return;
    };
    check.one_of("podReplacementPolicy", policy, &["TerminatingOrFailed", "Failed"]);
    if spec.pod_failure_policy.is_some() && policy == "TerminatingOrFailed" {
        check.invalid(
            "podReplacementPolicy",
            "must be Failed when podFailurePolicy is set, which looks at failed pods only",
        );
    }
}

fn check_manager(check: &mut Check, manager: &str) {
    let is_path = manager.split_once('/').is_some_and(|(domain, path)| {
        names::dns_subdomain(domain).is_none()
            && !path.is_empty()
            && path.bytes().all(|byte| byte.is_ascii_graphic())
    });
    if !is_path {
        check.invalid(
            "managedBy",
            format!(
                "{} must be a domain with a path, as in example.com/name",
                names::quoted(manager)
            ),
        );
    }
    if manager.len() > MANAGED_BY_MAX {
        let message = format!("has {} letters: {MANAGED_BY_MAX} at most", manager.len());
        check.error(FieldErrorKind::TooLong, "managedBy", message);
    }
}

/// The last pod of an Indexed Job has the longest name, which must do as a host name.
fn check_index_names(check: &mut Check, spec: &JobSpec, name: &str) {
    if let (true, Some(completions)) = (
        is_indexed(spec),
        spec.completions.filter(|completions| *completions > 0),
    ) {
        let last = format!("{name}-{}", completions - 1);
        if last.len() > names::LABEL_MAX {
            let last = names::quoted(&last);
            let message = format!(
                "the pod of the last index would be called {last}, but {} letters are the most: shorten metadata.name",
                names::LABEL_MAX
            );
            check.invalid("completions", message);
        }
    }
}
