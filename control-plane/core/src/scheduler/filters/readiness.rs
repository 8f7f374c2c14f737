//! Does the node take pods at all?

use bosun_proto::Resource;
use bosun_proto::core_v1::Node;

use super::super::demand::Demand;
use super::Reason;
use crate::kinds::node;

/// A cordoned node. A toleration of the taint that marks it does not help: cordoning means that nothing new starts there.
pub(super) fn explain_unschedulable(_demand: &Demand<'_>, node: &Node) -> Option<Reason> {
    node::spec(node)
        .unschedulable
        .then_some(Reason::Borrowed("node(s) were unschedulable"))
}

/// A node that is not ready, although no taint says so (yet), or that is being removed.
pub(super) fn explain_not_taking_pods(_demand: &Demand<'_>, node: &Node) -> Option<Reason> {
    if node::takes_pods(node) {
        None
    } else if node.metadata().deletion_timestamp.is_some() {
        Some(Reason::Borrowed("node(s) were being deleted"))
    } else {
        Some(Reason::Borrowed("node(s) were not ready"))
    }
}
