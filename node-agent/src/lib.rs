//! The node agent: dials the control plane and runs what it is assigned.

pub mod journal;
pub mod pod;
pub mod runtime;
