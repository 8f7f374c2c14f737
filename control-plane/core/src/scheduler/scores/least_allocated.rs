//! Prefers the node with the most left, so that the load is even.

use super::super::demand::Demand;
use super::super::places::Place;
use super::SCORE_MAX;

/// `pods` is one of them so that pods without requests are spread, too.
const RESOURCES: [&str; 3] = ["cpu", "memory", "pods"];

/// The mean share of each resource that is left once the pod is there.
pub(super) fn score(demand: &Demand<'_>, place: &Place<'_>) -> i64 {
    let shares = RESOURCES.iter().filter_map(|resource| {
        let offered = place.allocatable.get(resource);
        let held = place.used.get(resource) + demand.requests.get(resource);
        (offered > 0).then(|| share(offered - held, offered))
    });
    let (count, sum) = shares.fold((0, 0), |(count, sum), share| (count + 1, sum + share));
    if count == 0 { 0 } else { sum / count }
}

fn share(left: i128, offered: i128) -> i64 {
    let share = left.max(0) * i128::from(SCORE_MAX) / offered;
    i64::try_from(share).unwrap_or(SCORE_MAX).min(SCORE_MAX)
}
