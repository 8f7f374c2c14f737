//! Every Job has as many successes as it asked for, each index once, and each of them was really done.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use bosun_client::Query;
use bosun_proto::Kind;
use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::Pod;

use super::single_copy::piece_of;
use super::{Findings, PATIENCE};
use crate::clients::{Evidence, work};
use crate::cluster::Cluster;

const INDEX_ANNOTATION: &str = "batch.kubernetes.io/job-completion-index";
const JOB_LABEL: &str = "batch.kubernetes.io/job-name";

pub(super) async fn check(cluster: &Cluster, evidence: &Evidence, records: &Path) -> Result<Findings> {
    let client = cluster.client(PATIENCE);
    let jobs = client
        .list_as::<Job>(Query::new(Kind::Job, work::NAMESPACE))
        .await?;
    let pods = client
        .list_as::<Pod>(Query::new(Kind::Pod, work::NAMESPACE))
        .await?;
    let done = pieces_done(records)?;
    let mut succeeded: BTreeMap<String, u32> = BTreeMap::new();
    for metadata in pods
        .iter()
        .filter(|pod| is_succeeded(pod))
        .filter_map(|pod| pod.metadata.as_ref())
    {
        let part = |found: Option<&String>| found.cloned().unwrap_or_default();
        let job = part(metadata.labels.get(JOB_LABEL));
        let index = part(metadata.annotations.get(INDEX_ANNOTATION));
        *succeeded.entry(format!("{job}.{index}")).or_default() += 1;
    }
    let submitted = evidence.work.jobs.lock().expect("its writers have ended").clone();
    let mut wrong = Vec::new();
    for job in &jobs {
        let name = job
            .metadata
            .as_ref()
            .map(|metadata| metadata.name.clone())
            .unwrap_or_default();
        let asked = submitted
            .iter()
            .find(|job| job.name == name)
            .map_or(1, |job| job.completions);
        let status = job.status.clone().unwrap_or_default();
        if status.succeeded != asked || status.active != 0 {
            wrong.push(format!(
                "job {name}: {} of {asked} succeeded, {} failed, {} active",
                status.succeeded, status.failed, status.active
            ));
        }
        for index in 0..asked {
            let piece = format!("{name}.{index}");
            match succeeded.get(&piece) {
                Some(1) => {}
                found => wrong.push(format!("{piece}: {} pods succeeded", found.unwrap_or(&0))),
            }
            if !done.contains(&piece) {
                wrong.push(format!("{piece}: counted, but no container came to its end"));
            }
        }
    }
    Ok(Findings {
        looked_at: format!(
            "{} jobs, {} pods, {} pieces of work done",
            jobs.len(),
            pods.len(),
            done.len()
        ),
        wrong,
    })
}

fn is_succeeded(pod: &Pod) -> bool {
    pod.status
        .as_ref()
        .is_some_and(|status| status.phase == "Succeeded")
}

/// The pieces of work of which some copy came to its end.
fn pieces_done(records: &Path) -> Result<BTreeSet<String>> {
    let mut done = BTreeSet::new();
    for entry in std::fs::read_dir(records)? {
        let path = entry?.path();
        let text = std::fs::read_to_string(&path)?;
        if text.lines().any(|line| line.starts_with("end ")) {
            done.insert(piece_of(&path.file_name().unwrap_or_default().to_string_lossy()));
        }
    }
    Ok(done)
}
