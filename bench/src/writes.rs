//! Durable replicated writes of 1 KiB, three servers, beside a three-member etcd driven by the same load generator; and what
//! memory the leader and its followers take, before and after.
//!
//! Each client replaces its own object again and again and waits for each answer.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bosun_client::endpoint;
use bosun_host::Host;
use bosun_proto::api::objects_client::ObjectsClient;
use bosun_proto::api::{CreateRequest, UpdateRequest};
use tonic::transport::Channel;

use crate::etcd::{self, Etcd};
use crate::failover::event;
use crate::footprint::megabytes;
use crate::load::{Store, load};
use crate::machine::sync_time;
use crate::trio::Trio;

/// The payload of each write, in bytes.
const VALUE_BYTES: usize = 1024;
/// By this header a server recognises a write that is sent again; our own client always sends it.
const REQUEST_ID: &str = "bosun-request-id";

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Settings {
    /// How many clients at once; several separated by commas
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64, 1000])]
    clients: Vec<usize>,
    /// How many connections they share at most
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Talk to all three servers alike, not only to the leader
    #[arg(long)]
    spread: bool,
    /// How long each figure is measured, in seconds
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often each figure is measured, with fresh servers; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Leave etcd out
    #[arg(long)]
    alone: bool,
}

/// Prints rates, latencies and memory of both sides.
pub(crate) async fn measure(settings: &Settings) -> anyhow::Result<()> {
    let version = Etcd::version().filter(|_| !settings.alone);
    let sync = tokio::task::spawn_blocking(sync_time).await??;
    println!("the disk, append of 1 KiB and fdatasync: {sync}");
    let mut ours = vec![Vec::new(); settings.clients.len()];
    let mut theirs = ours.clone();
    for _ in 0..settings.rounds {
        side::<Trio>(settings, &mut ours).await?;
        if version.is_some() {
            side::<Etcd>(settings, &mut theirs).await?;
        }
    }
    for (at, clients) in settings.clients.iter().enumerate() {
        let ours = median(&mut ours[at]);
        print!("writes, {clients} clients: bosun {ours:.0}/s");
        if let Some(version) = &version {
            let theirs = median(&mut theirs[at]);
            print!(", etcd {version} {theirs:.0}/s, ratio {:.2}", ours / theirs);
        }
        println!();
    }
    if Etcd::version().is_none() {
        println!("etcd is not installed and was left out; Debian has it as etcd-server");
    }
    Ok(())
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Measures one side once with each number of clients, and adds the rates.
async fn side<S: Store>(settings: &Settings, rates: &mut [Vec<f64>]) -> anyhow::Result<()> {
    let store = S::start().await?;
    let leader = store.leader().await?;
    print_memory(&store, leader, "fresh")?;
    for (clients, rates) in settings.clients.iter().zip(rates) {
        let connections = settings.connections.clamp(1, (*clients).max(1));
        let channels = channels(store.addresses(), leader, connections, settings.spread)?;
        let span = Duration::from_secs(settings.seconds.max(1));
        let figure = load::<S>(&channels, *clients, VALUE_BYTES, span)
            .await
            .with_context(|| format!("{} with {clients} clients", S::NAME))?;
        println!(
            "  {}, {clients} clients: {:.0}/s, p50 {:.2?}, p99 {:.2?}",
            S::NAME,
            figure.rate,
            figure.times.percentile(50),
            figure.times.percentile(99)
        );
        rates.push(figure.rate);
    }
    print_memory(&store, leader, "after the load")
}

fn channels(
    addresses: &[String],
    leader: usize,
    connections: usize,
    spread: bool,
) -> anyhow::Result<Vec<Channel>> {
    let network = Host::system().network;
    let step = usize::from(spread);
    let servers = (0..connections).map(|number| (leader + number * step) % addresses.len());
    let channels = servers
        .map(|server| endpoint::channel(Arc::clone(&network), std::slice::from_ref(&addresses[server])));
    Ok(channels.collect::<Result<_, _>>()?)
}

fn print_memory(store: &impl Store, leader: usize, when: &str) -> anyhow::Result<()> {
    let resident: Vec<_> = store.resident_bytes()?.into_iter().map(megabytes).collect();
    let followers: Vec<_> = (0..resident.len())
        .filter(|member| *member != leader)
        .map(|member| format!("{:.1}", resident[member]))
        .collect();
    println!(
        "  {}, resident memory, {when}: leader {:.1} MB, followers {} MB",
        name_of(store),
        resident[leader],
        followers.join(" and ")
    );
    Ok(())
}

fn name_of<S: Store>(_: &S) -> &'static str {
    S::NAME
}

impl Store for Trio {
    const NAME: &'static str = "bosun";

    async fn start() -> anyhow::Result<Self> {
        Trio::start().await
    }

    fn addresses(&self) -> &[String] {
        &self.addresses
    }

    async fn leader(&self) -> anyhow::Result<usize> {
        Trio::leader(self).await
    }

    fn resident_bytes(&self) -> anyhow::Result<Vec<u64>> {
        Trio::resident_bytes(self)
    }

    async fn prepare(channel: Channel, client: usize) -> anyhow::Result<()> {
        let request = CreateRequest {
            object: Some(event(&name(client), "").to_wire()),
            dry_run: false,
        };
        match ObjectsClient::new(channel).create(identified(request)).await {
            // It is there from the figure before.
            Err(status) if status.code() == tonic::Code::AlreadyExists => Ok(()),
            other => Ok(other.map(drop)?),
        }
    }

    async fn write(channel: Channel, client: usize, value: String) -> anyhow::Result<()> {
        let request = UpdateRequest {
            object: Some(event(&name(client), &value).to_wire()),
            dry_run: false,
        };
        ObjectsClient::new(channel).update(identified(request)).await?;
        Ok(())
    }
}

impl Store for Etcd {
    const NAME: &'static str = "etcd";

    async fn start() -> anyhow::Result<Self> {
        Etcd::start().await
    }

    fn addresses(&self) -> &[String] {
        Etcd::addresses(self)
    }

    async fn leader(&self) -> anyhow::Result<usize> {
        Etcd::leader(self).await
    }

    fn resident_bytes(&self) -> anyhow::Result<Vec<u64>> {
        Etcd::resident_bytes(self)
    }

    async fn prepare(channel: Channel, client: usize) -> anyhow::Result<()> {
        Self::write(channel, client, String::new()).await
    }

    async fn write(channel: Channel, client: usize, value: String) -> anyhow::Result<()> {
        etcd::put(&channel, name(client).into_bytes(), value.into_bytes()).await
    }
}

fn name(client: usize) -> String {
    format!("client-{client}")
}

/// A request that carries an identity of its own.
fn identified<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    let mut id = [0; 16];
    Host::system().entropy.fill(&mut id);
    let id = format!("{:032x}", u128::from_be_bytes(id));
    if let Ok(id) = id.parse() {
        request.metadata_mut().insert(REQUEST_ID, id);
    }
    request
}
