//! The server: raft, API, leader driver and node sessions around the pure core.
