//! CronJobs: defaults, checks, columns.

use std::sync::LazyLock;

use bosun_proto::batch_v1::{CronJob, CronJobSpec, CronJobStatus};
use bosun_proto::scalars::Time;

use super::{Column, Rules};

static NO_SPEC: LazyLock<CronJobSpec> = LazyLock::new(CronJobSpec::default);
static NO_STATUS: LazyLock<CronJobStatus> = LazyLock::new(CronJobStatus::default);

impl Rules for CronJob {
    const COLUMNS: &'static [Column] = &[];

    fn cells(&self, _now: Time) -> Vec<String> {
        Vec::new()
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
