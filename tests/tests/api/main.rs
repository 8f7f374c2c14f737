//! The wires: a server in this process on a port of loopback, and what clients and agents say to it, in raw messages and by
//! `bosun-client`. What the verbs mean for each kind is tested in the core; here it is that they arrive, whole and in order.
#![expect(
    clippy::large_futures,
    reason = "generated request messages are large; a copy more costs nothing in a test"
)]

mod agents;
mod cluster;
mod errors;
mod lists;
mod objects;
mod requests;
mod server;
mod services;
mod watches;
