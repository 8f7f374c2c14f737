//! The server: raft, API, leader driver and node sessions around the pure core.
//!
//! [`Server::start`] is the whole of it; `main`, the embedded cluster of the CLI and the tests call the same function.

mod api;
mod cluster;
mod config;
mod incoming;
mod leader;
mod nodes;
mod outgoing;
pub mod raft;
mod replica;
mod server;
#[cfg(test)]
mod test_network;

pub use config::{Config, ServerError};
pub use leader::NodeSettings;
pub use raft::StorageLimits;
pub use server::Server;
