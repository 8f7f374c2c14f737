//! Jobs: what they are and how to ask about them. What is filled in, checked, warned of and printed is in the files beside.

mod indexes;

use std::sync::LazyLock;

use bosun_proto::batch_v1::{Job, JobCondition, JobSpec, JobStatus};
use bosun_proto::log::Count;
use bosun_proto::scalars::Time;

pub use indexes::{Indexes, MalformedIndexes};

use super::{Column, Rules};

static NO_SPEC: LazyLock<JobSpec> = LazyLock::new(JobSpec::default);
static NO_STATUS: LazyLock<JobStatus> = LazyLock::new(JobStatus::default);

impl Rules for Job {
    const COLUMNS: &'static [Column] = &[];

    fn cells(&self, _now: Time) -> Vec<String> {
        Vec::new()
    }
}

/// How a Job has finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Condition Complete.
    Complete,
    /// Condition Failed.
    Failed,
}

/// The spec; an empty one when there is none.
pub fn spec(job: &Job) -> &JobSpec {
    job.spec.as_ref().unwrap_or(&NO_SPEC)
}

/// The status; an empty one when there is none.
pub fn status(job: &Job) -> &JobStatus {
    job.status.as_ref().unwrap_or(&NO_STATUS)
}

/// How the Job has finished; `None` while it has not.
pub fn is_finished(job: &Job) -> Option<Finish> {
    if has_condition(status(job), "Complete") {
        Some(Finish::Complete)
    } else if has_condition(status(job), "Failed") {
        Some(Finish::Failed)
    } else {
        None
    }
}

/// True for a Job that counts by index and not by pod.
pub fn is_indexed(spec: &JobSpec) -> bool {
    spec.completion_mode.as_deref() == Some("Indexed")
}

/// A condition by type, whatever its status.
pub fn condition<'a>(status: &'a JobStatus, condition_type: &str) -> Option<&'a JobCondition> {
    status.conditions.iter().find(|condition| condition.r#type == condition_type)
}

/// True when there is a condition of this type and it holds.
pub fn has_condition(status: &JobStatus, condition_type: &str) -> bool {
    condition(status, condition_type).is_some_and(|condition| condition.status == "True")
}

/// Puts a condition in the place of the one of its type. While the condition's status stays the same, so does its
/// lastTransitionTime. A condition that does not hold is not added where there was none. Source: Kubernetes' Job controller.
pub fn set_condition(status: &mut JobStatus, mut condition: JobCondition) {
    match status.conditions.iter_mut().find(|present| present.r#type == condition.r#type) {
        Some(present) => {
            if present.status == condition.status && present.last_transition_time.is_some() {
                condition.last_transition_time = present.last_transition_time;
            }
            *present = condition;
        }
        None if condition.status == "False" => {}
        None => status.conditions.push(condition),
    }
}

/// Adds finished pods to the counters. An Indexed Job counts an index once, however many pods complete it: its `succeeded` is
/// the number of completed indexes.
pub fn add_count(status: &mut JobStatus, count: &Count) {
    status.failed = status.failed.saturating_add(count.failed);
    if let Some(index) = count.failed_index {
        let mut failed = Indexes::parse_lenient(status.failed_indexes.as_deref().unwrap_or_default());
        failed.insert(index);
        status.failed_indexes = Some(failed.to_string());
    }
    if let Some(index) = count.completed_index {
        let mut completed = Indexes::parse_lenient(&status.completed_indexes);
        completed.insert(index);
        status.completed_indexes = completed.to_string();
        status.succeeded = i32::try_from(completed.len()).unwrap_or(i32::MAX);
    } else {
        status.succeeded = status.succeeded.saturating_add(count.succeeded);
    }
}
