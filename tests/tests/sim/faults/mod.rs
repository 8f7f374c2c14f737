//! What goes wrong, and when: decided by the seed before the run begins, carried out between the steps of the simulator.

mod nemesis;
mod plan;

pub(crate) use nemesis::Nemesis;
pub(crate) use plan::{Fault, Plan, Planned};
