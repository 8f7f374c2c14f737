//! What a finished pod adds to its Job's counters: the one rule, used by whoever finishes a pod.
//!
//! Exactly once by construction: the count, the end of the tracking finalizer and the end of the pod are one transaction
//! (see `admission::pod_status`). A pod without the finalizer is counted already, or never will be.

use bosun_proto::Resource;
use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::Pod;
use bosun_proto::log::Count;

use super::failure_policy::{self, Action};
use super::pods::{completion_index, failures_of_index, has_tracking_finalizer, is_of};
use super::{is_managed_here, replaces_ending_pods};
use crate::kinds::{job, pod};

/// What `job` has to add for a pod that is about to be as `pod` is; `None` when it adds nothing.
///
/// A pod that has failed adds to `failed`, one that has succeeded to `succeeded`. A pod that is being deleted has failed as
/// soon as its deletion began (unless the Job replaces failed pods only). Nothing is added for a pod that is counted already
/// (no finalizer), that is another Job's (by uid), that has no place in an Indexed Job, that the pod failure policy ignores,
/// or that ends when the Job no longer counts: after its success criteria were met, and after it has finished.
/// Source: Kubernetes' Job tracking.
pub fn count(job: &Job, pod: &Pod) -> Option<Count> {
    let status = job::status(job);
    if !has_tracking_finalizer(pod)
        || !is_of(job, pod)
        || !is_managed_here(job)
        || job::is_finished(job).is_some()
        || job::has_condition(status, "SuccessCriteriaMet")
    {
        return None;
    }
    let count = Count {
        namespace: job.metadata().namespace.clone(),
        job: job.metadata().name.clone(),
        job_uid: job.metadata().uid.clone(),
        ..Count::default()
    };
    let spec = job::spec(job);
    let index = if job::is_indexed(spec) {
        Some(valid_index(job, pod)?)
    } else {
        None
    };
    if pod::status(pod).phase == pod::phase::SUCCEEDED {
        return Some(Count {
            succeeded: 1,
            completed_index: index,
            ..count
        });
    }
    let failed = pod::status(pod).phase == pod::phase::FAILED;
    if !failed && !(pod::is_ending(pod) && (replaces_ending_pods(job) || pod::spec(pod).node_name.is_empty()))
    {
        return None;
    }
    let action = failure_policy::decide(job, pod).map(|decision| decision.action);
    match action {
        Some(Action::Ignore) => None,
        Some(Action::FailIndex) => Some(Count {
            failed: 1,
            failed_index: index,
            ..count
        }),
        Some(Action::FailJob | Action::Count) | None => {
            let failed_index = index.filter(|_| {
                spec.backoff_limit_per_index
                    .is_some_and(|limit| failures_of_index(pod).saturating_add(1) > limit)
            });
            Some(Count {
                failed: 1,
                failed_index,
                ..count
            })
        }
    }
}

/// The pod's completion index, if the Job (still) has that many.
fn valid_index(job: &Job, pod: &Pod) -> Option<i32> {
    completion_index(pod).filter(|index| *index < job::spec(job).completions.unwrap_or(0))
}

#[cfg(test)]
#[path = "counting_tests.rs"]
mod tests;
