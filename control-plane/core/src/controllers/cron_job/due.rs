//! What is due, and whether it may start.

use bosun_proto::Resource;
use bosun_proto::scalars::Time;
use chrono::{DateTime, TimeDelta, Utc};

use super::{Scene, firing};
use crate::cron::{self, Schedule, Zone};
use crate::kinds::cron_job;

/// Which schedule was in force since when: due times before an edit of the schedule are not made up for.
const SINCE_ANNOTATION: &str = "bosun.dev/schedule-since";
/// From this number of missed starts on there is a warning. Source: Kubernetes' CronJob controller.
const MANY_MISSED: u64 = 100;

pub(super) fn run(scene: &mut Scene<'_>) {
    let Some((schedule, zone)) = readable(scene) else {
        return;
    };
    let from = start_of_search(scene);
    if scene.spec().suspend == Some(true) {
        return;
    }
    let now: DateTime<Utc> = scene.now.into();
    let missed = cron::missed(&schedule, &zone, from, now);
    let next = schedule.next_after(missed.latest.unwrap_or(from), &zone);
    if let Some(next) = next {
        scene.plan.look_again_at(next.into());
    } else {
        let message = format!("the schedule {:?} has no further due time", scene.spec().schedule);
        scene.note_state("InvalidSchedule", message, true);
    }
    let Some(latest) = missed.latest else { return };
    let deadline = scene
        .spec()
        .starting_deadline_seconds
        .and_then(TimeDelta::try_seconds);
    if deadline.is_some_and(|deadline| now - latest > deadline) {
        let message = format!(
            "missed the start at {}: it is longer ago than startingDeadlineSeconds",
            zone.render(latest)
        );
        scene.note_state("MissSchedule", message, true);
        return;
    }
    // A deadline that reaches back beyond the calendar is none.
    let deadline_start = deadline
        .and_then(|deadline| now.checked_sub_signed(deadline))
        .and_then(|start| start.checked_sub_signed(TimeDelta::milliseconds(1)));
    let window = deadline_start.map_or(from, |start| from.max(start));
    let count = cron::missed(&schedule, &zone, window, now).estimate_of_count;
    if count > MANY_MISSED {
        let message = format!(
            "missed about {count} starts: only the last one, of {}, is made up for",
            zone.render(latest)
        );
        scene.note_state("TooManyMissedTimes", message, true);
    }
    firing::run(scene, &schedule, zone, latest);
}

/// The schedule and the zone; `None`, with a warning, when a stored text cannot be read.
fn readable(scene: &mut Scene<'_>) -> Option<(Schedule, Zone)> {
    let spec = scene.spec();
    let schedule = Schedule::parse(&spec.schedule);
    let zone = Zone::parse(spec.time_zone.as_deref());
    match (schedule, zone) {
        (Ok(schedule), Ok(zone)) => Some((schedule, zone)),
        (Err(error), _) => {
            scene.note_state("UnparseableSchedule", format!("spec.schedule: {error}"), true);
            None
        }
        (_, Err(error)) => {
            scene.note_state("UnknownTimeZone", format!("spec.timeZone: {error}"), true);
            None
        }
    }
}

/// After this time a due time counts as missed: the last start, or the creation; but not before the schedule was as it is now.
fn start_of_search(scene: &mut Scene<'_>) -> DateTime<Utc> {
    let created = scene.cron_job.metadata().creation_timestamp.unwrap_or(scene.now);
    let last = cron_job::status(scene.cron_job).last_schedule_time;
    let in_force = format!(
        "{} {}",
        scene.spec().time_zone.as_deref().unwrap_or("UTC"),
        scene.spec().schedule
    );
    let recorded = scene
        .cron_job
        .metadata()
        .annotations
        .get(SINCE_ANNOTATION)
        .and_then(|text| text.split_once(' '));
    let since = match recorded {
        Some((since, schedule)) if schedule == in_force => since.parse::<Time>().unwrap_or(created),
        // Without a record this is the first look at the CronJob, or its author has dropped the annotation.
        None => created,
        Some(_) => scene.now,
    };
    let record = format!("{since} {in_force}");
    scene
        .wanted
        .metadata_mut()
        .annotations
        .insert(SINCE_ANNOTATION.to_owned(), record);
    last.map_or(created, |last| last.max(created)).max(since).into()
}

#[cfg(test)]
mod tests {
    use bosun_proto::batch_v1::{CronJob, Job};

    use crate::testing::Fixture;

    #[test]
    fn a_deadline_that_reaches_back_beyond_the_calendar_is_no_deadline() {
        for deadline in [i64::MAX, i64::MAX / 1_000, 9_000_000_000_000] {
            let mut fixture = Fixture::with_node();
            fixture.apply(&format!(
                "{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: c}}, spec: {{schedule: '* * * * *', \
                 startingDeadlineSeconds: {deadline}, jobTemplate: {{spec: {{template: {{spec: {{restartPolicy: Never, \
                 containers: [{{name: c, image: busybox, command: [date]}}]}}}}}}}}}}}}"
            ));
            fixture.advance(90);
            let snapshot = fixture.snapshot();
            let cron_job = snapshot.find::<CronJob>("default", "c").expect("it was applied");
            assert_eq!(super::cron_job::status(cron_job).active.len(), 1);
            assert_eq!(snapshot.all::<Job>(None).count(), 1);
        }
    }
}
