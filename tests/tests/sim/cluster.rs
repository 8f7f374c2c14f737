//! The machines of the cluster and what runs on them.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddr;
use std::time::Duration;

use bosun_client::{Client, Patience};
use bosun_control_plane::{Config, Server, StorageLimits};
use bosun_host::WallTime;
use bosun_proto::Object;
use serde_json::json;

use crate::world::{Links, Machine, Sum, Trace};

/// How far each machine runs before the next one does.
const TICK: Duration = Duration::from_millis(1);
/// When the power of the server is cut, and when it is back.
const OUTAGE: (Duration, Duration) = (Duration::from_millis(700), Duration::from_millis(1_200));

/// Runs one seed to its end.
pub(crate) fn run(seed: u64) -> Sum {
    let file =
        std::env::var_os("BOSUN_SIM_TRACE").map(|path| File::create(path).expect("the trace can be written"));
    let trace = Trace::new(file);
    let links = Links::default();
    let epoch = WallTime::UNIX_EPOCH + Duration::from_hours(500_000);
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .epoch(epoch.into())
        .simulation_duration(Duration::from_mins(2))
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(10))
        .tcp_capacity(65_536)
        .enable_random_order()
        .build();
    let server = Machine::new("server-1", seed, epoch, &links, &trace);
    let machine = server.clone();
    sim.host("server-1", move || serve(machine.clone()));
    let client = Machine::new("client-1", seed, epoch, &links, &trace);
    client.skew.set_milliseconds(-250);
    sim.client("client-1", write(client));
    let until = |end: Duration, sim: &mut turmoil::Sim<'_>| {
        while sim.elapsed() < end {
            sim.step().expect("all goes well");
        }
    };
    until(OUTAGE.0, &mut sim);
    // A machine without power says nothing: what it has under way must not reach anyone. It is also what makes the run
    // repeat, as the order in which a dead program's connections are closed does not.
    links.set(BTreeSet::from([("server-1".to_owned(), "client-1".to_owned())]));
    sim.partition("server-1", "client-1");
    sim.crash("server-1");
    server.lose_power();
    until(OUTAGE.1, &mut sim);
    links.set(BTreeSet::new());
    sim.repair("server-1", "client-1");
    sim.bounce("server-1");
    sim.run().expect("all goes well");
    trace.sum()
}

async fn serve(machine: Machine) -> turmoil::Result {
    let host = machine.host();
    let address = SocketAddr::new(turmoil::lookup(&*machine.name), 7400);
    let config = Config {
        insecure_plaintext: true,
        storage: StorageLimits {
            log_segment_bytes: 64 << 10,
            snapshot_after_entries: 50,
            ..StorageLimits::default()
        },
        ..Config::new("/data", address)
    };
    let server = Server::start(config, host).await?;
    let reason = server.failed().await;
    panic!("a server failed: {reason}");
}

/// Writes one object after the other; what cannot be known to be written is written again.
async fn write(machine: Machine) -> turmoil::Result {
    let host = machine.host();
    let client = Client::new(host.network.clone(), &["server-1:7400".to_owned()])?
        .with_patience(Patience(Duration::from_secs(10)));
    for number in 0..100 {
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("n-{number}")}});
        let (object, _) = Object::from_json(object)?;
        loop {
            match client.create(&object, false).await {
                Ok(_) => break,
                Err(error) if error.to_string().contains("already exists") => break,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
    Ok(())
}
