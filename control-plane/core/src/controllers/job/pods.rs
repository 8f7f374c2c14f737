//! The pods of a Job: how to find them and how to ask about them.

use bosun_proto::Resource;
use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::Pod;

use crate::admission::pod_status::JOB_TRACKING_FINALIZER;
use crate::kinds;

/// Annotation and label of an Indexed Job's pod: its completion index.
pub(super) const INDEX_ANNOTATION: &str = "batch.kubernetes.io/job-completion-index";
/// Annotation: how many pods of this index failed before this one.
pub(super) const FAILURE_COUNT_ANNOTATION: &str = "batch.kubernetes.io/job-index-failure-count";
/// Annotation: how many pods of this index failed before this one and were not counted.
pub(super) const IGNORED_COUNT_ANNOTATION: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// True for a pod whose controller is this Job, by uid.
pub(super) fn is_of(job: &Job, pod: &Pod) -> bool {
    kinds::controller_of(pod.metadata()).is_some_and(|owner| owner.uid == job.metadata().uid)
}

/// True for a pod that is not counted yet.
pub(super) fn has_tracking_finalizer(pod: &Pod) -> bool {
    pod.metadata()
        .finalizers
        .iter()
        .any(|finalizer| finalizer == JOB_TRACKING_FINALIZER)
}

/// Makes a pod one that will not be counted (any more).
pub(super) fn remove_tracking_finalizer(pod: &mut Pod) {
    let finalizers = &mut pod.metadata.get_or_insert_default().finalizers;
    finalizers.retain(|finalizer| finalizer != JOB_TRACKING_FINALIZER);
}

/// The completion index the pod was made for.
pub(super) fn completion_index(pod: &Pod) -> Option<i32> {
    number(pod, INDEX_ANNOTATION)
}

/// How many pods of this pod's index failed before it.
pub(super) fn failures_of_index(pod: &Pod) -> i32 {
    number(pod, FAILURE_COUNT_ANNOTATION).unwrap_or(0)
}

/// How many pods of this pod's index failed before it without being counted.
pub(super) fn ignored_failures_of_index(pod: &Pod) -> i32 {
    number(pod, IGNORED_COUNT_ANNOTATION).unwrap_or(0)
}

fn number(pod: &Pod, annotation: &str) -> Option<i32> {
    pod.metadata()
        .annotations
        .get(annotation)?
        .parse()
        .ok()
        .filter(|number| *number >= 0)
}
