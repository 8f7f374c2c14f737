//! A Job whose fate is open: how many pods should run, and what to do about the difference.

use bosun_proto::Resource;
use bosun_proto::batch_v1::{JobCondition, UncountedTerminatedPods};
use prost::Message;

use super::removal::{self, Counted};
use super::scene::{Draft, Scene};
use super::{PODS_PER_PLAN, backoff, indexes, new_pods, replaces_ending_pods};
use crate::kinds::job::{self, Indexes};
use crate::plan::{Plan, objects_in_plan};

/// Brings the number of running pods nearer to what it should be.
pub(super) fn plan(scene: &Scene<'_>) -> Plan {
    let mut draft = scene.draft();
    keep_status(scene, &mut draft);
    if scene.is_suspended() {
        suspend(scene, &mut draft);
    } else {
        start(scene, &mut draft);
        let surplus = removal::surplus(scene, wanted(scene));
        if surplus.is_empty() {
            add(scene, &mut draft);
        } else {
            let victims = &surplus[..surplus.len().min(PODS_PER_PLAN)];
            removal::remove(scene, &mut draft, victims, Counted::No);
        }
    }
    if let Some(start) = draft.status.start_time
        && let Some(seconds) = scene.spec.active_deadline_seconds
    {
        draft.plan.look_again_at(start.plus_seconds(seconds));
    }
    scene.close(draft)
}

/// A Job that is being deleted makes nothing new; it only says what is left.
pub(super) fn only_observe(scene: &Scene<'_>) -> Plan {
    scene.close(scene.draft())
}

/// What is there from the first look on, and what the size of an elastic Job has changed.
fn keep_status(scene: &Scene<'_>, draft: &mut Draft) {
    let status = &mut draft.status;
    status
        .uncounted_terminated_pods
        .get_or_insert_with(UncountedTerminatedPods::default);
    if scene.spec.backoff_limit_per_index.is_some() {
        status.failed_indexes.get_or_insert_default();
    }
    let completed = Indexes::parse_lenient(&status.completed_indexes);
    let completions = scene.spec.completions.unwrap_or(0);
    if job::is_indexed(scene.spec) && completed.last().is_some_and(|last| last >= completions) {
        let still: Indexes = completed.iter().filter(|index| *index < completions).collect();
        status.succeeded = i32::try_from(still.len()).unwrap_or(i32::MAX);
        status.completed_indexes = still.to_string();
    }
}

fn suspend(scene: &Scene<'_>, draft: &mut Draft) {
    if !job::has_condition(scene.status, "Suspended") {
        set_suspended(scene, draft, "True", "JobSuspended", "spec.suspend is true");
        draft.plan.note(
            &scene.key(),
            &scene.job.metadata().uid,
            "Suspended",
            "the Job is suspended",
        );
    }
    draft.status.start_time = None;
    let victims: Vec<_> = scene.active.iter().copied().take(PODS_PER_PLAN).collect();
    removal::remove(scene, draft, &victims, Counted::No);
}

/// The deadline counts from the start, and anew from each resumption.
fn start(scene: &Scene<'_>, draft: &mut Draft) {
    if job::has_condition(scene.status, "Suspended") {
        set_suspended(scene, draft, "False", "JobResumed", "spec.suspend is false");
        draft.status.start_time = Some(scene.now);
        draft.plan.note(
            &scene.key(),
            &scene.job.metadata().uid,
            "Resumed",
            "the Job is resumed",
        );
    }
    draft.status.start_time.get_or_insert(scene.now);
}

fn set_suspended(scene: &Scene<'_>, draft: &mut Draft, status: &str, reason: &str, message: &str) {
    let condition = JobCondition {
        r#type: "Suspended".to_owned(),
        status: status.to_owned(),
        last_probe_time: Some(scene.now),
        last_transition_time: Some(scene.now),
        reason: reason.to_owned(),
        message: message.to_owned(),
    };
    job::set_condition(&mut draft.status, condition);
}

/// How many pods should be active. With a fixed number of completions no more than are still missing; with a work queue none
/// but those that run, once a pod has succeeded.
fn wanted(scene: &Scene<'_>) -> usize {
    let parallelism = count(scene.spec.parallelism.unwrap_or(1));
    match scene.spec.completions {
        None if scene.status.succeeded > 0 => scene.active.len().min(parallelism),
        None => parallelism,
        Some(_) if job::is_indexed(scene.spec) => parallelism.min(indexes::unfinished(scene)),
        Some(completions) => parallelism.min(count(completions.saturating_sub(scene.status.succeeded))),
    }
}

fn add(scene: &Scene<'_>, draft: &mut Draft) {
    let waits = if replaces_ending_pods(scene.job) {
        0
    } else {
        scene.terminating.len()
    };
    let missing = wanted(scene)
        .saturating_sub(scene.active.len() + waits)
        .min(PODS_PER_PLAN)
        .min(objects_in_plan(
            scene.spec.template.as_ref().map_or(0, Message::encoded_len),
        ));
    if missing == 0 {
        return;
    }
    if scene.spec.backoff_limit_per_index.is_none()
        && let Some(until) = backoff::wait_until(scene)
    {
        draft.plan.look_again_at(until);
        return;
    }
    let made = if job::is_indexed(scene.spec) {
        let (needed, until) = indexes::needed(scene, missing);
        if let Some(until) = until {
            draft.plan.look_again_at(until);
        }
        draft
            .plan
            .writes
            .extend(needed.iter().map(|needed| new_pods::numbered(scene, needed)));
        needed.len()
    } else {
        draft
            .plan
            .writes
            .extend((0..missing).map(|_| new_pods::unnumbered(scene)));
        missing
    };
    draft.active += made;
    if made > 0 {
        let message = format!("Created {made} {}", if made == 1 { "pod" } else { "pods" });
        draft.plan.note(
            &scene.key(),
            &scene.job.metadata().uid,
            "SuccessfulCreate",
            message,
        );
    }
}

fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}
