//! The writes and linearizable reads of each register can be put in one order that explains every answer.

use anyhow::Result;
use bosun_proto::{Key, Kind};
use bosun_tests::linearizability::{self, Answer, Call};

use super::{Findings, PATIENCE};
use crate::clients::Evidence;
use crate::clients::registers::{NAMESPACE, value_of};
use crate::cluster::Cluster;

pub(super) async fn check(cluster: &Cluster, evidence: &Evidence) -> Result<Findings> {
    let history = &evidence.registers.history;
    // Last of all, each server is asked once more: what is lost for good shows here at the latest.
    for (name, client) in cluster.clients_of_one(PATIENCE) {
        for register in history.registers().keys() {
            let operation = history.called(&format!("last look at {name}"), register, Call::Read);
            let found = match client.get(&Key::new(Kind::Pod, NAMESPACE, register)).await {
                Ok(object) => value_of(&object),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error.into()),
            };
            history.answered(operation, Answer::Found(found));
        }
    }
    let registers = history.registers();
    let operations: usize = registers.values().map(Vec::len).sum();
    let unheard = registers
        .values()
        .flatten()
        .filter(|operation| operation.answered.is_none())
        .count();
    let violation = |(name, operations): (&String, &Vec<_>)| {
        let violation = linearizability::check(operations).err()?;
        Some(format!("register {name}: {violation}"))
    };
    Ok(Findings {
        looked_at: format!(
            "{operations} operations on {} registers, {unheard} of unknown outcome",
            registers.len()
        ),
        wrong: registers.iter().filter_map(violation).collect(),
    })
}
