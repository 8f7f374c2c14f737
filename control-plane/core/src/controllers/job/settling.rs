//! Pods that have ended without anyone counting them: deleted before they had a node, finished by a write that did not
//! count, or left behind by a Job that is gone.

use std::sync::Arc;

use bosun_proto::core_v1::Pod;
use bosun_proto::{Key, Object};

use super::counting;
use super::pods::{has_tracking_finalizer, remove_tracking_finalizer};
use super::scene::Scene;
use super::{PODS_PER_PLAN, job_of, replaces_ending_pods};
use crate::admission::deletion;
use crate::kinds::{job, pod};
use crate::plan::Plan;
use crate::state::{Snapshot, Write};

/// Counts what has to be counted now, each pod in one go with the end of its finalizer.
pub(super) fn plan(scene: &Scene<'_>) -> Plan {
    let counts_no_more =
        job::is_finished(scene.job).is_some() || job::has_condition(scene.status, "SuccessCriteriaMet");
    let is_due = |pod: &&&Arc<Pod>| {
        let at_deletion =
            counts_no_more || replaces_ending_pods(scene.job) || pod::spec(pod).node_name.is_empty();
        has_tracking_finalizer(pod) && (pod::is_finished(pod) || (pod::is_ending(pod) && at_deletion))
    };
    let mut plan = Plan::default();
    for pod in scene.open.iter().filter(is_due).take(PODS_PER_PLAN) {
        plan.writes
            .extend(counting::count(scene.job, pod).map(Write::Count));
        plan.writes.push(untrack(pod));
    }
    plan
}

/// Lets the pods go that wait for a Job that does not exist (any more).
pub(super) fn abandoned(snapshot: &Snapshot, job: &Key) -> Plan {
    let waits = |pod: &&Arc<Pod>| has_tracking_finalizer(pod) && job_of(pod).as_ref() == Some(job);
    let pods = snapshot.all::<Pod>(Some(&job.namespace)).filter(waits);
    Plan {
        writes: pods.take(PODS_PER_PLAN).map(untrack).collect(),
        ..Plan::default()
    }
}

fn untrack(pod: &Arc<Pod>) -> Write {
    let mut untracked = pod.as_ref().clone();
    remove_tracking_finalizer(&mut untracked);
    deletion::write_of(&Object::from(pod.clone()), untracked.into())
}
