//! What must hold after every step, whatever happened: checked from the changes alone, as a watcher sees them.

use std::collections::{BTreeMap, BTreeSet};

use bosun_proto::batch_v1::{CronJob, Job};
use bosun_proto::core_v1::Pod;
use bosun_proto::{Kind, Object, Resource};

use crate::admission::pod_status::JOB_TRACKING_FINALIZER;
use crate::kinds::{self, job, pod};
use crate::state::{Change, Snapshot};

/// What was seen so far of what a law speaks about.
#[derive(Default)]
pub(super) struct Laws {
    seen: u64,
    /// By uid: a pod that has a node has it for ever.
    nodes: BTreeMap<String, String>,
    /// By uid of a Job: how many pods it has to have counted.
    counted: BTreeMap<String, i64>,
    /// Jobs that count no more, by uid.
    closed: BTreeSet<String>,
    /// (uid of a CronJob, due time): each once.
    fired: BTreeSet<(String, String)>,
}

impl Laws {
    /// Looks at every change since the last time.
    ///
    /// # Errors
    /// The first law that is broken, and by what.
    pub(super) fn check(&mut self, snapshot: &Snapshot) -> Result<(), String> {
        let changes: Vec<Change> = snapshot
            .history()
            .since(self.seen)
            .map_err(|error| error.to_string())?
            .cloned()
            .collect();
        for change in &changes {
            if change.version != self.seen + 1 {
                return Err(format!("version {} follows {}", change.version, self.seen));
            }
            self.seen = change.version;
            self.look_at(change, snapshot)?;
        }
        changes
            .iter()
            .filter(|change| change.key.kind == Kind::Job)
            .try_for_each(|change| {
                let job = snapshot.find_key::<Job>(&change.key);
                job.map_or(Ok(()), |job| self.counters_are_the_pods_history(job))
            })
    }

    fn look_at(&mut self, change: &Change, snapshot: &Snapshot) -> Result<(), String> {
        match change.object() {
            Object::Pod(_) => {
                let old = change.old.as_ref().and_then(Pod::from_object);
                let new = change.new.as_ref().and_then(Pod::from_object);
                if let Some(new) = new {
                    self.stays_on_its_node(new)?;
                    states_only_move_forward(old.map(AsRef::as_ref), new)?;
                }
                if let (None, Some(new)) = (old, new) {
                    is_wanted(snapshot, new)?;
                }
                if let Some(old) = old {
                    self.follow_count(old, new.map(AsRef::as_ref));
                }
            }
            Object::Job(job) => {
                if change.old.is_none() {
                    self.fires_once(job)?;
                }
                if job::is_finished(job).is_some()
                    || job::has_condition(job::status(job), "SuccessCriteriaMet")
                {
                    self.closed.insert(job.metadata().uid.clone());
                }
                counters_only_grow(change)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn stays_on_its_node(&mut self, pod: &Pod) -> Result<(), String> {
        let node = &pod::spec(pod).node_name;
        if node.is_empty() {
            return Ok(());
        }
        let first = self
            .nodes
            .entry(pod.metadata().uid.clone())
            .or_insert_with(|| node.clone());
        if first == node {
            Ok(())
        } else {
            Err(format!("{} moved from {first} to {node}", pod.key()))
        }
    }

    /// A pod is counted when its finalizer goes because it has ended, and not when it was called off.
    fn follow_count(&mut self, old: &Pod, new: Option<&Pod>) {
        let held = |pod: &Pod| {
            pod.metadata()
                .finalizers
                .iter()
                .any(|name| name == JOB_TRACKING_FINALIZER)
        };
        let ended = pod::is_ending(old) || new.is_some_and(pod::is_finished);
        let Some(owner) = kinds::controller_of(old.metadata()) else {
            return;
        };
        if held(old) && !new.is_some_and(held) && ended && !self.closed.contains(&owner.uid) {
            *self.counted.entry(owner.uid.clone()).or_default() += 1;
        }
    }

    fn counters_are_the_pods_history(&self, job: &Job) -> Result<(), String> {
        let status = job::status(job);
        let completed = job::Indexes::parse_lenient(&status.completed_indexes).len();
        if job::is_indexed(job::spec(job)) {
            let same = i32::try_from(completed) == Ok(status.succeeded);
            return if same {
                Ok(())
            } else {
                Err(format!("{} counts {completed} indexes otherwise", job.key()))
            };
        }
        let is = i64::from(status.succeeded) + i64::from(status.failed);
        let wanted = self.counted.get(&job.metadata().uid).copied().unwrap_or(0);
        if is == wanted {
            Ok(())
        } else {
            Err(format!(
                "{} has counted {is} pods, {wanted} have ended",
                job.key()
            ))
        }
    }

    fn fires_once(&mut self, job: &Job) -> Result<(), String> {
        let metadata = job.metadata();
        let scheduled = metadata
            .annotations
            .get("batch.kubernetes.io/cronjob-scheduled-timestamp");
        let (Some(owner), Some(scheduled)) = (kinds::controller_of(metadata), scheduled) else {
            return Ok(());
        };
        if self.fired.insert((owner.uid.clone(), scheduled.clone())) {
            Ok(())
        } else {
            Err(format!(
                "{} was due once, at {scheduled}, and is made again",
                job.key()
            ))
        }
    }
}

fn states_only_move_forward(old: Option<&Pod>, new: &Pod) -> Result<(), String> {
    let moved_back = old.is_some_and(|old| {
        (pod::is_finished(old) && pod::status(old).phase != pod::status(new).phase)
            || (pod::is_ending(old) && !pod::is_ending(new))
    });
    if moved_back {
        Err(format!("{} came back to life", new.key()))
    } else {
        Ok(())
    }
}

fn counters_only_grow(change: &Change) -> Result<(), String> {
    let status = |object: &Option<Object>| {
        object
            .as_ref()
            .and_then(Job::from_object)
            .map(|job| job::status(job).clone())
    };
    let (Some(old), Some(new)) = (status(&change.old), status(&change.new)) else {
        return Ok(());
    };
    if new.succeeded < old.succeeded || new.failed < old.failed {
        return Err(format!("{} takes a count back", change.key));
    }
    Ok(())
}

/// A Job never makes a pod that it does not need: not more than run in parallel, not more than are missing, no index twice.
fn is_wanted(snapshot: &Snapshot, new: &Pod) -> Result<(), String> {
    let Some(reference) = kinds::controller_of(new.metadata()) else {
        return Ok(());
    };
    let Some(owner) = snapshot.by_uid(&reference.uid) else {
        return Err(format!(
            "{} is made for {}, which is gone",
            new.key(),
            reference.name
        ));
    };
    let Some(job) = Job::from_object(owner) else {
        return Ok(());
    };
    let pods = snapshot.controlled_by::<Pod>(&job.metadata().uid);
    let active: Vec<_> = pods.filter(|pod| pod::is_active(pod)).collect();
    let spec = job::spec(job);
    let count = i32::try_from(active.len()).unwrap_or(i32::MAX);
    let missing = spec
        .completions
        .map(|completions| completions - job::status(job).succeeded);
    if count > spec.parallelism.unwrap_or(1) || missing.is_some_and(|missing| count > missing) {
        return Err(format!("{} has {count} pods, more than it needs", job.key()));
    }
    let indexes: Vec<_> = active
        .iter()
        .filter_map(|pod| {
            pod.metadata()
                .annotations
                .get("batch.kubernetes.io/job-completion-index")
        })
        .collect();
    let different: BTreeSet<_> = indexes.iter().collect();
    if different.len() < indexes.len() {
        Err(format!("{} runs an index twice", job.key()))
    } else {
        Ok(())
    }
}

/// What must hold once nothing is left to do: nobody is owned by nobody, and every CronJob has run what was due last.
pub(super) fn check_rest(snapshot: &Snapshot, now: bosun_proto::Time) -> Result<(), String> {
    for object in Kind::ALL.iter().flat_map(|kind| snapshot.list(*kind, None)) {
        let owners = &object.metadata().owner_references;
        if !owners.is_empty() && owners.iter().all(|owner| snapshot.by_uid(&owner.uid).is_none()) {
            return Err(format!("{} is owned by nobody that exists", object.key()));
        }
    }
    for cron_job in snapshot.all::<CronJob>(None) {
        let spec = kinds::cron_job::spec(cron_job);
        let schedule = crate::cron::Schedule::parse(&spec.schedule).map_err(|error| error.to_string())?;
        let created = cron_job.metadata().creation_timestamp.unwrap_or(now);
        let last = kinds::cron_job::status(cron_job)
            .last_schedule_time
            .unwrap_or(created);
        let next = schedule.next_after(last.into(), &crate::cron::Zone::UTC);
        let free = spec.concurrency_policy != "Forbid" && spec.suspend != Some(true);
        if free && next.is_some_and(|next| next <= now.into()) {
            return Err(format!("{} has not run since {last}", cron_job.key()));
        }
    }
    Ok(())
}
