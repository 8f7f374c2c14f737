//! From the death of a machine to its pods running elsewhere: pods that may overlap (of a ReplicaSet) and pods that must not
//! (of a Job), both in each trial; alone, and with the leader killed in the same instant.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bosun_client::{Client, Follow, Query};
use bosun_proto::apps_v1::{ReplicaSet, ReplicaSetSpec};
use bosun_proto::batch_v1::{Job, JobSpec};
use bosun_proto::core_v1::{Container, Node, Pod, PodSpec, PodTemplateSpec};
use bosun_proto::meta_v1::{DeleteOptions, LabelSelector, ObjectMeta};
use bosun_proto::{Key, Kind, Object, Resource};

use crate::process::Process;
use crate::statistics::Sorted;
use crate::trio::{Trio, awaited};

const NODES: usize = 3;
/// Pods of each of the two owners.
const PODS: usize = 6;
/// The label that says whose pod it is.
const LABEL: &str = "bench";
const KEPT: &str = "kept";
const FENCED: &str = "fenced";
/// No replacement takes so long.
const REPLACEMENT_MAX: Duration = Duration::from_mins(1);

/// Kills machines; prints how long their pods are away.
pub(crate) async fn measure(trials: usize) -> anyhow::Result<()> {
    let mut bench = Bench::start().await?;
    for with_leader in [false, true] {
        let mut kept = Vec::with_capacity(trials);
        let mut fenced = Vec::with_capacity(trials);
        for trial in 0..trials {
            let times = bench.trial(with_leader).await?;
            println!(
                "  trial {trial}: ReplicaSet {:.2?}, Job {:.2?}",
                times.kept, times.fenced
            );
            kept.push(times.kept);
            fenced.push(times.fenced);
        }
        let also = if with_leader {
            " and the leader in the same instant"
        } else {
            ""
        };
        let what = format!("replacement, kill -9 of a node{also} to all pods running elsewhere");
        println!("{what}, ReplicaSet: {}", Sorted::new(kept));
        println!("{what}, Job: {}", Sorted::new(fenced));
    }
    Ok(())
}

struct Times {
    kept: Duration,
    fenced: Duration,
}

struct Bench {
    trio: Trio,
    nodes: Vec<Option<Process>>,
    client: Client,
}

impl Bench {
    async fn start() -> anyhow::Result<Self> {
        let trio = Trio::start().await?;
        let nodes = (0..NODES).map(|node| trio.start_node(&name(node)).map(Some));
        let nodes = nodes.collect::<anyhow::Result<_>>()?;
        let client = trio.client()?;
        Ok(Self { trio, nodes, client })
    }

    async fn trial(&mut self, with_leader: bool) -> anyhow::Result<Times> {
        self.trio.whole().await?;
        self.nodes_are_ready().await?;
        let mut pods = self.client.follow(Query::new(Kind::Pod, "default"));
        self.client.create(&replica_set(), false).await?;
        self.client.create(&job(), false).await?;
        let dead = None;
        until(&mut pods, |known| {
            running(known, KEPT, dead) == PODS && running(known, FENCED, dead) == PODS
        })
        .await
        .context("the pods before the trial")?;

        let victim = most_loaded(pods.known())?;
        let leader = self.trio.leader().await?;
        let node = self.nodes[victim].take().context("the victim runs")?;
        let start = Instant::now();
        node.kill();
        if with_leader {
            self.trio.kill_server(leader);
        }
        let dead = Some(victim);
        until(&mut pods, |known| running(known, KEPT, dead) == PODS)
            .await
            .context("the pods of the ReplicaSet")?;
        let kept = start.elapsed();
        until(&mut pods, |known| running(known, FENCED, dead) == PODS)
            .await
            .context("the pods of the Job")?;
        let fenced = start.elapsed();

        for (kind, owner) in [(Kind::ReplicaSet, KEPT), (Kind::Job, FENCED)] {
            let options = DeleteOptions {
                propagation_policy: Some("Background".into()),
                ..DeleteOptions::default()
            };
            self.client
                .delete(&Key::new(kind, "default", owner), options)
                .await?;
        }
        if with_leader {
            self.trio.start_server(leader)?;
        }
        self.nodes[victim] = Some(self.trio.start_node(&name(victim))?);
        until(&mut pods, BTreeMap::is_empty)
            .await
            .context("the end of the pods")?;
        Ok(Times { kept, fenced })
    }

    async fn nodes_are_ready(&self) -> anyhow::Result<()> {
        awaited("the nodes were not ready", async || {
            let nodes = self.client.list_as::<Node>(Query::new(Kind::Node, "")).await?;
            let fit = |node: &Node| {
                let conditions = node.status.iter().flat_map(|status| &status.conditions);
                let is_ready = conditions
                    .into_iter()
                    .any(|condition| condition.r#type == "Ready" && condition.status == "True");
                is_ready && node.spec.as_ref().is_none_or(|spec| spec.taints.is_empty())
            };
            let ready = nodes.iter().filter(|node| fit(node)).count();
            if ready < NODES {
                bail!("{ready} of {NODES} are");
            }
            Ok(())
        })
        .await
    }
}

fn name(node: usize) -> String {
    format!("node-{}", node + 1)
}

/// Waits until what is known of the pods is as wanted.
async fn until(pods: &mut Follow, wanted: impl Fn(&BTreeMap<Key, Object>) -> bool) -> anyhow::Result<()> {
    let reached = async {
        while !wanted(pods.known()) {
            pods.next().await?;
        }
        anyhow::Ok(())
    };
    let reached = tokio::time::timeout(REPLACEMENT_MAX, reached).await;
    reached.with_context(|| format!("not as wanted within {REPLACEMENT_MAX:?}"))?
}

fn pods_of<'a>(known: &'a BTreeMap<Key, Object>, owner: &'a str) -> impl Iterator<Item = &'a Pod> {
    let pods = known.values().filter_map(Pod::from_object);
    pods.map(|pod| &**pod)
        .filter(move |pod| {
            pod.metadata()
                .labels
                .get(LABEL)
                .is_some_and(|label| label == owner)
        })
        .filter(|pod| {
            pod.status
                .as_ref()
                .is_some_and(|status| status.phase == "Running")
        })
        .filter(|pod| pod.metadata().deletion_timestamp.is_none())
}

fn node_of(pod: &Pod) -> &str {
    pod.spec.as_ref().map_or("", |spec| &spec.node_name)
}

/// How many pods of an owner run on machines that are alive.
fn running(known: &BTreeMap<Key, Object>, owner: &str, dead: Option<usize>) -> usize {
    let dead = dead.map(name);
    pods_of(known, owner)
        .filter(|pod| dead.as_deref() != Some(node_of(pod)))
        .count()
}

/// The node with the most pods, of those with pods of both owners.
fn most_loaded(known: &BTreeMap<Key, Object>) -> anyhow::Result<usize> {
    let count = |owner: &str, node: usize| {
        let name = name(node);
        pods_of(known, owner).filter(|pod| node_of(pod) == name).count()
    };
    let loaded = (0..NODES).filter(|node| count(KEPT, *node) > 0 && count(FENCED, *node) > 0);
    loaded
        .max_by_key(|node| count(KEPT, *node) + count(FENCED, *node))
        .context("no node has pods of both")
}

fn template(owner: &str, restart_policy: &str) -> PodTemplateSpec {
    let container = Container {
        name: "main".into(),
        image: "busybox".into(),
        command: vec!["sleep".into(), "1000000".into()],
        ..Container::default()
    };
    PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: [(LABEL.to_owned(), owner.to_owned())].into(),
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            restart_policy: restart_policy.into(),
            termination_grace_period_seconds: Some(1),
            containers: vec![container],
            ..PodSpec::default()
        }),
    }
}

fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: name.into(),
        namespace: "default".into(),
        ..ObjectMeta::default()
    }
}

fn replica_set() -> Object {
    ReplicaSet {
        metadata: Some(metadata(KEPT)),
        spec: Some(ReplicaSetSpec {
            replicas: i32::try_from(PODS).ok(),
            selector: Some(LabelSelector {
                match_labels: [(LABEL.to_owned(), KEPT.to_owned())].into(),
                ..LabelSelector::default()
            }),
            template: Some(template(KEPT, "Always")),
            ..ReplicaSetSpec::default()
        }),
        ..ReplicaSet::default()
    }
    .into()
}

fn job() -> Object {
    Job {
        metadata: Some(metadata(FENCED)),
        spec: Some(JobSpec {
            completions: i32::try_from(PODS).ok(),
            parallelism: i32::try_from(PODS).ok(),
            template: Some(template(FENCED, "Never")),
            ..JobSpec::default()
        }),
        ..Job::default()
    }
    .into()
}
