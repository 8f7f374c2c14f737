//! What goes by itself after a while: finished Jobs that ask for it, and Events.

use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::{Event, Namespace};
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Object, Resource};

use super::Controller;
use crate::admission::{Propagation, deletion};
use crate::kinds::job;
use crate::plan::{PLAN_OBJECTS_MAX, Plan};
use crate::state::{Change, Snapshot};

/// How long an Event stays after it last happened. Source: Kubernetes' default.
const EVENT_SECONDS: i64 = 3_600;
/// Events of a namespace are looked through this often, so they may stay that much longer.
const EVENT_ROUND_SECONDS: i64 = 300;

/// Deletes finished Jobs after their ttlSecondsAfterFinished, and Events after an hour.
///
/// Its keys are Jobs, and Namespaces for their Events: one timer per Event would be many for little.
#[derive(Debug)]
pub struct TtlController;

impl Controller for TtlController {
    fn name(&self) -> &'static str {
        "ttl-controller"
    }

    fn keys(&self, snapshot: &Snapshot) -> Vec<Key> {
        let jobs = snapshot.list(Kind::Job, None).map(Object::key);
        jobs.chain(snapshot.list(Kind::Namespace, None).map(Object::key))
            .collect()
    }

    fn touched_by(&self, change: &Change, _snapshot: &Snapshot) -> Vec<Key> {
        match (&change.new, &change.old) {
            (Some(Object::Job(job)), _) if due(job).is_some() => vec![change.key.clone()],
            (Some(Object::Namespace(_)), None) => vec![change.key.clone()],
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, snapshot: &Snapshot, key: &Key, now: Time) -> Plan {
        if let Some(job) = snapshot.find_key::<Job>(key) {
            expire_job(&Object::from(job.clone()), due(job), now)
        } else if snapshot.find_key::<Namespace>(key).is_some() {
            expire_events(snapshot, &key.name, now)
        } else {
            Plan::default()
        }
    }
}

/// When a Job is to go; `None` when it has not finished, stays for ever, or is going already.
fn due(job: &Job) -> Option<Time> {
    let seconds = job::spec(job).ttl_seconds_after_finished?;
    let status = job::status(job);
    let mut conditions = ["Complete", "Failed"]
        .into_iter()
        .filter_map(|name| job::condition(status, name));
    let finish = conditions.find(|condition| condition.status == "True")?;
    if job.metadata().deletion_timestamp.is_some() {
        return None;
    }
    Some(finish.last_transition_time?.plus_seconds(seconds.into()))
}

/// Its pods go first.
fn expire_job(stored: &Object, due: Option<Time>, now: Time) -> Plan {
    let mut plan = Plan::default();
    match due {
        Some(due) if due <= now => {
            let write = deletion::begin(stored, Propagation::Foreground, None, now);
            plan.writes.extend(write);
        }
        Some(due) => plan.look_again_at(due),
        None => {}
    }
    plan
}

fn expire_events(snapshot: &Snapshot, namespace: &str, now: Time) -> Plan {
    let is_old = |event: &&std::sync::Arc<Event>| {
        last_seen(event).is_none_or(|seen| seen.plus_seconds(EVENT_SECONDS) <= now)
    };
    let old = snapshot.all::<Event>(Some(namespace)).filter(is_old);
    let gone = old.filter_map(|event| {
        deletion::begin(&Object::from(event.clone()), Propagation::Background, None, now)
    });
    let mut plan = Plan {
        writes: gone.take(PLAN_OBJECTS_MAX).collect(),
        ..Plan::default()
    };
    plan.look_again_at(now.plus_seconds(EVENT_ROUND_SECONDS));
    plan
}

fn last_seen(event: &Event) -> Option<Time> {
    let series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time)
        .map(Time::from);
    [
        event.last_timestamp,
        series,
        event.event_time.map(Time::from),
        event.metadata().creation_timestamp,
    ]
    .into_iter()
    .flatten()
    .max()
}
