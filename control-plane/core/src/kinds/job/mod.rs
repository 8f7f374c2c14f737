//! Jobs: what they are and how to ask about them. What is filled in, checked, warned of and printed is in the files beside.

mod changes;
mod columns;
pub(super) mod defaults;
mod indexes;
mod policies;
mod selector;
pub(super) mod validation;

use std::sync::LazyLock;

use bosun_proto::batch_v1::{Job, JobCondition, JobSpec, JobStatus, JobTemplateSpec};
use bosun_proto::log::Count;
use bosun_proto::meta_v1::{ObjectMeta, OwnerReference};
use bosun_proto::scalars::Time;

pub use indexes::{Indexes, MalformedIndexes};
pub use selector::{CONTROLLER_UID_LABELS, JOB_NAME_LABELS};

use super::check::Check;
use super::{Column, Rules, names, unenforced};
use crate::refusal::FieldError;

static NO_SPEC: LazyLock<JobSpec> = LazyLock::new(JobSpec::default);
static NO_STATUS: LazyLock<JobStatus> = LazyLock::new(JobStatus::default);

impl Rules for Job {
    fn fill_defaults(&mut self) {
        defaults::fill_spec(self.spec.get_or_insert_default());
    }

    fn prepare_create(&mut self, _now: Time) {
        self.status = Some(JobStatus::default());
        label_as_template(self);
        selector::generate(self);
    }

    fn validate(&self) -> Vec<FieldError> {
        Check::collect(|check| validation::check_job(check, self))
    }

    fn validate_update(&self, old: &Self) -> Vec<FieldError> {
        Check::collect(|check| changes::check_update(check, old, self))
    }

    fn validate_status_update(&self, old: &Self) -> Vec<FieldError> {
        Check::collect(|check| changes::check_status_update(check, old, self))
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = unenforced::of_job(spec(self), "spec");
        let name = self.metadata.as_ref().map_or("", |metadata| &metadata.name);
        if let Some(problem) = names::dns_label(name) {
            warnings.push(format!(
                "metadata.name: the pods' names and host names begin with it, but {problem}"
            ));
        }
        warnings
    }

    const SELECTABLE_FIELDS: &'static [&'static str] = &["status.successful"];

    fn selectable_field(&self, _path: &str) -> String {
        status(self).succeeded.to_string()
    }

    const COLUMNS: &'static [Column] = columns::COLUMNS;

    fn cells(&self, now: Time) -> Vec<String> {
        columns::cells(self, now)
    }
}

/// A Job as a CronJob makes it: complete but for the time of creation, which [`crate::stamp::Stamp`] sets.
pub fn from_template(
    template: &JobTemplateSpec,
    owner: OwnerReference,
    name: &str,
    namespace: &str,
    uid: &str,
) -> Job {
    let of_template = template.metadata.clone().unwrap_or_default();
    let metadata = ObjectMeta {
        name: name.into(),
        namespace: namespace.into(),
        uid: uid.into(),
        labels: of_template.labels,
        annotations: of_template.annotations,
        finalizers: of_template.finalizers,
        owner_references: vec![owner],
        ..ObjectMeta::default()
    };
    let mut job = Job {
        metadata: Some(metadata),
        spec: template.spec.clone(),
        status: None,
    };
    job.fill_defaults();
    job.status = Some(JobStatus::default());
    label_as_template(&mut job);
    selector::generate(&mut job);
    job
}

/// A Job without labels gets those of its pods. Source: Kubernetes' Job defaults.
fn label_as_template(job: &mut Job) {
    let template = job.spec.as_ref().and_then(|spec| spec.template.as_ref());
    if let Some(of_template) = template.and_then(|template| template.metadata.as_ref()) {
        let labels = &mut job.metadata.get_or_insert_default().labels;
        if labels.is_empty() {
            labels.clone_from(&of_template.labels);
        }
    }
}

/// The restartPolicy of a Job's pods.
fn restart_policy(spec: &JobSpec) -> &str {
    let template = spec.template.as_ref().and_then(|template| template.spec.as_ref());
    template.map_or("", |template| &template.restart_policy)
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
    status
        .conditions
        .iter()
        .find(|condition| condition.r#type == condition_type)
}

/// True when there is a condition of this type and it holds.
pub fn has_condition(status: &JobStatus, condition_type: &str) -> bool {
    condition(status, condition_type).is_some_and(|condition| condition.status == "True")
}

/// Puts a condition in the place of the one of its type. While the condition's status stays the same, so does its
/// lastTransitionTime. A condition that does not hold is not added where there was none. Source: Kubernetes' Job controller.
pub fn set_condition(status: &mut JobStatus, mut condition: JobCondition) {
    match status
        .conditions
        .iter_mut()
        .find(|present| present.r#type == condition.r#type)
    {
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

#[cfg(test)]
mod job_tests;
