//! Memory, and the size of the program.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::process::program;
use crate::throughput::run_job;

/// How long the cluster has nothing to do before its idle memory is read.
const IDLE: Duration = Duration::from_secs(3);

/// Prints resident memory idle and after a load, and the size of the program.
pub(crate) async fn measure(completions: i32) -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    tokio::time::sleep(IDLE).await;
    print("idle", cluster.resident_bytes()?);
    run_job(&cluster, "load", completions, 64).await?;
    tokio::time::sleep(IDLE).await;
    print(
        &format!("after a Job of {completions} pods, all kept"),
        cluster.resident_bytes()?,
    );
    let size = std::fs::metadata(program()?)?.len();
    println!("program: {:.1} MB", megabytes(size));
    Ok(())
}

fn print(when: &str, (server, agent): (u64, u64)) {
    println!(
        "resident memory, {when}: server {:.1} MB, agent {:.1} MB",
        megabytes(server),
        megabytes(agent)
    );
}

/// For people.
#[expect(clippy::cast_precision_loss, reason = "sizes here are far below 2^52")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
