//! Prefers the nodes that the pod's preferred node affinity describes.

use bosun_proto::core_v1::Node;

use super::super::demand::Demand;
use super::super::filters::term_matches;
use super::SCORE_MAX;

/// The weight of the preferences that the node meets, as a share of all. Without preferences all nodes are alike.
pub(super) fn score(demand: &Demand<'_>, node: &Node) -> i64 {
    let preferred = demand.node_affinity.map_or(&[][..], |affinity| {
        &affinity.preferred_during_scheduling_ignored_during_execution
    });
    let (mut met, mut all) = (0, 0);
    for preference in preferred {
        let weight = i64::from(preference.weight);
        all += weight;
        if preference
            .preference
            .as_ref()
            .is_some_and(|term| term_matches(term, node))
        {
            met += weight;
        }
    }
    if all <= 0 { 0 } else { SCORE_MAX * met / all }
}
