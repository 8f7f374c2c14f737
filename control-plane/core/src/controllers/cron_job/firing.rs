//! The start of one run.

use bosun_proto::batch_v1::{CronJob, Job};
use bosun_proto::core_v1::ObjectReference;
use bosun_proto::meta_v1::ObjectMeta;
use bosun_proto::{Kind, Object, Resource};
use chrono::{DateTime, TimeDelta, Utc};

use super::Scene;
use crate::admission::Propagation;
use crate::admission::deletion;
use crate::cron::{Schedule, Zone};
use crate::kinds::{self, controller_reference};
use crate::stamp::derived_uid;
use crate::state::Write;

/// Annotation of a Job: the due time it was made for, in the CronJob's zone.
const SCHEDULED_ANNOTATION: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

/// Starts the run that was due at `scheduled`, if those that still run allow it.
pub(super) fn run(scene: &mut Scene<'_>, schedule: &Schedule, zone: Zone, scheduled: DateTime<Utc>) {
    let spec = scene.spec();
    let runs = !scene.status().active.is_empty();
    if runs && spec.concurrency_policy == "Forbid" {
        let message = format!(
            "not started at {}: an earlier job still runs",
            zone.render(scheduled)
        );
        scene.note_state("JobAlreadyActive", message, false);
        return;
    }
    let name = job_name(scene.cron_job, schedule, zone, scheduled);
    if let Some(present) = scene
        .snapshot
        .find::<Job>(&scene.cron_job.metadata().namespace, &name)
    {
        let ours = kinds::controller_of(present.metadata())
            .is_some_and(|owner| owner.uid == scene.cron_job.metadata().uid);
        if !ours {
            let message = format!(
                "cannot start the run of {}: another job is called {name}",
                zone.render(scheduled)
            );
            scene.note_state("FailedCreate", message, true);
            return;
        }
    } else {
        if runs && spec.concurrency_policy == "Replace" {
            delete_active(scene);
        }
        create(scene, zone, &name, scheduled);
    }
    scene.status().last_schedule_time = Some(scheduled.into());
}

/// By the minute, so that a due time has one name and one Job, whoever makes it; by the second where the schedule is denser.
fn job_name(cron_job: &CronJob, schedule: &Schedule, zone: Zone, scheduled: DateTime<Utc>) -> String {
    let is_every = cron_job
        .spec
        .as_ref()
        .is_some_and(|spec| spec.schedule.starts_with("@every"));
    let next = schedule.next_after(scheduled, &zone);
    let dense = is_every && next.is_some_and(|next| next - scheduled < TimeDelta::minutes(1));
    let seconds = scheduled.timestamp();
    format!(
        "{}-{}",
        cron_job.metadata().name,
        if dense { seconds } else { seconds.div_euclid(60) }
    )
}

/// Their pods follow by garbage collection.
fn delete_active(scene: &mut Scene<'_>) {
    for listed in std::mem::take(&mut scene.status().active) {
        let Some(stored) = scene.snapshot.by_uid(&listed.uid) else {
            continue;
        };
        let write = deletion::begin(stored, Propagation::Background, None, scene.now);
        scene.plan.writes.extend(write);
        scene.note("SuccessfulDelete", format!("Deleted job {}", listed.name));
    }
}

fn create(scene: &mut Scene<'_>, zone: Zone, name: &str, scheduled: DateTime<Utc>) {
    let owner = scene.cron_job.metadata();
    let template = scene.spec().job_template.clone().unwrap_or_default();
    let of_template = template.metadata.unwrap_or_default();
    let mut annotations = of_template.annotations;
    annotations.insert(SCHEDULED_ANNOTATION.to_owned(), zone.render(scheduled));
    let uid = derived_uid(&owner.uid, name);
    let metadata = ObjectMeta {
        name: name.to_owned(),
        namespace: owner.namespace.clone(),
        uid: uid.clone(),
        labels: of_template.labels,
        annotations,
        owner_references: vec![controller_reference(Kind::CronJob, owner)],
        creation_timestamp: Some(scene.now),
        ..ObjectMeta::default()
    };
    let mut object = Object::from(Job {
        metadata: Some(metadata),
        spec: template.spec,
        status: None,
    });
    kinds::fill_defaults(&mut object);
    kinds::prepare_create(&mut object, scene.now);
    scene.plan.writes.push(Write::Create(object));
    let reference = ObjectReference {
        kind: Kind::Job.info().kind.to_owned(),
        api_version: Kind::Job.api_version().to_owned(),
        namespace: owner.namespace.clone(),
        name: name.to_owned(),
        uid,
        ..ObjectReference::default()
    };
    scene.status().active.push(reference);
    scene.note("SuccessfulCreate", format!("Created job {name}"));
}
