//! What a Job's spec says where its author said nothing. Source: Kubernetes' Job defaults.

use bosun_proto::batch_v1::JobSpec;

use crate::kinds::pod::defaults::fill_template;

/// How many failed pods a Job bears.
const BACKOFF_LIMIT: i32 = 6;

pub(super) fn fill_spec(spec: &mut JobSpec) {
    // With parallelism alone, the Job is a work queue: any success ends it.
    if spec.parallelism.is_none() && spec.completions.is_none() {
        spec.completions = Some(1);
    }
    spec.parallelism.get_or_insert(1);
    let limits_per_index = spec.backoff_limit_per_index.is_some();
    spec.backoff_limit
        .get_or_insert(if limits_per_index { i32::MAX } else { BACKOFF_LIMIT });
    spec.completion_mode.get_or_insert_with(|| "NonIndexed".into());
    spec.suspend.get_or_insert(false);
    spec.manual_selector.get_or_insert(false);
    let looks_at_failed = spec.pod_failure_policy.is_some();
    let replacement = if looks_at_failed {
        "Failed"
    } else {
        "TerminatingOrFailed"
    };
    spec.pod_replacement_policy
        .get_or_insert_with(|| replacement.into());
    fill_template_spec(spec);
}

/// What is filled in also where the spec is in a CronJob.
pub(in crate::kinds) fn fill_template_spec(spec: &mut JobSpec) {
    for rule in spec
        .pod_failure_policy
        .iter_mut()
        .flat_map(|policy| &mut policy.rules)
    {
        for pattern in &mut rule.on_pod_conditions {
            if pattern.status.is_empty() {
                pattern.status = "True".into();
            }
        }
    }
    if let Some(spec) = spec.template.as_mut().and_then(|template| template.spec.as_mut()) {
        fill_template(spec);
    }
}
