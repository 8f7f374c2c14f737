//! Prefers nodes without PreferNoSchedule taints that the pod does not tolerate.

use bosun_proto::core_v1::Node;

use super::super::demand::Demand;
use super::super::filters::tolerates;
use super::SCORE_MAX;
use crate::kinds::node;

/// Full without such a taint, a half with one, a third with two.
pub(super) fn score(demand: &Demand<'_>, node: &Node) -> i64 {
    let taints = node::spec(node).taints.iter();
    let objections =
        taints.filter(|taint| taint.effect == "PreferNoSchedule" && !tolerates(demand.tolerations, taint));
    SCORE_MAX / (1 + i64::try_from(objections.count()).unwrap_or(SCORE_MAX))
}
