//! The Job controller: makes the pods of a Job, until enough have succeeded or too many have failed.
//!
//! Owns a Job's status apart from its counters, which whoever finishes a pod adds to (see [`counting`]). Pods are made and
//! deleted here; they get their node from the scheduler and their status from their agent.
//!
//! A decision is made in this order, and each step that writes something ends it (it is decided again on top of that):
//! who belongs to the Job ([`ownership`]); what has ended and is not counted ([`settling`]); whether the Job's fate is
//! decided ([`verdict`], [`finishing`]); and else how many pods should run ([`running`]). Nothing is remembered between
//! decisions: back-off and deadlines follow from stored times.

mod backoff;
pub mod counting;
mod failure_policy;
mod finishing;
mod indexes;
mod new_pods;
mod ownership;
mod pods;
mod removal;
mod running;
mod scene;
mod settling;
mod verdict;

use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::Pod;
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Object, Resource};

use super::Controller;
use crate::kinds::{self, job};
use crate::plan::{PLAN_OBJECTS_MAX, Plan};
use crate::state::{Change, Snapshot};
use scene::Scene;

/// What `spec.managedBy` says when it means this controller.
const MANAGED_HERE: &str = "kubernetes.io/job-controller";
/// At most so many pods are made, changed or deleted in one plan; each may need a count beside it, and the Job is written, too.
const PODS_PER_PLAN: usize = PLAN_OBJECTS_MAX / 2 - 1;

/// The Job controller.
#[derive(Debug)]
pub struct JobController;

impl Controller for JobController {
    fn name(&self) -> &'static str {
        "job-controller"
    }

    fn keys(&self, snapshot: &Snapshot) -> Vec<Key> {
        let jobs = snapshot.list(Kind::Job, None).map(Object::key);
        let abandoned = snapshot
            .all::<Pod>(None)
            .filter(|pod| pods::has_tracking_finalizer(pod));
        let mut keys: Vec<Key> = jobs.chain(abandoned.filter_map(|pod| job_of(pod))).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    fn touched_by(&self, change: &Change, snapshot: &Snapshot) -> Vec<Key> {
        match change.object() {
            Object::Job(_) => vec![change.key.clone()],
            Object::Pod(_) => {
                let (old, new) = (
                    change.old.as_ref().and_then(Pod::from_object),
                    change.new.as_ref().and_then(Pod::from_object),
                );
                let mut keys: Vec<Key> = [old, new]
                    .into_iter()
                    .flatten()
                    .filter_map(|pod| job_of(pod))
                    .collect();
                keys.dedup();
                if let Some(pod) = new.filter(|pod| kinds::controller_of(pod.metadata()).is_none()) {
                    keys.extend(ownership::who_may_adopt(snapshot, pod));
                }
                keys
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&self, snapshot: &Snapshot, key: &Key, now: Time) -> Plan {
        let Some(job) = snapshot.find_key::<Job>(key) else {
            return settling::abandoned(snapshot, key);
        };
        if !is_managed_here(job) {
            return Plan::default();
        }
        let ownership = ownership::plan(snapshot, job);
        if !ownership.writes.is_empty() {
            return ownership;
        }
        let scene = Scene::new(snapshot, job, now);
        let settling = settling::plan(&scene);
        if !settling.writes.is_empty() {
            return settling;
        }
        if job::is_finished(job).is_some() {
            return Plan::default();
        }
        match verdict::decide(&scene) {
            _ if scene.is_ending() => running::only_observe(&scene),
            Some(verdict) => finishing::plan(&scene, &verdict),
            None => running::plan(&scene),
        }
    }
}

/// The Job a pod belongs to, by its controller or, when it has none, by the label that every pod of a Job has.
fn job_of(pod: &Pod) -> Option<Key> {
    let metadata = pod.metadata();
    let name = match kinds::controller_of(metadata) {
        Some(owner) if owner.kind == Kind::Job.info().kind => &owner.name,
        None if pods::has_tracking_finalizer(pod) => metadata.labels.get("batch.kubernetes.io/job-name")?,
        _ => return None,
    };
    Some(Key::new(Kind::Job, &metadata.namespace, name))
}

/// True for a Job that no other controller looks after.
fn is_managed_here(job: &Job) -> bool {
    job::spec(job)
        .managed_by
        .as_deref()
        .is_none_or(|manager| manager == MANAGED_HERE)
}

/// True for a Job that replaces a pod when its deletion begins, and false for one that waits until it has failed.
fn replaces_ending_pods(job: &Job) -> bool {
    job::spec(job).pod_replacement_policy.as_deref() != Some("Failed")
}

#[cfg(test)]
mod job_tests;
