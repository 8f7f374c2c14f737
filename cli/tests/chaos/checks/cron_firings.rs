//! Each CronJob made one Job for each of its due times, and none for any other time. A due time may be left out only when
//! the servers could not act until the next one: that is what the schedule's rules say about a start that was missed.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use bosun_client::Query;
use bosun_proto::batch_v1::{CronJob, Job};
use bosun_proto::scalars::Time;
use bosun_proto::{Kind, Resource};
use chrono::{DateTime, Utc};

use super::{Findings, PATIENCE};
use crate::clients::{Evidence, work};
use crate::cluster::Cluster;

const SCHEDULED_ANNOTATION: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// Servers that answered writes for so long without a longer silence than [`SILENCE_MS`] were able to act.
const ABLE_MS: i64 = 2_500;
const SILENCE_MS: i64 = 700;

pub(super) async fn check(cluster: &Cluster, evidence: &Evidence) -> Result<Findings> {
    let client = cluster.client(PATIENCE);
    let jobs = client
        .list_as::<Job>(Query::new(Kind::Job, work::NAMESPACE))
        .await?;
    let mut wrong = Vec::new();
    let mut looked_at = Vec::new();
    let able = able_times(evidence);
    for (name, _, period) in work::CRON_JOBS {
        let cron_job = client.get_as::<CronJob>(work::NAMESPACE, name).await?;
        let owner = &cron_job.metadata().uid;
        let fired = fired(name, owner, &jobs, &mut wrong)?;
        let created = cron_job
            .metadata()
            .creation_timestamp
            .map(seconds)
            .context("a creation time")?;
        // Every so often since the creation, or at the full minute.
        let origin = if period == 60 { 0 } else { created };
        let last = cron_job
            .status
            .as_ref()
            .and_then(|status| status.last_schedule_time)
            .map(seconds);
        let first = origin + ((created - origin) / period + 1) * period;
        let due: BTreeSet<i64> = (first..=last.unwrap_or(0))
            .step_by(usize::try_from(period)?)
            .collect();
        let early = fired.difference(&due);
        wrong.extend(early.map(|time| format!("{name}: fired at {time}, which is not due (first {first})")));
        let mut excused = 0;
        for missed in due.difference(&fired) {
            if able.iter().any(|(from, to)| {
                let (from, to) = (
                    *from.max(&(missed * 1_000)),
                    *to.min(&((missed + period) * 1_000)),
                );
                to - from >= ABLE_MS
            }) {
                wrong.push(format!(
                    "{name}: did not fire at {missed}, although the servers were able to"
                ));
            } else {
                excused += 1;
            }
        }
        looked_at.push(format!(
            "{name} {} of {} due times, {excused} excused",
            fired.len(),
            due.len()
        ));
    }
    Ok(Findings {
        looked_at: looked_at.join("; "),
        wrong,
    })
}

/// The due times, in seconds, for which the CronJob with that uid has a Job.
fn fired(name: &str, uid: &str, jobs: &[Arc<Job>], wrong: &mut Vec<String>) -> Result<BTreeSet<i64>> {
    let mut fired = BTreeSet::new();
    for job in jobs.iter().map(|job| job.metadata()) {
        if !job.owner_references.iter().any(|reference| reference.uid == uid) {
            continue;
        }
        let scheduled = job
            .annotations
            .get(SCHEDULED_ANNOTATION)
            .context("a Job without its due time")?;
        let scheduled = scheduled.parse::<DateTime<Utc>>()?.timestamp();
        if !fired.insert(scheduled) {
            wrong.push(format!("{name}: two jobs for {scheduled}, one is {}", job.name));
        }
    }
    Ok(fired)
}

/// From when to when, in milliseconds, writes were acknowledged again and again.
fn able_times(evidence: &Evidence) -> Vec<(i64, i64)> {
    let acknowledged = evidence
        .registers
        .acknowledged
        .lock()
        .expect("its writers have ended");
    let mut times: Vec<i64> = acknowledged.iter().map(|write| write.at_ms).collect();
    times.sort_unstable();
    let stretches = times.chunk_by(|one, next| next - one <= SILENCE_MS);
    stretches
        .map(|stretch| (stretch[0], stretch[stretch.len() - 1]))
        .collect()
}

fn seconds(time: Time) -> i64 {
    DateTime::<Utc>::from(time).timestamp()
}
