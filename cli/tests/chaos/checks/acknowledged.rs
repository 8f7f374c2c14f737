//! What a client was told is stored is stored, and not older than it was told.

use std::collections::BTreeMap;

use anyhow::Result;
use bosun_client::Query;
use bosun_proto::Kind;
use bosun_tests::linearizability::Call;

use super::{Findings, PATIENCE};
use crate::clients::registers::{self, version_of};
use crate::clients::{Evidence, work};
use crate::cluster::Cluster;

pub(super) async fn check(cluster: &Cluster, evidence: &Evidence) -> Result<Findings> {
    let client = cluster.client(PATIENCE);
    let mut wrong = Vec::new();
    let stored = client.list(&Query::new(Kind::Job, work::NAMESPACE)).await?;
    let submitted = evidence.work.jobs.lock().expect("its writers have ended").clone();
    for job in submitted.iter().filter(|job| job.acknowledged) {
        if !stored
            .items
            .iter()
            .any(|object| object.metadata().name == job.name)
        {
            wrong.push(format!("job {} was acknowledged and is gone", job.name));
        }
    }
    let stored = client.list(&Query::new(Kind::Pod, registers::NAMESPACE)).await?;
    let versions: BTreeMap<&str, u64> = stored
        .items
        .iter()
        .map(|object| (object.metadata().name.as_str(), version_of(object)))
        .collect();
    // Deletions that may have happened say nothing about what is there now; the search for an order does.
    let history = evidence.registers.history.registers();
    let may_be_deleted = |register: &str| {
        history[register]
            .iter()
            .any(|operation| operation.call == Call::Delete)
    };
    let acknowledged = evidence
        .registers
        .acknowledged
        .lock()
        .expect("its writers have ended")
        .clone();
    for write in &acknowledged {
        match versions.get(write.register.as_str()) {
            Some(version) if *version >= write.version => {}
            None if may_be_deleted(&write.register) => {}
            found => wrong.push(format!(
                "{write:?} was acknowledged, and now the version is {found:?}"
            )),
        }
    }
    Ok(Findings {
        looked_at: format!("{} jobs, {} writes", submitted.len(), acknowledged.len()),
        wrong,
    })
}
