//! One Job of many short pods, beside what the machine can do.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bosun_client::Query;
use bosun_proto::batch_v1::{Job, JobSpec};
use bosun_proto::core_v1::PodTemplateSpec;
use bosun_proto::meta_v1::ObjectMeta;
use bosun_proto::{Kind, Resource};

use crate::cluster::Cluster;
use crate::latency::true_spec;
use crate::machine::{per_second, spawns_per_second};

/// No load here takes so long.
const LOAD_MAX: Duration = Duration::from_mins(10);

/// Prints pods per second of one Job and the machine's own rates before and after.
pub(crate) async fn measure(completions: i32, parallelism: i32) -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let spawns = usize::try_from(completions)?;
    let before = tokio::task::spawn_blocking(move || spawns_per_second(2, spawns)).await?;
    let elapsed = run_job(&cluster, "load", completions, parallelism).await?;
    let after = tokio::task::spawn_blocking(move || spawns_per_second(2, spawns)).await?;
    let single = tokio::task::spawn_blocking(move || spawns_per_second(1, spawns)).await?;
    let rate = per_second(spawns, elapsed);
    let machine = f64::midpoint(before, after);
    println!(
        "throughput, one Job of {completions} x `true`, {parallelism} at once: {rate:.0} pods/s in {elapsed:.2?}; \
         the machine spawns and waits {machine:.0}/s on two threads ({single:.0}/s on one): {:.0} %",
        100.0 * rate / machine
    );
    Ok(())
}

/// Submits a Job and waits until it is Complete; from submitting to seeing that.
pub(crate) async fn run_job(
    cluster: &Cluster,
    name: &str,
    completions: i32,
    parallelism: i32,
) -> anyhow::Result<Duration> {
    let job = Job {
        metadata: Some(ObjectMeta {
            name: name.into(),
            namespace: "default".into(),
            ..ObjectMeta::default()
        }),
        spec: Some(JobSpec {
            completions: Some(completions),
            parallelism: Some(parallelism),
            template: Some(PodTemplateSpec {
                spec: Some(true_spec()),
                ..PodTemplateSpec::default()
            }),
            ..JobSpec::default()
        }),
        ..Job::default()
    };
    let start = Instant::now();
    let created = cluster.client.create(&job.into(), false).await?;
    let version = created.object.metadata().resource_version.clone();
    let mut watch = cluster
        .client
        .watch(Query::new(Kind::Job, "default").named(name), &version);
    let complete = async {
        loop {
            let change = watch.next().await?;
            let status = Job::from_object(&change.object).and_then(|job| job.status.as_ref());
            let has = |wanted: &str| {
                let conditions = status.iter().flat_map(|status| &status.conditions);
                conditions
                    .into_iter()
                    .any(|condition| condition.r#type == wanted && condition.status == "True")
            };
            if has("Complete") {
                return anyhow::Ok(status.map_or(0, |status| status.succeeded));
            }
            if has("Failed") {
                bail!("the job failed: {status:?}");
            }
        }
    };
    let succeeded = tokio::time::timeout(LOAD_MAX, complete)
        .await
        .context("the job did not complete")??;
    if succeeded != completions {
        bail!("the job is complete with {succeeded} of {completions}");
    }
    Ok(start.elapsed())
}
