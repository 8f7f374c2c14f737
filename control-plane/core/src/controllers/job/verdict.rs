//! Whether a Job's fate is decided, and how: the order in which the reasons are looked at is Kubernetes'.

use bosun_proto::scalars::Time;

use super::failure_policy::{self, Action};
use super::scene::Scene;
use crate::kinds::job::{self, Indexes};
use crate::kinds::pod;

/// How a Job ends, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) success: bool,
    /// The reason of the conditions: one word.
    pub(super) reason: String,
    /// For people.
    pub(super) message: String,
}

impl Verdict {
    fn success(reason: &str, message: impl Into<String>) -> Self {
        Self {
            success: true,
            reason: reason.into(),
            message: message.into(),
        }
    }

    fn failure(reason: &str, message: impl Into<String>) -> Self {
        Self {
            success: false,
            reason: reason.into(),
            message: message.into(),
        }
    }
}

/// `None` while the Job goes on.
pub(super) fn decide(scene: &Scene<'_>) -> Option<Verdict> {
    announced(scene)
        .or_else(|| failure_policy_says_so(scene))
        .or_else(|| too_many_failures(scene))
        .or_else(|| deadline_passed(scene))
        .or_else(|| too_many_failed_indexes(scene))
        .or_else(|| success_policy_met(scene))
        .or_else(|| completed(scene))
}

/// When the Job's deadline is, while it runs.
pub(super) fn deadline(scene: &Scene<'_>) -> Option<Time> {
    let start = scene.status.start_time?;
    let seconds = scene
        .spec
        .active_deadline_seconds
        .filter(|_| !scene.is_suspended())?;
    Some(start.plus_seconds(seconds))
}

/// What was decided stays decided.
fn announced(scene: &Scene<'_>) -> Option<Verdict> {
    let holds =
        |condition_type| job::condition(scene.status, condition_type).filter(|found| found.status == "True");
    let success = holds("SuccessCriteriaMet").map(|met| Verdict::success(&met.reason, &met.message));
    success.or_else(|| holds("FailureTarget").map(|target| Verdict::failure(&target.reason, &target.message)))
}

fn failure_policy_says_so(scene: &Scene<'_>) -> Option<Verdict> {
    scene.spec.pod_failure_policy.as_ref()?;
    let decisions = scene
        .failed
        .iter()
        .filter_map(|pod| failure_policy::decide(scene.job, pod));
    let decision = decisions
        .into_iter()
        .find(|decision| decision.action == Action::FailJob)?;
    Some(Verdict::failure("PodFailurePolicy", decision.message))
}

fn too_many_failures(scene: &Scene<'_>) -> Option<Verdict> {
    const DEFAULT_LIMIT: i32 = 6;
    let limit = scene.spec.backoff_limit.unwrap_or(DEFAULT_LIMIT);
    if scene.status.failed > limit {
        let failed = scene.status.failed;
        let pods = if failed == 1 { "pod has" } else { "pods have" };
        let message = format!("{failed} {pods} failed, spec.backoffLimit allows {limit}");
        return Some(Verdict::failure("BackoffLimitExceeded", message));
    }
    let restarts_in_place = scene.spec.template.as_ref()?.spec.as_ref()?.restart_policy == "OnFailure";
    let running = scene.active.iter().chain(&scene.terminating);
    let restarts: i32 = running.map(|pod| restarts(pod)).fold(0, i32::saturating_add);
    if !restarts_in_place || restarts == 0 || restarts < limit {
        return None;
    }
    let message =
        format!("containers were restarted {restarts} times, spec.backoffLimit allows less than {limit}");
    Some(Verdict::failure("BackoffLimitExceeded", message))
}

fn restarts(pod: &bosun_proto::core_v1::Pod) -> i32 {
    let status = pod::status(pod);
    let containers = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses);
    containers
        .map(|container| container.restart_count)
        .fold(0, i32::saturating_add)
}

fn deadline_passed(scene: &Scene<'_>) -> Option<Verdict> {
    let seconds = scene.spec.active_deadline_seconds?;
    deadline(scene)
        .filter(|deadline| *deadline <= scene.now)
        .map(|_| {
            let message = format!("the Job ran longer than spec.activeDeadlineSeconds ({seconds}) allows");
            Verdict::failure("DeadlineExceeded", message)
        })
}

fn too_many_failed_indexes(scene: &Scene<'_>) -> Option<Verdict> {
    scene.spec.backoff_limit_per_index?;
    let failed = Indexes::parse_lenient(scene.status.failed_indexes.as_deref().unwrap_or_default()).len();
    if let Some(limit) = scene.spec.max_failed_indexes
        && i32::try_from(failed).unwrap_or(i32::MAX) > limit
    {
        let message = format!("{failed} indexes have failed, spec.maxFailedIndexes allows {limit}");
        return Some(Verdict::failure("MaxFailedIndexesExceeded", message));
    }
    let completed = Indexes::parse_lenient(&scene.status.completed_indexes).len();
    let all = usize::try_from(scene.spec.completions?).unwrap_or(0);
    (failed > 0 && failed + completed >= all).then(|| {
        Verdict::failure(
            "FailedIndexes",
            format!("every index has ended, and {failed} of {all} have failed"),
        )
    })
}

fn success_policy_met(scene: &Scene<'_>) -> Option<Verdict> {
    let rules = &scene.spec.success_policy.as_ref()?.rules;
    let completed = Indexes::parse_lenient(&scene.status.completed_indexes);
    let place = rules.iter().position(|rule| {
        let wanted = rule.succeeded_indexes.as_deref().map(Indexes::parse_lenient);
        let met = match &wanted {
            Some(wanted) => wanted.iter().filter(|index| completed.contains(*index)).count(),
            None => completed.len(),
        };
        let needed = match (rule.succeeded_count, &wanted) {
            (Some(count), _) => usize::try_from(count).unwrap_or(0),
            (None, Some(wanted)) => wanted.len(),
            (None, None) => return false,
        };
        met >= needed
    })?;
    Some(Verdict::success(
        "SuccessPolicy",
        format!("rule {place} of spec.successPolicy is met"),
    ))
}

fn completed(scene: &Scene<'_>) -> Option<Verdict> {
    if !scene.active.is_empty() {
        return None;
    }
    let message = match scene.spec.completions {
        Some(wanted) if scene.status.succeeded >= wanted => format!("all {wanted} completions are reached"),
        None if scene.status.succeeded > 0 => "a pod has succeeded, and no other one runs".to_owned(),
        _ => return None,
    };
    Some(Verdict::success("CompletionsReached", message))
}
