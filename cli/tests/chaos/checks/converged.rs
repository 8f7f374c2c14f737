//! Once nothing is broken any more, everything that was begun ends: nodes are ready, Jobs complete, replicas are there.

use anyhow::Result;
use bosun_client::Query;
use bosun_proto::Kind;
use bosun_proto::apps_v1::ReplicaSet;
use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::Node;

use super::{Findings, PATIENCE};
use crate::clients::{Evidence, work};
use crate::cluster::{Cluster, NODES};

pub(super) async fn check(cluster: &Cluster, _evidence: &Evidence) -> Result<Findings> {
    let client = cluster.client(PATIENCE);
    let mut wrong = Vec::new();
    let nodes = client.list_as::<Node>(Query::new(Kind::Node, "")).await?;
    let is_ready = |node: &Node| {
        let conditions = node.status.iter().flat_map(|status| &status.conditions);
        conditions
            .into_iter()
            .any(|condition| condition.r#type == "Ready" && condition.status == "True")
    };
    let ready = nodes.iter().filter(|node| is_ready(node)).count();
    if ready != NODES {
        wrong.push(format!("{ready} of {NODES} nodes are ready"));
    }
    let web = client.get_as::<ReplicaSet>(work::NAMESPACE, "web").await?;
    let running = web.status.as_ref().map_or(0, |status| status.ready_replicas);
    if running != work::REPLICAS {
        wrong.push(format!("{running} of {} replicas are ready", work::REPLICAS));
    }
    let jobs = client
        .list_as::<Job>(Query::new(Kind::Job, work::NAMESPACE))
        .await?;
    for job in jobs.iter().filter(|job| !work::is_complete(job)) {
        let name = job.metadata.as_ref().map(|metadata| metadata.name.as_str());
        wrong.push(format!(
            "job {} is not complete: {:?}",
            name.unwrap_or_default(),
            job.status
        ));
    }
    Ok(Findings {
        looked_at: format!("{} nodes, {} jobs", nodes.len(), jobs.len()),
        wrong,
    })
}
