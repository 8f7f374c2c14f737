//! From submitting a pod to seeing it Finished.

use std::time::{Duration, Instant};

use anyhow::Context;
use bosun_client::{ChangeKind, Query};
use bosun_proto::core_v1::{Container, Pod, PodSpec};
use bosun_proto::meta_v1::ObjectMeta;
use bosun_proto::{Kind, Object, Resource};

use crate::cluster::Cluster;

/// No pod of `true` takes so long.
const POD_MAX: Duration = Duration::from_secs(30);

/// Prints the median and the 99th percentile of `pods` pods, one after another.
pub(crate) async fn measure(pods: usize) -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let present = cluster.client.list(&Query::new(Kind::Pod, "default")).await?;
    let mut watch = cluster
        .client
        .watch(Query::new(Kind::Pod, "default"), &present.resource_version);
    let mut times = Vec::with_capacity(pods);
    for number in 0..pods {
        let name = format!("true-{number}");
        let start = Instant::now();
        cluster.client.create(&pod(&name), false).await?;
        let finished = async {
            loop {
                let change = watch.next().await?;
                if matches!(change.kind, ChangeKind::Modified | ChangeKind::Added)
                    && let Some(pod) = Pod::from_object(&change.object)
                    && pod.metadata().name == name
                    && pod
                        .status
                        .as_ref()
                        .is_some_and(|status| status.phase == "Succeeded")
                {
                    return anyhow::Ok(());
                }
            }
        };
        tokio::time::timeout(POD_MAX, finished)
            .await
            .with_context(|| format!("{name} did not finish"))??;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    println!(
        "latency, {pods} pods of `true`: p50 {:.2?}, p99 {:.2?}, max {:.2?}",
        at(50),
        at(99),
        at(100)
    );
    Ok(())
}

fn pod(name: &str) -> Object {
    Pod {
        metadata: Some(ObjectMeta {
            name: name.into(),
            namespace: "default".into(),
            ..ObjectMeta::default()
        }),
        spec: Some(true_spec()),
        ..Pod::default()
    }
    .into()
}

/// A pod that does nothing and ends.
pub(crate) fn true_spec() -> PodSpec {
    let container = Container {
        name: "main".into(),
        image: "busybox".into(),
        command: vec!["true".into()],
        ..Container::default()
    };
    PodSpec {
        restart_policy: "Never".into(),
        containers: vec![container],
        ..PodSpec::default()
    }
}
