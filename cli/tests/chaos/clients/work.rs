//! Work for the nodes: Jobs all the time, CronJobs, and a ReplicaSet. Every container writes down when it lived.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use bosun_client::{Client, PatchKind, Query};
use bosun_proto::batch_v1::Job;
use bosun_proto::{Key, Kind, Resource};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{create, object};
use crate::cluster::Cluster;
use crate::processes::NODE_VARIABLE;
use crate::random::Random;

pub(crate) const NAMESPACE: &str = "work";
/// A CronJob and how many seconds lie between two of its due times.
pub(crate) const CRON_JOBS: [(&str, &str, i64); 2] =
    [("often", "@every 5s", 5), ("minutely", "* * * * *", 60)];
/// Pods of the ReplicaSet.
pub(crate) const REPLICAS: i32 = 3;
/// Jobs that are under way at a time. More wait, so that a slow machine is not drowned.
const JOBS_MAX: usize = 6;
/// The pause between two Jobs.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));
/// How often a container writes that it lives.
const BEAT_SECONDS: &str = "0.2";
/// The pause between two looks whether the cluster is at rest.
const LOOK: Duration = Duration::from_millis(500);
/// How long the cluster may take to finish everything once all faults are over.
const SETTLE_MAX: Duration = Duration::from_mins(3);

/// A Job that was submitted.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    pub(crate) name: String,
    pub(crate) completions: i32,
    /// Whether the cluster said that it has it.
    pub(crate) acknowledged: bool,
}

/// What was submitted.
pub(crate) struct Work {
    records: PathBuf,
    pub(crate) jobs: Mutex<Vec<Submitted>>,
}

impl Work {
    pub(crate) fn new(records: &Path) -> Self {
        Self {
            records: records.to_owned(),
            jobs: Mutex::default(),
        }
    }

    /// What is there from the beginning.
    pub(crate) async fn begin(&self, client: &Client) -> Result<()> {
        for (name, schedule, _) in CRON_JOBS {
            let manifest = json!({
                "apiVersion": "batch/v1",
                "kind": "CronJob",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": {
                    "schedule": schedule,
                    "concurrencyPolicy": "Allow",
                    "successfulJobsHistoryLimit": 1_000_000,
                    "failedJobsHistoryLimit": 1_000_000,
                    "jobTemplate": {"spec": self.job_spec(1, 1)},
                },
            });
            create(client, manifest).await?;
        }
        let mut template = Self::template("while :; do sleep 1; done");
        template["spec"]["restartPolicy"] = json!("Always");
        template["metadata"] = json!({"labels": {"app": "web"}});
        let replica_set = json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {
                "replicas": REPLICAS,
                "selector": {"matchLabels": {"app": "web"}},
                "template": template,
            },
        });
        create(client, replica_set).await
    }

    /// Indexed, so that each piece of work has a name of its own: Job and index. Nothing but the loss of a node fails it.
    fn job_spec(&self, completions: i32, beats: usize) -> Value {
        let beats = " beat".repeat(beats);
        // A file for each copy, made by it alone; each line with the machine's time since boot, which nobody steps.
        let script = format!(
            "set -eu; copy={records}/$WORK.$JOB_COMPLETION_INDEX.$POD.$$$$; set -C; : > $copy; set +C; \
             say() {{ read -r at rest < /proc/uptime; echo $1 $at >> $copy; }}; \
             say begin; for beat in{beats}; do sleep {BEAT_SECONDS}; say alive; done; say end",
            records = self.records.display()
        );
        json!({
            "completions": completions,
            "parallelism": completions,
            "completionMode": "Indexed",
            "backoffLimit": 1_000,
            "template": Self::template(&script),
        })
    }

    fn template(script: &str) -> Value {
        let field =
            |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
        json!({"spec": {
            "restartPolicy": "OnFailure",
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "main",
                "image": "busybox",
                "command": ["sh", "-c", script],
                "env": [
                    field(NODE_VARIABLE, "status.hostIP"),
                    field("POD", "metadata.name"),
                    field("WORK", "metadata.labels['job-name']"),
                ],
            }],
        }})
    }

    /// Waits until everything that was begun has ended and the cluster is at rest, for as long as it may take. What is
    /// still missing then is for the checks to find.
    pub(crate) async fn settle(&self, cluster: &mut Cluster) {
        let client = cluster.client(SETTLE_MAX);
        let deadline = Instant::now() + SETTLE_MAX;
        for (name, ..) in CRON_JOBS {
            let key = Key::new(Kind::CronJob, NAMESPACE, name);
            let suspend = json!({"spec": {"suspend": true}});
            if let Err(error) = client.patch(&key, PatchKind::Merge, &suspend, false).await {
                eprintln!("chaos: {name} cannot be suspended: {error}");
            }
        }
        let mut quiet = 0;
        while quiet < 3 && Instant::now() < deadline {
            quiet = if is_at_rest(cluster).await { quiet + 1 } else { 0 };
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Whether all Jobs are over and all servers have the same version.
async fn is_at_rest(cluster: &Cluster) -> bool {
    let mut versions = Vec::new();
    for (_, client) in cluster.clients_of_one(Duration::ZERO) {
        let Ok(state) = client.server_state().await else {
            return false;
        };
        versions.push(state.resource_version);
    }
    let unfinished = unfinished_jobs(&cluster.client(Duration::from_secs(2))).await;
    unfinished == Some(0) && versions.iter().all(|version| *version == versions[0])
}

/// How many Jobs are not over yet, if anybody answers.
async fn unfinished_jobs(client: &Client) -> Option<usize> {
    let jobs = client
        .list_as::<Job>(Query::new(Kind::Job, NAMESPACE))
        .await
        .ok()?;
    Some(jobs.iter().filter(|job| !is_complete(job)).count())
}

/// Whether a Job ended well.
pub(crate) fn is_complete(job: &Job) -> bool {
    let conditions = job.status.iter().flat_map(|status| &status.conditions);
    conditions
        .into_iter()
        .any(|condition| condition.r#type == "Complete" && condition.status == "True")
}

/// Submits one Job after the other.
pub(crate) async fn submit(work: Arc<Work>, client: Client, mut random: Random, stop: CancellationToken) {
    let mut number = 0;
    while !stop.is_cancelled() {
        let busy = unfinished_jobs(&client).await.is_none_or(|jobs| jobs >= JOBS_MAX);
        if !busy {
            let completions = 1 + random.below(4);
            let spec = work.job_spec(i32::try_from(completions).expect("few"), 2 + random.below(20));
            let submitted = submit_one(&client, number, completions, spec).await;
            work.jobs.lock().expect("nobody panics with it").push(submitted);
            number += 1;
        }
        tokio::time::sleep(random.span(PAUSE.0, PAUSE.1)).await;
    }
}

async fn submit_one(client: &Client, number: u32, completions: usize, spec: Value) -> Submitted {
    let name = format!("job-{number}");
    let manifest = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    });
    let job = object(manifest);
    debug_assert!(Job::from_object(&job).is_some(), "the manifest is a Job's");
    Submitted {
        acknowledged: client.create(&job, false).await.is_ok(),
        name,
        completions: i32::try_from(completions).expect("few"),
    }
}
