//! What tests of the control plane share: a machine with a simulated clock, controllers that are run as a server runs
//! them, agents that do what the test says, and scripts that an operator can read.
//!
//! Nothing here is part of a server. Other crates get it with the feature `testing`.

mod agents;
mod clients;
mod fields;
mod fixture;
mod laws;
mod leader;
mod looks;
mod manifests;
pub mod script;
mod select;
pub mod simulation;
mod steps;

pub use fixture::Fixture;
pub use manifests::objects_from_yaml;

#[cfg(test)]
mod script_tests;
