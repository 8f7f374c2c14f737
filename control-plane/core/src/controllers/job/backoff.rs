//! How long a Job waits after failed pods before it makes new ones. Derived from the pods that are stored, so that neither a
//! restart nor a new leader forgets it or begins it anew.

use std::sync::Arc;

use bosun_proto::Resource;
use bosun_proto::core_v1::Pod;
use bosun_proto::scalars::Time;

use super::failure_policy::{self, Action};
use super::scene::Scene;
use crate::kinds::pod;

/// The wait after the first failure; it doubles with each further one. Source: Kubernetes' Job back-off.
const FIRST_SECONDS: i64 = 10;
/// The longest wait. Source: Kubernetes since 1.28 (its documentation still says six minutes).
const LAST_SECONDS: i64 = 600;

/// When new pods may be made after `failures` in a row, of which the last was at `last_end`.
pub(super) fn after(failures: i32, last_end: Time) -> Time {
    if failures <= 0 {
        return last_end;
    }
    let doublings = (failures - 1).clamp(0, 16);
    last_end.plus_seconds((FIRST_SECONDS << doublings).min(LAST_SECONDS))
}

/// When new pods may be made; `None` when they may be made now.
///
/// The failures are those since the last success, if their pods are still there.
pub(super) fn wait_until(scene: &Scene<'_>) -> Option<Time> {
    let mut ends: Vec<Time> = scene
        .failed
        .iter()
        .filter(|pod| counts(scene, pod))
        .filter_map(|pod| pod::finished_at(pod))
        .collect();
    let last_end = ends.iter().copied().max()?;
    // Only then does it matter when the last success was, which takes a look at all pods.
    if after(i32::try_from(ends.len()).unwrap_or(i32::MAX), last_end) <= scene.now {
        return None;
    }
    let last_success = last_success(scene);
    ends.retain(|end| last_success.is_none_or(|success| *end >= success));
    let retry = after(i32::try_from(ends.len()).unwrap_or(i32::MAX), last_end);
    (!ends.is_empty() && retry > scene.now).then_some(retry)
}

/// Waiting spares the cluster work that fails again and again. What was lost with its node did not fail by itself, and there is
/// nothing to wait for: Kubernetes waits here, too, and the work of a dead node stands still for a while longer.
fn counts(scene: &Scene<'_>, pod: &Arc<Pod>) -> bool {
    let ignored = || failure_policy::decide(scene.job, pod).is_some_and(|it| it.action == Action::Ignore);
    !pod::is_disrupted(pod) && !ignored()
}

fn last_success(scene: &Scene<'_>) -> Option<Time> {
    let pods = scene.snapshot.controlled_by::<Pod>(&scene.job.metadata().uid);
    let succeeded = pods.filter(|pod| pod::status(pod).phase == pod::phase::SUCCEEDED);
    succeeded.filter_map(|pod| pod::finished_at(pod)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_from_ten_seconds_to_ten_minutes() {
        let end = Time::from_seconds(1_000);
        let waits: Vec<i64> = (0..10)
            .chain([i32::MAX])
            .map(|n| after(n, end).millis_since(end) / 1_000)
            .collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600]);
    }
}
