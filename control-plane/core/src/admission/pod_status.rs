//! Every change of a pod's status passes here, whoever makes it: its agent, the node lifecycle, a client.
//!
//! This is where "the pod has finished" and "its Job has counted it" become one transaction.

use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::{Pod, PodCondition, PodStatus};
use bosun_proto::scalars::Time;
use bosun_proto::{Object, Resource};

use super::deletion;
use crate::controllers::job::counting;
use crate::kinds;
use crate::kinds::pod::{is_finished, set_condition, status};
use crate::state::{Snapshot, Write};

/// The finalizer that says: this finished pod is not in its Job's counters yet.
pub const JOB_TRACKING_FINALIZER: &str = "batch.kubernetes.io/job-tracking";

/// The writes for what an agent reports of a stored pod.
///
/// `stopped` says that no process of the pod is left, so that a pod that is being deleted may go. A pod that has finished
/// keeps the status it finished with: states only move forward.
pub fn report(snapshot: &Snapshot, stored: &Pod, reported: PodStatus, stopped: bool, now: Time) -> Vec<Write> {
    let mut pod = stored.clone();
    if !is_finished(stored) {
        pod.status = Some(merged(status(stored), reported));
    }
    let ends = stored.metadata().deletion_timestamp.is_some();
    if stopped && ends && !is_finished(&pod) {
        // Deleted before it could finish: nothing is left that could change this any more.
        pod.status.get_or_insert_default().phase = "Failed".into();
    }
    if ends && !stopped && is_finished(&pod) {
        // Finished as the agent sees it, but processes are left; the pod goes when they are gone.
        return Vec::new();
    }
    transition(snapshot, stored, pod, now)
}

/// The writes that make `pod` of the stored pod `old`: the pod itself or, when nothing holds it any more, its removal; and
/// its Job's count, when this finishes it.
pub fn transition(snapshot: &Snapshot, old: &Pod, mut pod: Pod, _now: Time) -> Vec<Write> {
    let mut writes = Vec::new();
    if is_finished(&pod)
        && let Some(count) = uncounted(snapshot, &pod)
    {
        let finalizers = &mut pod.metadata.get_or_insert_default().finalizers;
        finalizers.retain(|finalizer| finalizer != JOB_TRACKING_FINALIZER);
        writes.extend(count.map(Write::Count));
    }
    let (old, new) = (Object::from(old.clone()), Object::from(pod));
    if new != old || deletion::may_go(&new) {
        writes.insert(0, deletion::write_of(&old, new));
    }
    writes
}

/// `None`: nothing to be done about counting. `Some(None)`: the finalizer must go, nothing is counted (the Job is gone).
fn uncounted(snapshot: &Snapshot, pod: &Pod) -> Option<Option<bosun_proto::log::Count>> {
    let metadata = pod.metadata();
    if !metadata.finalizers.iter().any(|finalizer| finalizer == JOB_TRACKING_FINALIZER) {
        return None;
    }
    let job = kinds::controller_of(metadata)
        .and_then(|owner| snapshot.by_uid(&owner.uid))
        .and_then(Job::from_object);
    Some(job.and_then(|job| counting::count(job, pod)))
}

/// What the agent says, over what others wrote: conditions are merged by type, and the phase never goes back.
fn merged(stored: &PodStatus, mut reported: PodStatus) -> PodStatus {
    let said = std::mem::take(&mut reported.conditions);
    reported.conditions.clone_from(&stored.conditions);
    said.into_iter().for_each(|condition: PodCondition| set_condition(&mut reported, condition));
    if rank(&reported.phase) < rank(&stored.phase) {
        reported.phase.clone_from(&stored.phase);
    }
    reported.qos_class.clone_from(&stored.qos_class);
    reported.nominated_node_name.clone_from(&stored.nominated_node_name);
    reported.start_time = stored.start_time.or(reported.start_time);
    reported
}

fn rank(phase: &str) -> u8 {
    match phase {
        "Running" => 1,
        "Succeeded" | "Failed" => 2,
        _ => 0,
    }
}
