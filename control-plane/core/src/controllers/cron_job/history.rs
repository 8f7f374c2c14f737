//! How many finished Jobs stay: the oldest go first, with their pods.

use std::sync::Arc;

use bosun_proto::Object;
use bosun_proto::Resource;
use bosun_proto::batch_v1::Job;

use super::Scene;
use crate::admission::Propagation;
use crate::admission::deletion;
use crate::kinds::job::{self, Finish};

/// Kept when the spec does not say. Source: Kubernetes' CronJob defaults.
const SUCCESSFUL_KEPT: i32 = 3;
/// Kept when the spec does not say. Source: Kubernetes' CronJob defaults.
const FAILED_KEPT: i32 = 1;
/// At most so many Jobs are deleted at once; the rest follows.
const DELETED_AT_ONCE: usize = 50;

pub(super) fn run(scene: &mut Scene<'_>) {
    let spec = scene.spec();
    let successful = spec.successful_jobs_history_limit.unwrap_or(SUCCESSFUL_KEPT);
    let failed = spec.failed_jobs_history_limit.unwrap_or(FAILED_KEPT);
    prune(scene, Finish::Complete, successful);
    prune(scene, Finish::Failed, failed);
}

fn prune(scene: &mut Scene<'_>, finish: Finish, kept: i32) {
    let ended = |found: &&Arc<Job>| {
        job::is_finished(found) == Some(finish) && found.metadata().deletion_timestamp.is_none()
    };
    let mut jobs: Vec<&Arc<Job>> = scene.jobs.iter().copied().filter(ended).collect();
    jobs.sort_by_key(|found| (job::status(found).start_time, found.metadata().name.clone()));
    let surplus = jobs.len().saturating_sub(usize::try_from(kept).unwrap_or(0));
    for old in jobs.into_iter().take(surplus.min(DELETED_AT_ONCE)) {
        let stored = Object::from(old.clone());
        let write = deletion::begin(&stored, Propagation::Background, None, scene.now);
        scene.plan.writes.extend(write);
        scene.note("SuccessfulDelete", format!("Deleted job {}", old.metadata().name));
    }
}
