//! A CronJob fires at most once for each due time. (That none is left out, and that none is made for another time, is checked by the
//! step simulation in core and by the chaos tests.)

use std::collections::BTreeSet;

use bosun_proto::batch_v1::{CronJob, Job};
use bosun_proto::{Kind, Resource};

use crate::evidence::{Evidence, Notes};

/// The annotation of a Job with the time it was made for.
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

pub(super) fn check(_: &Evidence, notes: &Notes) -> Result<(), String> {
    for cron_job in notes.at_the_end(Kind::CronJob).filter_map(CronJob::from_object) {
        let owned = notes
            .at_the_end(Kind::Job)
            .filter_map(Job::from_object)
            .filter(|job| {
                job.metadata()
                    .owner_references
                    .iter()
                    .any(|owner| owner.uid == cron_job.metadata().uid)
            });
        let mut times = BTreeSet::new();
        for job in owned {
            let time = job.metadata().annotations.get(SCHEDULED);
            let time = time.ok_or_else(|| format!("{} says not what it was made for", job.key()))?;
            if !times.insert(time.clone()) {
                return Err(format!("{} fired twice for {time}", cron_job.key()));
            }
        }
    }
    Ok(())
}
