//! The CronJob controller: makes a Job at each due time.
//!
//! Firing is one transaction: the Job, the CronJob's lastScheduleTime and its list of active Jobs change together or not at
//! all. So every due time gives at most one Job, whichever server leads and whenever it stops. What the Job then does is the
//! Job controller's business.
//!
//! [`upkeep`] brings the status in line with what became of earlier Jobs, [`history`] deletes old ones, [`due`] says what is
//! due and [`firing`] makes the Job.

mod due;
mod firing;
mod history;
mod upkeep;

use std::sync::Arc;

use bosun_proto::batch_v1::{CronJob, CronJobStatus, Job};
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Object, Resource};

use super::Controller;
use crate::event;
use crate::kinds::{self, cron_job};
use crate::plan::{Note, Plan};
use crate::state::{Change, Snapshot, Write};

const NAME: &str = "cronjob-controller";

/// The CronJob controller.
#[derive(Debug)]
pub struct CronJobController;

impl Controller for CronJobController {
    fn name(&self) -> &'static str {
        NAME
    }

    fn keys(&self, snapshot: &Snapshot) -> Vec<Key> {
        snapshot.list(Kind::CronJob, None).map(Object::key).collect()
    }

    fn touched_by(&self, change: &Change, _snapshot: &Snapshot) -> Vec<Key> {
        match change.object() {
            Object::CronJob(_) => vec![change.key.clone()],
            Object::Job(_) => {
                let mut owners: Vec<Key> = [&change.old, &change.new]
                    .into_iter()
                    .flatten()
                    .filter_map(owner)
                    .collect();
                owners.dedup();
                owners
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, snapshot: &Snapshot, key: &Key, now: Time) -> Plan {
        let Some(cron_job) = snapshot.find_key::<CronJob>(key) else {
            return Plan::default();
        };
        if cron_job.metadata().deletion_timestamp.is_some() {
            return Plan::default();
        }
        let mut scene = Scene::new(snapshot, cron_job, now);
        upkeep::run(&mut scene);
        history::run(&mut scene);
        due::run(&mut scene);
        scene.close()
    }
}

fn owner(job: &Object) -> Option<Key> {
    let metadata = job.metadata();
    let owner = kinds::controller_of(metadata).filter(|owner| owner.kind == Kind::CronJob.info().kind)?;
    Some(Key::new(Kind::CronJob, &metadata.namespace, &owner.name))
}

/// A CronJob, its Jobs, and what is to be written about them.
struct Scene<'a> {
    snapshot: &'a Snapshot,
    cron_job: &'a Arc<CronJob>,
    now: Time,
    /// Those whose controller the CronJob is.
    jobs: Vec<&'a Arc<Job>>,
    /// The CronJob as it shall be.
    wanted: CronJob,
    plan: Plan,
}

impl<'a> Scene<'a> {
    fn new(snapshot: &'a Snapshot, cron_job: &'a Arc<CronJob>, now: Time) -> Self {
        let jobs = snapshot.controlled_by::<Job>(&cron_job.metadata().uid).collect();
        Self {
            snapshot,
            cron_job,
            now,
            jobs,
            wanted: cron_job.as_ref().clone(),
            plan: Plan::default(),
        }
    }

    fn status(&mut self) -> &mut CronJobStatus {
        self.wanted.status.get_or_insert_default()
    }

    fn spec(&self) -> &'a bosun_proto::batch_v1::CronJobSpec {
        cron_job::spec(self.cron_job)
    }

    fn note(&mut self, reason: &str, message: impl Into<String>) {
        self.plan.note(
            &self.cron_job.key(),
            &self.cron_job.metadata().uid,
            reason,
            message,
        );
    }

    /// A note about how things are rather than about something that was done: made once, and again only when its Event is gone.
    fn note_state(&mut self, reason: &str, message: String, warning: bool) {
        let uid = self.cron_job.metadata().uid.clone();
        let note = Note {
            about: self.cron_job.key(),
            uid,
            reason: reason.to_owned(),
            message,
            warning,
        };
        if !event::is_recorded(self.snapshot, &note, NAME) {
            self.plan.notes.push(note);
        }
    }

    fn close(mut self) -> Plan {
        if self.wanted != *self.cron_job.as_ref() {
            self.plan.writes.insert(
                0,
                Write::replace(&Object::from(self.cron_job.clone()), self.wanted),
            );
        }
        self.plan
    }
}
