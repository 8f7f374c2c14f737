//! One run: start, faults while clients work, healing, and the checks.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;

use crate::checks;
use crate::clients::Clients;
use crate::cluster::Cluster;
use crate::faults::Faults;
use crate::random::Random;
use crate::settings::Settings;

/// The calm between two faults.
const CALM: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(3));

/// Runs to the end on the machines that `set_up` makes. Panics with all that is needed to look further when a promise was
/// broken.
pub(crate) fn run(settings: &Settings, set_up: fn(&Path) -> Result<Cluster>) {
    eprintln!(
        "chaos: seed {} for {:?}: {}",
        settings.seed,
        settings.length,
        settings.command()
    );
    let directory = tempfile::Builder::new()
        .prefix("bosun-chaos-")
        .tempdir()
        .expect("a temporary directory");
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let mut cluster = match set_up(directory.path()) {
        Ok(cluster) => cluster,
        Err(error) => panic!("the cluster cannot be set up: {error:#}"),
    };
    // After the cluster, since its threads have to be where the cluster's network is.
    let found = runtime().block_on(chaos(settings, &mut cluster));
    let problems = found.unwrap_or_else(|error| vec![format!("{error:#}")]);
    if problems.is_empty() {
        return;
    }
    let kept = cluster.keep();
    let logs = cluster.log_ends();
    drop(cluster);
    let directory = directory.keep();
    kept.unwrap_or_else(|error| eprintln!("chaos: {error:#}"));
    panic!(
        "{}\n\n{logs}\nData, logs and records are kept in {}\nAgain: {}",
        problems.join("\n\n"),
        directory.display(),
        settings.command()
    );
}

/// What promises were broken; an error when it did not even come to the checks.
async fn chaos(settings: &Settings, cluster: &mut Cluster) -> Result<Vec<String>> {
    let clients = Clients::start(cluster, settings.seed)
        .await
        .context("the cluster does not come up")?;
    eprintln!("chaos: the cluster is up");
    let mut random = Random::new(settings.seed, 1);
    let mut faults = Faults::new(Random::new(settings.seed, 2), cluster);
    let mut made = Vec::new();
    let end = Instant::now() + settings.length;
    while Instant::now() < end {
        pass(random.span(CALM.0, CALM.1)).await;
        made.push(faults.make_one(cluster).await?);
    }
    eprintln!("chaos: {} faults made, healing", made.len());
    let evidence = Arc::new(clients.stop(cluster).await);
    checks::all(cluster, &evidence, &cluster.records()).await
}

/// Lets a fault, or the calm after it, last.
pub(crate) async fn pass(length: Duration) {
    tokio::time::sleep(length).await;
}
