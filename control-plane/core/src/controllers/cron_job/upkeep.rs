//! The list of active Jobs and the time of the last success, in line with what became of the Jobs.

use bosun_proto::Resource;
use bosun_proto::batch_v1::Job;

use super::Scene;
use crate::kinds::cron_job;
use crate::kinds::job::{self, Finish};

pub(super) fn run(scene: &mut Scene<'_>) {
    for listed in cron_job::status(scene.cron_job).active.clone() {
        let known = scene.snapshot.by_uid(&listed.uid).and_then(Job::from_object);
        match known.map(|found| job::is_finished(found)) {
            Some(None) => continue,
            Some(Some(finish)) => {
                let how = if finish == Finish::Complete {
                    "Complete"
                } else {
                    "Failed"
                };
                scene.note(
                    "SawCompletedJob",
                    format!("Saw completed job: {}, condition: {how}", listed.name),
                );
            }
            None => scene.note("MissingJob", format!("Active job went missing: {}", listed.name)),
        }
        scene.status().active.retain(|active| active.uid != listed.uid);
    }
    for found in scene.jobs.clone() {
        if job::is_finished(found).is_none() && !is_listed(scene, found) {
            let message = format!(
                "Saw a job that this schedule did not start: {}",
                found.metadata().name
            );
            scene.note_state("UnexpectedJob", message, true);
        }
        if let (Some(Finish::Complete), Some(end)) =
            (job::is_finished(found), job::status(found).completion_time)
        {
            let last = &mut scene.status().last_successful_time;
            *last = Some(last.map_or(end, |last| last.max(end)));
        }
    }
}

fn is_listed(scene: &Scene<'_>, found: &Job) -> bool {
    let uid = &found.metadata().uid;
    cron_job::status(scene.cron_job)
        .active
        .iter()
        .any(|active| active.uid == *uid)
}
