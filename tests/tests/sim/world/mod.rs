//! The simulated world: machines with clocks, disks and entropy of their own, joined by the simulator's network, and a
//! trace of all that happened. Owns what production code sees as its `Host`; what runs on the machines is not known here.

mod clock;
mod links;
mod machine;
mod network;
mod trace;

pub(crate) use links::Links;
pub(crate) use machine::Machine;
pub(crate) use trace::{Sum, Trace};

/// The simulated time since the beginning, the same on all machines. Outside of a machine it stands still at zero.
pub(crate) fn elapsed() -> std::time::Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}
