//! How a Job ends: first it is announced and what still runs is deleted, then, when nothing is left to wait for, it is final.

use bosun_proto::Resource;
use bosun_proto::batch_v1::JobCondition;

use super::PODS_PER_PLAN;
use super::pods::has_tracking_finalizer;
use super::removal::{self, Counted};
use super::scene::{Draft, Scene};
use super::verdict::Verdict;
use crate::kinds::job;
use crate::plan::Plan;

/// Brings a Job whose fate is decided to its end.
pub(super) fn plan(scene: &Scene<'_>, verdict: &Verdict) -> Plan {
    let mut draft = scene.draft();
    let announcement = if verdict.success {
        "SuccessCriteriaMet"
    } else {
        "FailureTarget"
    };
    let is_announced = job::has_condition(scene.status, announcement);
    if !is_announced {
        set(scene, &mut draft, announcement, verdict);
    }
    // What runs when the Job fails adds to its failures; what runs when it has succeeded does not count.
    let counted = if verdict.success {
        Counted::No
    } else {
        Counted::Yes
    };
    let victims: Vec<_> = scene.active.iter().copied().take(PODS_PER_PLAN).collect();
    removal::remove(scene, &mut draft, &victims, counted);
    let waits = scene.open.iter().any(|pod| has_tracking_finalizer(pod));
    if is_announced && scene.active.is_empty() && scene.terminating.is_empty() && !waits {
        finish(scene, &mut draft, verdict);
    }
    scene.close(draft)
}

fn finish(scene: &Scene<'_>, draft: &mut Draft, verdict: &Verdict) {
    let (key, uid) = (scene.key(), &scene.job.metadata().uid);
    if verdict.success {
        set(scene, draft, "Complete", verdict);
        draft.status.completion_time = Some(scene.now);
        if let Some(wanted) = scene
            .spec
            .completions
            .filter(|wanted| scene.status.succeeded > *wanted)
        {
            let message = format!(
                "{} pods have succeeded, {wanted} were asked for",
                scene.status.succeeded
            );
            draft.plan.warn(&key, uid, "TooManySucceededPods", message);
        }
        draft.plan.note(&key, uid, "Completed", "the Job is complete");
    } else {
        set(scene, draft, "Failed", verdict);
        draft
            .plan
            .warn(&key, uid, &verdict.reason, verdict.message.as_str());
    }
}

fn set(scene: &Scene<'_>, draft: &mut Draft, condition_type: &str, verdict: &Verdict) {
    let condition = JobCondition {
        r#type: condition_type.to_owned(),
        status: "True".to_owned(),
        last_probe_time: Some(scene.now),
        last_transition_time: Some(scene.now),
        reason: verdict.reason.clone(),
        message: verdict.message.clone(),
    };
    job::set_condition(&mut draft.status, condition);
}
