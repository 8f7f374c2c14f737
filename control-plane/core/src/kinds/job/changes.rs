//! What may be changed in a Job that exists. Source of the rules: Kubernetes' Job updates.

use bosun_proto::batch_v1::{Job, JobSpec};
use bosun_proto::core_v1::{PodSpec, PodTemplateSpec};

use super::{Indexes, condition, has_condition, is_indexed, spec, status};
use crate::kinds::check::Check;
use crate::kinds::difference::first_difference;

const WAY_OUT: &str = "delete the Job and create it anew";

pub(super) fn check_update(check: &mut Check, old_job: &Job, new_job: &Job) {
    let (old, new) = (spec(old_job), spec(new_job));
    check.at("spec", |check| {
        check_completions(check, old, new);
        check.unchanged(
            "completionMode",
            &old.completion_mode,
            &new.completion_mode,
            WAY_OUT,
        );
        check.unchanged("selector", &old.selector, &new.selector, WAY_OUT);
        check.unchanged(
            "podFailurePolicy",
            &old.pod_failure_policy,
            &new.pod_failure_policy,
            WAY_OUT,
        );
        check.unchanged("successPolicy", &old.success_policy, &new.success_policy, WAY_OUT);
        check.unchanged(
            "backoffLimitPerIndex",
            &old.backoff_limit_per_index,
            &new.backoff_limit_per_index,
            WAY_OUT,
        );
        check.unchanged("managedBy", &old.managed_by, &new.managed_by, WAY_OUT);
        check_template(check, old_job, new);
    });
}

/// An Indexed Job may grow and shrink while completions and parallelism stay equal.
fn check_completions(check: &mut Check, old: &JobSpec, new: &JobSpec) {
    let grows = is_indexed(new) && new.completions.is_some() && new.completions == new.parallelism;
    if old.completions != new.completions && !grows {
        let way_out = if is_indexed(new) {
            "an Indexed Job may change it together with parallelism, to the same number"
        } else {
            WAY_OUT
        };
        check.forbidden("completions", format!("may not be changed; {way_out}"));
    }
}

fn check_template(check: &mut Check, old_job: &Job, new: &JobSpec) {
    let (Some(old), Some(new)) = (&spec(old_job).template, &new.template) else {
        return;
    };
    let may_be_placed_anew = spec(old_job).suspend == Some(true) && status(old_job).start_time.is_none();
    let compared = if may_be_placed_anew {
        with_old_placement(old, new)
    } else {
        new.clone()
    };
    if let Some(field) = first_difference(old, &compared) {
        check.at("template", |check| {
            let message = format!(
                "may not be changed (in a Job that is suspended and has not started, labels, annotations, nodeSelector, \
                 node affinity, tolerations and schedulingGates may); {WAY_OUT}"
            );
            check.forbidden(&field, message);
        });
    }
}

/// `new` with the old values of what decides where the pods run.
fn with_old_placement(old: &PodTemplateSpec, new: &PodTemplateSpec) -> PodTemplateSpec {
    let mut new = new.clone();
    let empty = bosun_proto::meta_v1::ObjectMeta::default();
    let of_old = old.metadata.as_ref().unwrap_or(&empty);
    if old.metadata.is_some() || new.metadata.is_some() {
        let metadata = new.metadata.get_or_insert_default();
        metadata.labels.clone_from(&of_old.labels);
        metadata.annotations.clone_from(&of_old.annotations);
        if old.metadata.is_none() && *metadata == empty {
            new.metadata = None;
        }
    }
    if let (Some(old), Some(new)) = (&old.spec, &mut new.spec) {
        keep_placement(old, new);
    }
    new
}

fn keep_placement(old: &PodSpec, new: &mut PodSpec) {
    new.node_selector.clone_from(&old.node_selector);
    new.tolerations.clone_from(&old.tolerations);
    new.scheduling_gates.clone_from(&old.scheduling_gates);
    let of_old = old
        .affinity
        .as_ref()
        .and_then(|affinity| affinity.node_affinity.clone());
    match (&mut new.affinity, &old.affinity) {
        (Some(affinity), _) => {
            affinity.node_affinity = of_old;
            if old.affinity.is_none() && *affinity == Default::default() {
                new.affinity = None;
            }
        }
        (None, Some(old)) => {
            let only_node = Box::new(bosun_proto::core_v1::Affinity {
                node_affinity: of_old,
                ..Default::default()
            });
            if *old == only_node {
                new.affinity = Some(only_node);
            }
        }
        (None, None) => {}
    }
}

/// Counters and ends: what was counted stays counted, what has finished stays finished.
pub(super) fn check_status_update(check: &mut Check, old: &Job, new: &Job) {
    let (old, new) = (status(old), status(new));
    check.at("status", |check| {
        for (field, number) in [
            ("active", new.active),
            ("succeeded", new.succeeded),
            ("failed", new.failed),
        ] {
            check.not_negative(field, number);
        }
        check.not_negative("ready", new.ready.unwrap_or(0));
        check.not_negative("terminating", new.terminating.unwrap_or(0));
        if new.failed < old.failed {
            check.invalid(
                "failed",
                format!(
                    "{} is less than the {} that were counted already",
                    new.failed, old.failed
                ),
            );
        }
        let indexes = [
            ("completedIndexes", Some(&new.completed_indexes)),
            ("failedIndexes", new.failed_indexes.as_ref()),
        ];
        for (field, text) in indexes {
            if let Some(Err(malformed)) = text.map(|text| Indexes::parse(text)) {
                check.invalid(field, malformed.to_string());
            }
        }
        check_finish(check, old, new);
    });
}

fn check_finish(
    check: &mut Check,
    old: &bosun_proto::batch_v1::JobStatus,
    new: &bosun_proto::batch_v1::JobStatus,
) {
    for finish in ["Complete", "Failed"] {
        if has_condition(old, finish) && !has_condition(new, finish) {
            check.forbidden("conditions", format!("a Job that is {finish} stays so"));
        }
    }
    if has_condition(new, "Complete") && has_condition(new, "Failed") {
        check.invalid("conditions", "a Job cannot be Complete and Failed");
    }
    if has_condition(new, "Failed") && !has_condition(new, "FailureTarget") {
        check.invalid("conditions", "FailureTarget must hold before Failed does");
    }
    if old.completion_time.is_some() && old.completion_time != new.completion_time {
        check.forbidden("completionTime", "may not be changed once it is set");
    }
    if new.completion_time.is_some() && condition(new, "Complete").is_none() {
        check.invalid("completionTime", "is set only when the Job is Complete");
    }
}
