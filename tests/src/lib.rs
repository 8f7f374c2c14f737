//! Tests that need more than one crate: simulation, API, end to end, scripts, tidiness.
