//! Which of the nodes that do is best for a pod. Each score is from 0 (worst) to [`SCORE_MAX`].

mod least_allocated;
mod preferred_affinity;
mod preferred_taints;

use super::demand::Demand;
use super::places::Place;

/// The best score. Fine enough that one pod more on a node of thousands still counts.
pub(super) const SCORE_MAX: i64 = 1_000_000;

/// What an even load counts.
const LEAST_ALLOCATED_WEIGHT: i64 = 1;
/// What the spreading of one owner's pods counts.
const OWNER_SPREAD_WEIGHT: i64 = 2;
/// What a preferred node affinity counts.
const PREFERRED_AFFINITY_WEIGHT: i64 = 2;
/// What an untolerated PreferNoSchedule taint counts.
const PREFERRED_TAINTS_WEIGHT: i64 = 3;

/// The part of the score that cannot change while a batch runs.
pub(super) fn lasting(demand: &Demand<'_>, place: &Place<'_>) -> i64 {
    PREFERRED_AFFINITY_WEIGHT * preferred_affinity::score(demand, place.node)
        + PREFERRED_TAINTS_WEIGHT * preferred_taints::score(demand, place.node)
}

/// The part that changes with every pod of the batch. `siblings` of the pod's owner are on this node already, and at most
/// `siblings_max` on any.
pub(super) fn running(demand: &Demand<'_>, place: &Place<'_>, siblings: i64, siblings_max: i64) -> i64 {
    let spread = if siblings_max == 0 {
        SCORE_MAX
    } else {
        SCORE_MAX * (siblings_max - siblings) / siblings_max
    };
    LEAST_ALLOCATED_WEIGHT * least_allocated::score(demand, place) + OWNER_SPREAD_WEIGHT * spread
}
