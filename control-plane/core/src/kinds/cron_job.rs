//! CronJobs: defaults, checks, columns.

use std::sync::LazyLock;

use bosun_proto::Resource;
use bosun_proto::batch_v1::{CronJob, CronJobSpec, CronJobStatus};
use bosun_proto::scalars::Time;
use chrono::{DateTime, Utc};

use super::check::Check;
use super::job::{defaults::fill_template_spec, validation};
use super::{Column, Rules, age, metadata, or_none, unenforced, workload};
use crate::cron::{Schedule, Zone};
use crate::refusal::{FieldError, FieldErrorKind};

/// The longest name: a Job's name is a DNS label and has 11 letters more. Source: Kubernetes.
const NAME_MAX: usize = 52;
/// How many finished Jobs are kept. Source: Kubernetes.
const SUCCESSFUL_JOBS_KEPT: i32 = 3;
const FAILED_JOBS_KEPT: i32 = 1;

static NO_SPEC: LazyLock<CronJobSpec> = LazyLock::new(CronJobSpec::default);
static NO_STATUS: LazyLock<CronJobStatus> = LazyLock::new(CronJobStatus::default);

impl Rules for CronJob {
    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        if spec.concurrency_policy.is_empty() {
            spec.concurrency_policy = "Allow".into();
        }
        spec.suspend.get_or_insert(false);
        spec.successful_jobs_history_limit
            .get_or_insert(SUCCESSFUL_JOBS_KEPT);
        spec.failed_jobs_history_limit.get_or_insert(FAILED_JOBS_KEPT);
        if let Some(spec) = spec
            .job_template
            .as_mut()
            .and_then(|template| template.spec.as_mut())
        {
            fill_template_spec(spec);
        }
    }

    fn prepare_create(&mut self, _now: Time) {
        self.status = Some(CronJobStatus::default());
    }

    fn validate(&self) -> Vec<FieldError> {
        Check::collect(|check| {
            let length = self.metadata().name.len();
            if length > NAME_MAX {
                let message = format!(
                    "has {length} letters: {NAME_MAX} at most, as 11 are added for the name of each Job"
                );
                check.error(FieldErrorKind::TooLong, "metadata.name", message);
            }
            check.at("spec", |check| check_spec(check, spec(self)));
        })
    }

    fn warnings(&self) -> Vec<String> {
        let spec = spec(self);
        let mut warnings = Vec::new();
        if let Some(job) = spec
            .job_template
            .as_ref()
            .and_then(|template| template.spec.as_ref())
        {
            warnings.extend(unenforced::of_job(job, "spec.jobTemplate.spec"));
        }
        warnings
    }

    const COLUMNS: &'static [Column] = &[
        Column::new("Schedule"),
        Column::new("Timezone"),
        Column::new("Suspend"),
        Column::new("Active"),
        Column::new("Last Schedule"),
        Column::new("Next Schedule"),
        Column::new("Age"),
        Column::wide("Containers"),
        Column::wide("Images"),
        Column::wide("Selector"),
    ];

    fn cells(&self, now: Time) -> Vec<String> {
        let (spec, status) = (spec(self), status(self));
        let last = status.last_schedule_time.map(|last| age::since(Some(last), now));
        let job = spec
            .job_template
            .as_ref()
            .and_then(|template| template.spec.as_ref());
        let mut cells = vec![
            spec.schedule.clone(),
            or_none(spec.time_zone.as_deref().unwrap_or_default()),
            if spec.suspend == Some(true) {
                "True"
            } else {
                "False"
            }
            .into(),
            status.active.len().to_string(),
            or_none(&last.unwrap_or_default()),
            next_schedule(self, now),
            age::since(self.metadata().creation_timestamp, now),
        ];
        let template = job.and_then(|job| job.template.as_ref());
        cells.extend(workload::cells(
            template,
            job.and_then(|job| job.selector.as_ref()),
        ));
        cells
    }
}

/// The spec; an empty one when there is none.
pub fn spec(cron_job: &CronJob) -> &CronJobSpec {
    cron_job.spec.as_ref().unwrap_or(&NO_SPEC)
}

/// The status; an empty one when there is none.
pub fn status(cron_job: &CronJob) -> &CronJobStatus {
    cron_job.status.as_ref().unwrap_or(&NO_STATUS)
}

/// When it fires next, whatever then prevents it; `None` when it is suspended, cannot be read, or never fires.
///
/// A schedule by distance (`@every`) counts from the last firing, or from the creation.
pub fn next_firing(cron_job: &CronJob, now: Time) -> Option<Time> {
    let spec = spec(cron_job);
    if spec.suspend == Some(true) {
        return None;
    }
    let zone = Zone::parse(spec.time_zone.as_deref()).ok()?;
    let schedule = Schedule::parse(&spec.schedule).ok()?;
    let now = DateTime::<Utc>::from(now);
    if !spec.schedule.starts_with("@every") {
        return schedule.next_after(now, &zone).map(Time::from);
    }
    let start = status(cron_job)
        .last_schedule_time
        .or(cron_job.metadata().creation_timestamp);
    let start = start.map_or(now, DateTime::<Utc>::from);
    let period = schedule
        .next_after(start, &zone)?
        .signed_duration_since(start)
        .num_seconds()
        .max(1);
    let periods = now.signed_duration_since(start).num_seconds().max(0) / period + 1;
    schedule
        .next_after(
            Time::from(start)
                .plus_seconds((periods - 1).saturating_mul(period))
                .into(),
            &zone,
        )
        .map(Time::from)
}

fn next_schedule(cron_job: &CronJob, now: Time) -> String {
    match next_firing(cron_job, now) {
        Some(next) => format!("in {}", age::since(Some(now), next)),
        None if spec(cron_job).suspend == Some(true) => or_none(""),
        None => "never".into(),
    }
}

/// Source of the rules: Kubernetes' CronJob validation.
fn check_spec(check: &mut Check, spec: &CronJobSpec) {
    if spec.schedule.is_empty() {
        check.required(
            "schedule",
            "say when to run, as in \"*/5 * * * *\" for every five minutes",
        );
    } else {
        match Schedule::parse(&spec.schedule) {
            Err(error) => check.invalid("schedule", error.to_string()),
            // Kubernetes takes it and then warns for ever; nobody means it.
            Ok(schedule) if schedule.never_fires() => {
                let message = format!(
                    "{:?} never fires, since no year has such a day: give a day that its months have",
                    spec.schedule
                );
                check.invalid("schedule", message);
            }
            Ok(_) => {}
        }
    }
    if let Err(error) = Zone::parse(spec.time_zone.as_deref()) {
        check.invalid("timeZone", error.to_string());
    }
    check.one_of(
        "concurrencyPolicy",
        &spec.concurrency_policy,
        &["Allow", "Forbid", "Replace"],
    );
    let numbers = [
        ("startingDeadlineSeconds", spec.starting_deadline_seconds),
        (
            "successfulJobsHistoryLimit",
            spec.successful_jobs_history_limit.map(i64::from),
        ),
        (
            "failedJobsHistoryLimit",
            spec.failed_jobs_history_limit.map(i64::from),
        ),
    ];
    for (field, number) in numbers {
        check.not_negative(field, number.unwrap_or(0));
    }
    check.at("jobTemplate", |check| {
        let template = spec.job_template.as_ref();
        if let Some(of_template) = template.and_then(|template| template.metadata.as_ref()) {
            check.at("metadata", |check| {
                metadata::check_template_metadata(check, of_template);
            });
        }
        let Some(job) = template.and_then(|template| template.spec.as_ref()) else {
            return check.required("spec", "describe the Jobs to make");
        };
        check.at("spec", |check| {
            validation::check_spec(check, job);
            if job.selector.is_some() {
                check.forbidden("selector", "each Job gets one of its own: leave it out");
            }
            if job.manual_selector == Some(true) {
                check.forbidden(
                    "manualSelector",
                    "each Job gets a selector of its own: leave it out",
                );
            }
        });
    });
}

#[cfg(test)]
#[path = "cron_job_tests.rs"]
mod tests;
