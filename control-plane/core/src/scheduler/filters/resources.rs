//! Has the node enough of what the pod requests left?

use super::super::demand::Demand;
use super::super::places::Place;
use super::Reason;

/// Each resource that is short.
pub(super) fn explain(demand: &Demand<'_>, place: &Place<'_>) -> Vec<Reason> {
    let asked = demand.requests.0.iter().filter(|(_, amount)| **amount > 0);
    asked
        .filter(|(resource, amount)| place.allocatable.get(resource) - place.used.get(resource) < **amount)
        .map(|(resource, _)| {
            if resource == "pods" {
                "Too many pods".into()
            } else {
                format!("Insufficient {resource}").into()
            }
        })
        .collect()
}
