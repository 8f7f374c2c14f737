//! The load generator: so many clients, each with one write under way, over a few connections. The same for every store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::machine::per_second;
use crate::statistics::Sorted;

/// Writes that end before this are not counted.
const WARM_UP: Duration = Duration::from_secs(1);

/// A replicated store of three processes.
pub(crate) trait Store: Sized + Send + Sync + 'static {
    /// For people.
    const NAME: &'static str;

    /// Starts one with fresh data directories.
    fn start() -> impl Future<Output = anyhow::Result<Self>>;

    /// Where its processes listen.
    fn addresses(&self) -> &[String];

    /// Which of them leads.
    fn leader(&self) -> impl Future<Output = anyhow::Result<usize>>;

    /// Resident memory of each, in bytes.
    fn resident_bytes(&self) -> anyhow::Result<Vec<u64>>;

    /// Makes what a client then replaces.
    fn prepare(channel: Channel, client: usize) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// Replaces a client's value by this one.
    fn write(
        channel: Channel,
        client: usize,
        value: String,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// What a store reached.
pub(crate) struct Figure {
    /// Writes per second.
    pub(crate) rate: f64,
    /// How long each took.
    pub(crate) times: Sorted,
}

/// Loads a store for so long, after a warm-up.
pub(crate) async fn load<S: Store>(
    channels: &[Channel],
    clients: usize,
    value_bytes: usize,
    span: Duration,
) -> anyhow::Result<Figure> {
    let channel_of = |client: usize| channels[client % channels.len()].clone();
    let mut preparing = JoinSet::new();
    for client in 0..clients {
        preparing.spawn(S::prepare(channel_of(client), client));
    }
    while let Some(prepared) = preparing.join_next().await {
        prepared?.context("before the load")?;
    }

    let from = Instant::now() + WARM_UP;
    let mut running = JoinSet::new();
    let filler: Arc<str> = "x".repeat(value_bytes).into();
    for client in 0..clients {
        let (channel, filler) = (channel_of(client), Arc::clone(&filler));
        running.spawn(async move {
            let mut times = Vec::new();
            for number in 0_u64.. {
                let mut value = format!("{number:020}");
                value.push_str(&filler[value.len()..]);
                let start = Instant::now();
                S::write(channel.clone(), client, value).await?;
                let end = Instant::now();
                if end >= from + span {
                    break;
                }
                if end >= from {
                    times.push(end - start);
                }
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(client) = running.join_next().await {
        times.extend(client??);
    }
    Ok(Figure {
        rate: per_second(times.len(), span),
        times: Sorted::new(times),
    })
}
