//! What tests of several crates share. The tests themselves are in `tests/tests/`: simulation, API, scripts, tidiness.

pub mod linearizability;
