//! What runs on the machines: the same servers and agents as in production.

use std::net::SocketAddr;
use std::sync::Arc;

use bosun_control_plane::{Config, Server, StorageLimits};
use bosun_proto::scalars::Amount;

use crate::settings::{PORT, SERVERS, names, node_times};
use crate::world::Machine;

/// The addresses of all servers.
pub(crate) fn addresses() -> Vec<String> {
    let names = names("server", SERVERS);
    names.iter().map(|name| format!("{name}:{PORT}")).collect()
}

/// Small, so that a run of some seconds rolls segments, makes snapshots and sends them.
fn storage() -> StorageLimits {
    StorageLimits {
        snapshot_after_entries: 60,
        log_segment_bytes: 32 << 10,
        log_cache_bytes: 8 << 10,
        ..StorageLimits::default()
    }
}

/// A server, for as long as its machine lets it.
pub(crate) async fn serve(machine: Machine) -> turmoil::Result {
    let listen = SocketAddr::new(turmoil::lookup(&*machine.name), PORT);
    let config = Config {
        insecure_plaintext: true,
        storage: storage(),
        nodes: node_times(),
        servers: addresses(),
        name: Some(machine.name.to_string()),
        advertise: Some(format!("{}:{PORT}", machine.name)),
        ..Config::new("/data", listen)
    };
    let server = Server::start(config, machine.host()).await;
    let server = server.map_err(|error| format!("{} does not start: {error}", machine.name))?;
    let reason = server.failed().await;
    Err(format!("{} cannot go on: {reason}", machine.name).into())
}

/// An agent, for as long as its machine lets it.
pub(crate) async fn attend(machine: Machine) -> turmoil::Result {
    let host = machine.host();
    let runtime = machine.containers.runtime(host.clone());
    let mut config = bosun_node_agent::Config::new(&*machine.name, addresses(), "/agent");
    config.insecure_plaintext = true;
    config.capacity.insert("cpu".to_owned(), Amount::from_value(4));
    config
        .capacity
        .insert("memory".to_owned(), Amount::from_bytes(8 << 30));
    let end = bosun_node_agent::run(config, host, runtime).await;
    let name = Arc::clone(&machine.name);
    Err(format!("the agent of {name} cannot go on: {end:?}").into())
}
