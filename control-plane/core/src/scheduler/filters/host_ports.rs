//! Are the ports free that the pod wants on the node itself?

use super::super::demand::Demand;
use super::super::places::Place;
use super::Reason;

/// One objection, however many ports collide.
pub(super) fn explain(demand: &Demand<'_>, place: &Place<'_>) -> Option<Reason> {
    let taken = |wanted| place.host_ports().iter().any(|taken| taken.collides_with(wanted));
    // The lookup of taken ports costs, so it is not begun for a pod that wants none.
    demand.host_ports.iter().any(taken).then_some(Reason::Borrowed(
        "node(s) didn't have free ports for the requested pod ports",
    ))
}
