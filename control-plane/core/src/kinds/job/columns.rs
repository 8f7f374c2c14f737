//! A Job's row, as kubectl prints it.

use bosun_proto::batch_v1::{Job, JobStatus};
use bosun_proto::scalars::Time;

use super::{condition, has_condition, spec, status};
use crate::kinds::{Column, age, workload};

pub(super) const COLUMNS: &[Column] = &[
    Column::new("Status"),
    Column::new("Completions"),
    Column::new("Duration"),
    Column::new("Age"),
    Column::wide("Containers"),
    Column::wide("Images"),
    Column::wide("Selector"),
];

pub(super) fn cells(job: &Job, now: Time) -> Vec<String> {
    let spec = spec(job);
    let metadata = job.metadata.as_ref();
    let mut cells = vec![
        word(job).to_owned(),
        completions(job),
        duration(status(job), now),
        age::since(metadata.and_then(|metadata| metadata.creation_timestamp), now),
    ];
    cells.extend(workload::cells(spec.template.as_ref(), spec.selector.as_ref()));
    cells
}

fn word(job: &Job) -> &'static str {
    let holds = |condition_type| has_condition(status(job), condition_type);
    let ends = job
        .metadata
        .as_ref()
        .is_some_and(|metadata| metadata.deletion_timestamp.is_some());
    match () {
        () if holds("Complete") => "Complete",
        () if holds("Failed") => "Failed",
        () if ends => "Terminating",
        () if holds("Suspended") => "Suspended",
        () if holds("FailureTarget") => "FailureTarget",
        () if holds("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

/// `2/4`; for a work queue, which ends with any success, `0/1 of 3`.
fn completions(job: &Job) -> String {
    let succeeded = status(job).succeeded;
    match (spec(job).completions, spec(job).parallelism.unwrap_or(0)) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

/// From the start to the end. A failed Job has no completionTime; the time of its condition says when it ended.
fn duration(status: &JobStatus, now: Time) -> String {
    let Some(start) = status.start_time else {
        return String::new();
    };
    let failed = condition(status, "Failed").filter(|failed| failed.status == "True");
    let end = status
        .completion_time
        .or_else(|| failed?.last_transition_time)
        .unwrap_or(now);
    age::since(Some(start), end)
}
