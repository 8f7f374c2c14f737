//! What goes on all the while: writes and reads of registers, watches, and work submitted. Everything is recorded.

pub(crate) mod registers;
pub(crate) mod watches;
pub(crate) mod work;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bosun_client::Client;
use bosun_proto::Object;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::random::Random;
use registers::Registers;
use watches::Watched;
use work::Work;

/// How long a client tries before it says that it does not know.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the first objects may take: the servers have to find each other first.
const START_MAX: Duration = Duration::from_mins(1);
/// Clients that speak to whichever server answers, besides one for each server.
const FREE_CLIENTS: usize = 3;

/// The clients of a run.
pub(crate) struct Clients {
    registers: Arc<Registers>,
    work: Arc<Work>,
    watches: Vec<(String, tokio::task::JoinHandle<Watched>)>,
    writers: JoinSet<()>,
    stop: CancellationToken,
    stop_watches: CancellationToken,
}

/// What the clients recorded.
pub(crate) struct Evidence {
    pub(crate) registers: Arc<Registers>,
    pub(crate) work: Arc<Work>,
    pub(crate) watched: Vec<(String, Watched)>,
}

impl Clients {
    /// Makes what they work on and starts them.
    pub(crate) async fn start(cluster: &Cluster, seed: u64) -> Result<Self> {
        let first = cluster.client(START_MAX);
        for namespace in [registers::NAMESPACE, work::NAMESPACE] {
            create(
                &first,
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
            )
            .await?;
        }
        let work = Arc::new(Work::new(&cluster.records_inside()));
        work.begin(&first).await?;
        let registers = Arc::new(Registers::default());
        let (stop, stop_watches) = (CancellationToken::new(), CancellationToken::new());
        let mut watches = Vec::new();
        let mut readers = cluster.clients_of_one(PATIENCE);
        readers.push(("any server".to_owned(), cluster.client(PATIENCE)));
        for (name, client) in readers {
            let version = watches::start_version(&first).await?;
            let watching = watches::watch(client, version, stop_watches.clone());
            watches.push((name, tokio::spawn(watching)));
        }
        let mut writers = JoinSet::new();
        let mut all = cluster.clients_of_one(PATIENCE);
        all.extend((0..FREE_CLIENTS).map(|number| (format!("free-{number}"), cluster.client(PATIENCE))));
        for (stream, (name, client)) in (10..).zip(all) {
            let random = Random::new(seed, stream);
            writers.spawn(registers::use_them(
                registers.clone(),
                name,
                client,
                random,
                stop.clone(),
            ));
        }
        writers.spawn(work::submit(
            work.clone(),
            cluster.client(PATIENCE),
            Random::new(seed, 5),
            stop.clone(),
        ));
        writers.spawn(registers::turn_over(registers.clone(), stop.clone()));
        Ok(Self {
            registers,
            work,
            watches,
            writers,
            stop,
            stop_watches,
        })
    }

    /// Ends the writers, waits until the cluster is at rest, and ends the watches.
    pub(crate) async fn stop(mut self, cluster: &mut Cluster) -> Evidence {
        self.stop.cancel();
        while let Some(ended) = self.writers.join_next().await {
            ended.expect("a client of the test has no bugs");
        }
        self.work.settle(cluster).await;
        self.stop_watches.cancel();
        let mut watched = Vec::new();
        for (name, watch) in self.watches {
            watched.push((name, watch.await.expect("a watcher of the test has no bugs")));
        }
        Evidence {
            registers: self.registers,
            work: self.work,
            watched,
        }
    }
}

/// Makes an object, or finds it made by an attempt whose answer was lost.
async fn create(client: &Client, manifest: serde_json::Value) -> Result<()> {
    let object = object(manifest);
    let deadline = tokio::time::Instant::now() + START_MAX;
    loop {
        match client.create(&object, false).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_already_exists() => return Ok(()),
            Err(error) if tokio::time::Instant::now() > deadline => {
                return Err(error).with_context(|| format!("create {}", object.metadata().name));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// An object of its JSON.
pub(crate) fn object(manifest: serde_json::Value) -> Object {
    Object::from_json(manifest)
        .expect("a manifest of the test is right")
        .0
}
