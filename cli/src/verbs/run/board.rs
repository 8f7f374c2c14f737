//! Owns what a run knows: the objects it applied, what grew out of them, and whether the work is done. Pure: it is told
//! changes and asked questions.

use super::pods;
use bosun_client::{Change, ChangeKind};
use bosun_core::kinds;
use bosun_proto::batch_v1::{Job, JobCondition};
use bosun_proto::core_v1::Pod;
use bosun_proto::{Kind, Object, Resource as _, Time};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Owner references are followed so many steps up (pod, Job, CronJob).
const OWNER_STEPS_MAX: usize = 4;

/// How a piece of work ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It did what was wanted.
    Succeeded,
    /// It did not, and why.
    Failed(String),
}

/// The container output that shall be shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    /// The pod's uid.
    pub(super) uid: String,
    /// Its namespace.
    pub(super) namespace: String,
    /// Its name.
    pub(super) pod: String,
    /// The container.
    pub(super) container: String,
    /// Which run of the container: how often it was restarted before.
    pub(super) run: i32,
    /// The run before the present one is meant.
    pub(super) previous: bool,
}

/// Everything a run knows.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// The uids of what the run applied, in the order of the files.
    roots: Vec<String>,
    /// All objects seen, by uid; those that are gone stay, as they last were.
    objects: BTreeMap<String, Object>,
    gone: BTreeSet<String>,
    shown: BTreeSet<(String, String, i32)>,
}

impl Board {
    /// Notes an object that the run applied.
    pub(super) fn add_root(&mut self, object: &Object) {
        let uid = object.metadata().uid.clone();
        self.objects.entry(uid.clone()).or_insert_with(|| object.clone());
        self.roots.push(uid);
    }

    /// Takes in a change of any object; gives the containers whose output began by it.
    pub(super) fn observe(&mut self, change: &Change) -> Vec<Source> {
        let uid = change.object.metadata().uid.clone();
        if change.kind == ChangeKind::Deleted {
            self.gone.insert(uid.clone());
        }
        self.objects.insert(uid.clone(), change.object.clone());
        match &change.object {
            Object::Pod(pod) => self.new_sources(&[Arc::clone(pod)]),
            // A pod may have been seen before what owns it.
            Object::Job(_) | Object::ReplicaSet(_) | Object::CronJob(_) if !self.roots.contains(&uid) => {
                let pods: Vec<Arc<Pod>> = self
                    .objects
                    .values()
                    .filter_map(Pod::from_object)
                    .cloned()
                    .collect();
                self.new_sources(&pods)
            }
            Object::Job(_)
            | Object::ReplicaSet(_)
            | Object::CronJob(_)
            | Object::Namespace(_)
            | Object::Node(_)
            | Object::Event(_) => Vec::new(),
        }
    }

    /// Forgets an object that is gone and that no account will need: whatever grew out of a root without an end. A run may
    /// go on for months.
    pub(super) fn forget(&mut self, object: &Object) -> bool {
        let uid = &object.metadata().uid;
        let root = self.root_of(uid);
        let needed =
            root.is_some_and(|root| root == *uid || self.work().any(|work| work.metadata().uid == root));
        if needed || !self.gone.remove(uid) {
            return false;
        }
        self.objects.remove(uid);
        self.shown.retain(|(pod, _, _)| pod != uid);
        true
    }

    /// What the run applied, as it now is.
    pub(super) fn roots(&self) -> impl Iterator<Item = &Object> {
        self.roots.iter().filter_map(|uid| self.objects.get(uid))
    }

    /// Whether an object is there no more.
    pub(super) fn is_gone(&self, object: &Object) -> bool {
        self.gone.contains(&object.metadata().uid)
    }

    /// The pods that a root is or owns, by name.
    pub(super) fn pods_of(&self, root: &Object) -> Vec<&Arc<Pod>> {
        let uid = &root.metadata().uid;
        let mut pods: Vec<&Arc<Pod>> = self
            .objects
            .values()
            .filter_map(Pod::from_object)
            .filter(|pod| self.root_of(&pod.metadata().uid).as_ref() == Some(uid))
            .collect();
        pods.sort_by(|one, other| one.metadata().name.cmp(&other.metadata().name));
        pods
    }

    /// The root that an object is or belongs to.
    fn root_of(&self, uid: &str) -> Option<String> {
        let mut uid = uid.to_owned();
        for _ in 0..OWNER_STEPS_MAX {
            if self.roots.contains(&uid) {
                return Some(uid);
            }
            let owner = kinds::controller_of(self.objects.get(&uid)?.metadata())?;
            uid.clone_from(&owner.uid);
        }
        None
    }

    /// The roots whose end is waited for: Jobs, and pods that are not restarted for ever.
    pub(super) fn work(&self) -> impl Iterator<Item = &Object> {
        self.roots().filter(|object| match object {
            Object::Job(_) => true,
            Object::Pod(pod) => kinds::pod::spec(pod).restart_policy != "Always",
            Object::ReplicaSet(_)
            | Object::CronJob(_)
            | Object::Namespace(_)
            | Object::Node(_)
            | Object::Event(_) => false,
        })
    }

    /// Whether all work has ended, one way or the other. False when there is no work.
    pub(super) fn is_done(&self) -> bool {
        self.work().next().is_some() && self.work().all(|object| self.end(object).is_some())
    }

    /// Whether all work has ended well.
    pub(super) fn has_succeeded(&self) -> bool {
        self.work().all(|object| self.end(object) == Some(End::Succeeded))
    }

    /// How a piece of work ended; `None` while it goes on.
    pub(super) fn end(&self, object: &Object) -> Option<End> {
        let ended = match object {
            Object::Job(job) => job_end(job),
            Object::Pod(pod) if kinds::pod::is_finished(pod) => Some(pod_end(pod)),
            Object::Pod(_)
            | Object::ReplicaSet(_)
            | Object::CronJob(_)
            | Object::Namespace(_)
            | Object::Node(_)
            | Object::Event(_) => None,
        };
        ended.or_else(|| {
            self.is_gone(object)
                .then(|| End::Failed("it was deleted before it ended".to_owned()))
        })
    }

    /// Whether a pod has ended or is gone, so that its output is complete.
    pub(super) fn is_over(&self, uid: &str) -> bool {
        let pod = self.objects.get(uid).and_then(Pod::from_object);
        self.gone.contains(uid) || pod.is_none_or(|pod| kinds::pod::is_finished(pod))
    }

    /// Whether a pod's output must be told apart by container.
    pub(super) fn has_several_containers(&self, uid: &str) -> bool {
        let pod = self.objects.get(uid).and_then(Pod::from_object);
        pod.is_some_and(|pod| {
            let spec = kinds::pod::spec(pod);
            spec.containers.len() + spec.init_containers.len() > 1
        })
    }

    /// The runs of these pods' containers that have begun and were not given before.
    fn new_sources(&mut self, pods: &[Arc<Pod>]) -> Vec<Source> {
        let own = pods
            .iter()
            .filter(|pod| self.root_of(&pod.metadata().uid).is_some());
        let found: Vec<Source> = own.flat_map(|pod| sources(pod, &self.shown)).collect();
        for source in &found {
            self.shown
                .insert((source.uid.clone(), source.container.clone(), source.run));
        }
        found
    }
}

/// The runs of a pod's containers that have begun and are not among those shown.
fn sources(pod: &Pod, shown: &BTreeSet<(String, String, i32)>) -> Vec<Source> {
    let metadata = pod.metadata();
    let status = kinds::pod::status(pod);
    let mut sources = Vec::new();
    for container in status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
    {
        let run = container.restart_count;
        let source = |run: i32, previous: bool| Source {
            uid: metadata.uid.clone(),
            namespace: metadata.namespace.clone(),
            pod: metadata.name.clone(),
            container: container.name.clone(),
            run,
            previous,
        };
        let is_new = |run: i32| !shown.contains(&(metadata.uid.clone(), container.name.clone(), run));
        if run > 0 && is_new(run - 1) {
            sources.push(source(run - 1, true));
        }
        if pods::has_begun(container) && is_new(run) {
            sources.push(source(run, false));
        }
    }
    sources
}

/// The condition of that type, when it holds.
pub(super) fn job_condition<'a>(job: &'a Job, name: &str) -> Option<&'a JobCondition> {
    let conditions = job.status.as_ref().map_or(&[][..], |status| &status.conditions);
    conditions
        .iter()
        .find(|condition| condition.r#type == name && condition.status == "True")
}

fn job_end(job: &Job) -> Option<End> {
    if job_condition(job, "Complete").is_some() {
        return Some(End::Succeeded);
    }
    let failed = job_condition(job, "Failed")?;
    let message = if failed.message.is_empty() {
        String::new()
    } else {
        format!(": {}", failed.message)
    };
    Some(End::Failed(format!("{}{message}", failed.reason)))
}

fn pod_end(pod: &Pod) -> End {
    if kinds::pod::status(pod).phase == kinds::pod::phase::SUCCEEDED {
        End::Succeeded
    } else {
        End::Failed(pods::failure(pod).unwrap_or_else(|| "Failed".to_owned()))
    }
}

/// How long a piece of work took, or has taken so far, in seconds.
pub(super) fn seconds(object: &Object, now: Time) -> Option<i64> {
    let (start, end) = match object {
        Object::Job(job) => {
            let status = job.status.as_ref()?;
            let failed = job_condition(job, "Failed").and_then(|failed| failed.last_transition_time);
            (status.start_time, status.completion_time.or(failed))
        }
        Object::Pod(pod) => {
            let finished = kinds::pod::is_finished(pod)
                .then(|| kinds::pod::finished_at(pod))
                .flatten();
            (kinds::pod::status(pod).start_time, finished)
        }
        Object::ReplicaSet(_)
        | Object::CronJob(_)
        | Object::Namespace(_)
        | Object::Node(_)
        | Object::Event(_) => (object.metadata().creation_timestamp, None),
    };
    Some(end.unwrap_or(now).millis_since(start?).max(0) / 1_000)
}

/// The kinds whose objects a run follows.
pub(super) const FOLLOWED: &[Kind] = &[Kind::CronJob, Kind::Job, Kind::ReplicaSet, Kind::Pod];

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
