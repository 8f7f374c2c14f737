//! Which nodes do for a pod. Each filter explains why a node does not do; a node that no filter objects to, does.

mod affinity;
mod host_ports;
mod readiness;
mod resources;
mod selector_terms;
mod taints;

use std::borrow::Cow;

use bosun_proto::core_v1::Node;

use super::demand::Demand;
use super::places::Place;

pub(super) use selector_terms::term_matches;
pub(super) use taints::tolerates;

/// Why a node does not do, in the words of an operator; completes "2 ...".
pub(super) type Reason = Cow<'static, str>;

/// What cannot change while a batch runs: looked at once for all pods of equal demand.
const LASTING: &[fn(&Demand<'_>, &Node) -> Option<Reason>] = &[
    readiness::explain_unschedulable,
    taints::explain,
    affinity::explain,
    readiness::explain_not_taking_pods,
];

/// Why a node will not do for any pod of this demand while the batch runs. The first objection counts.
pub(super) fn explain_lasting(demand: &Demand<'_>, node: &Node) -> Option<Reason> {
    LASTING.iter().find_map(|explain| explain(demand, node))
}

/// Why a node has no room now. All that is lacking is named.
pub(super) fn explain_room(demand: &Demand<'_>, place: &Place<'_>) -> Vec<Reason> {
    match host_ports::explain(demand, place) {
        Some(reason) => vec![reason],
        None => resources::explain(demand, place),
    }
}

/// True when the node has room now: [`explain_room`] without the words.
pub(super) fn has_room(demand: &Demand<'_>, place: &Place<'_>) -> bool {
    place.used.lacking(&place.allocatable, &demand.requests).is_none()
        && host_ports::explain(demand, place).is_none()
}
