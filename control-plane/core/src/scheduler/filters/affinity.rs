//! Is the node of the sort that the pod's node selector and required node affinity ask for?

use bosun_proto::Resource;
use bosun_proto::core_v1::Node;

use super::super::demand::Demand;
use super::{Reason, term_matches};

/// One objection for both, as Kubernetes words it.
pub(super) fn explain(demand: &Demand<'_>, node: &Node) -> Option<Reason> {
    let labels = &node.metadata().labels;
    let selected = demand
        .node_selector
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value));
    let required = demand.node_affinity.and_then(|affinity| {
        affinity
            .required_during_scheduling_ignored_during_execution
            .as_ref()
    });
    let wanted = required.is_none_or(|required| {
        required
            .node_selector_terms
            .iter()
            .any(|term| term_matches(term, node))
    });
    if selected && wanted {
        None
    } else {
        Some("node(s) didn't match Pod's node affinity/selector".into())
    }
}
