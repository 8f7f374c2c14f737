//! Indexed Jobs: which indexes need a pod now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bosun_proto::core_v1::Pod;
use bosun_proto::scalars::Time;

use super::failure_policy::{self, Action};
use super::pods::{completion_index, failures_of_index, ignored_failures_of_index};
use super::scene::Scene;
use super::{backoff, replaces_ending_pods};
use crate::kinds::job::Indexes;
use crate::kinds::pod;

/// How often an index has failed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Failures {
    /// Counted ones.
    pub(super) counted: i32,
    /// Those that the pod failure policy ignores.
    pub(super) ignored: i32,
}

/// An index that needs a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needed {
    pub(super) index: i32,
    pub(super) failures: Failures,
}

/// The lowest indexes that need a pod now, at most `limit`; and when the next one may get its pod that has to wait.
pub(super) fn needed(scene: &Scene<'_>, limit: usize) -> (Vec<Needed>, Option<Time>) {
    let history = if scene.spec.backoff_limit_per_index.is_some() {
        history(scene)
    } else {
        BTreeMap::new()
    };
    let mut wait_until: Option<Time> = None;
    let mut found = Vec::new();
    for index in free(scene) {
        if found.len() == limit {
            break;
        }
        let (failures, last_end) = history.get(&index).copied().unwrap_or_default();
        let retry =
            last_end.map(|end| backoff::after(failures.counted.saturating_add(failures.ignored), end));
        match retry.filter(|retry| *retry > scene.now) {
            Some(retry) => wait_until = Some(wait_until.map_or(retry, |until| until.min(retry))),
            None => found.push(Needed { index, failures }),
        }
    }
    (found, wait_until)
}

/// How many indexes need a pod or have one.
pub(super) fn unfinished(scene: &Scene<'_>) -> usize {
    let ended = |text: &str| Indexes::parse_lenient(text).len();
    let ended = ended(&scene.status.completed_indexes)
        + ended(scene.status.failed_indexes.as_deref().unwrap_or_default());
    usize::try_from(scene.spec.completions.unwrap_or(0))
        .unwrap_or(0)
        .saturating_sub(ended)
}

/// Neither completed nor failed for good, and without a pod; ascending.
fn free(scene: &Scene<'_>) -> impl Iterator<Item = i32> + use<> {
    let completed = Indexes::parse_lenient(&scene.status.completed_indexes);
    let failed = Indexes::parse_lenient(scene.status.failed_indexes.as_deref().unwrap_or_default());
    let mut taken: BTreeSet<i32> = scene
        .active
        .iter()
        .filter_map(|pod| completion_index(pod))
        .collect();
    if !replaces_ending_pods(scene.job) {
        taken.extend(scene.terminating.iter().filter_map(|pod| completion_index(pod)));
    }
    let all = 0..scene.spec.completions.unwrap_or(0);
    all.filter(move |index| !completed.contains(*index) && !failed.contains(*index) && !taken.contains(index))
}

/// By index: how often it has failed, and when it did the last time.
fn history(scene: &Scene<'_>) -> BTreeMap<i32, (Failures, Option<Time>)> {
    let mut history: BTreeMap<i32, (Failures, Option<Time>)> = BTreeMap::new();
    for pod in &scene.failed {
        let Some(index) = completion_index(pod) else {
            continue;
        };
        let with_this = failures_with(scene, pod);
        let entry = history.entry(index).or_default();
        let total = |failures: &Failures| failures.counted.saturating_add(failures.ignored);
        if total(&with_this) > total(&entry.0) {
            *entry = (with_this, pod::finished_at(pod));
        }
    }
    history
}

fn failures_with(scene: &Scene<'_>, pod: &Arc<Pod>) -> Failures {
    let (counted, ignored) = (failures_of_index(pod), ignored_failures_of_index(pod));
    let decision = failure_policy::decide(scene.job, pod);
    if decision.is_some_and(|decision| decision.action == Action::Ignore) {
        Failures {
            counted,
            ignored: ignored.saturating_add(1),
        }
    } else {
        Failures {
            counted: counted.saturating_add(1),
            ignored,
        }
    }
}
