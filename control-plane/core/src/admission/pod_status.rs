//! Every change of a pod's status passes here, whoever makes it: its agent, the node lifecycle, a client.
//!
//! This is where "the pod has finished" and "its Job has counted it" become one transaction.

use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::{Pod, PodStatus};
use bosun_proto::log::Count;
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
pub fn report(
    snapshot: &Snapshot,
    stored: &Pod,
    reported: PodStatus,
    stopped: bool,
    now: Time,
) -> Vec<Write> {
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
    if is_finished(&pod) && is_uncounted(&pod) {
        writes.extend(count_of(snapshot, &pod).map(Write::Count));
        let finalizers = &mut pod.metadata.get_or_insert_default().finalizers;
        finalizers.retain(|finalizer| finalizer != JOB_TRACKING_FINALIZER);
    }
    let (old, new) = (Object::from(old.clone()), Object::from(pod));
    if new != old || deletion::may_go(&new) {
        writes.insert(0, deletion::write_of(&old, new));
    }
    writes
}

fn is_uncounted(pod: &Pod) -> bool {
    pod.metadata()
        .finalizers
        .iter()
        .any(|finalizer| finalizer == JOB_TRACKING_FINALIZER)
}

/// What this pod adds to its Job; `None` when the Job is gone, or does not count it.
fn count_of(snapshot: &Snapshot, pod: &Pod) -> Option<Count> {
    let owner = kinds::controller_of(pod.metadata())?;
    let job = snapshot.by_uid(&owner.uid).and_then(Job::from_object)?;
    counting::count(job, pod)
}

/// What the agent says, over what others wrote: conditions are merged by type, and the phase never goes back.
fn merged(stored: &PodStatus, mut reported: PodStatus) -> PodStatus {
    let said = std::mem::take(&mut reported.conditions);
    reported.conditions.clone_from(&stored.conditions);
    for condition in said {
        set_condition(&mut reported, condition);
    }
    if rank(&reported.phase) < rank(&stored.phase) {
        reported.phase.clone_from(&stored.phase);
    }
    reported.qos_class.clone_from(&stored.qos_class);
    reported
        .nominated_node_name
        .clone_from(&stored.nominated_node_name);
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
