//! Watches every server from the side, without ever being harmed itself, and waits at the end until all is well.

use std::sync::Arc;
use std::time::Duration;

use bosun_client::{ChangeKind, Client, Patience, Query, Step};
use bosun_host::Host;
use bosun_proto::apps_v1::ReplicaSet;
use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::{Node, Pod};
use bosun_proto::{Kind, Object, Resource};
use tokio::time::sleep;

use crate::evidence::{Evidence, Listed, Seen};
use crate::programs::addresses;
use crate::settings::{HEALED, SAFETY};
use crate::world::{Machine, elapsed};

/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(250);

/// Ends once everything is well again, or when it should have been.
pub(crate) async fn observe(machine: Machine, evidence: Arc<Evidence>) -> turmoil::Result {
    let host = machine.host();
    for address in addresses() {
        for kind in Kind::ALL {
            tokio::spawn(follow(
                host.clone(),
                address.clone(),
                *kind,
                Arc::clone(&evidence),
            ));
        }
    }
    sleep(SAFETY).await;
    loop {
        sleep(LOOK).await;
        let (listed, missing) = match everything(&host).await {
            Ok(listed) => {
                let missing = missing(&listed);
                (listed, missing)
            }
            Err(silent) => (Vec::new(), Some(silent)),
        };
        let is_over = missing.is_none() || elapsed() > HEALED;
        let mut notes = evidence.notes();
        notes.listed = listed;
        notes.missing = missing;
        if is_over {
            return Ok(());
        }
    }
}

fn client(host: &Host, address: String) -> Client {
    let client = Client::new(host, &[address]).expect("an address");
    client.with_patience(Patience(HEALED * 2))
}

/// Notes what one server tells of one kind.
async fn follow(host: Host, address: String, kind: Kind, evidence: Arc<Evidence>) {
    let mut follow = client(&host, address.clone()).follow(Query::new(kind, ""));
    loop {
        match follow.next().await {
            Ok(Step::Change(change)) if change.kind != ChangeKind::Deleted => {
                let version = change.object.metadata().resource_version.parse();
                evidence.notes().seen.push(Seen {
                    server: address.clone(),
                    version: version.expect("a version is a number"),
                    object: change.object,
                });
            }
            Ok(_) => {}
            Err(_) => sleep(LOOK).await,
        }
    }
}

/// All objects as each server lists them; the error says who did not answer.
async fn everything(host: &Host) -> Result<Vec<Listed>, String> {
    let mut all = Vec::new();
    for address in addresses() {
        let client = client(host, address.clone());
        for kind in Kind::ALL {
            let list = client.list(&Query::new(*kind, "")).await;
            let list = list.map_err(|error| format!("{address} does not list: {error}"))?;
            all.push(Listed {
                server: address.clone(),
                kind: *kind,
                version: list.resource_version,
                objects: list.items,
            });
        }
    }
    Ok(all)
}

/// What is not yet as it has to be; `None` when nothing is.
fn missing(listed: &[Listed]) -> Option<String> {
    let first = listed.first()?;
    let behind = listed.iter().find(|other| other.version != first.version);
    if let Some(other) = behind {
        let (here, there) = (&first.server, &other.server);
        return Some(format!(
            "{here} is at version {}, {there} at {}",
            first.version, other.version
        ));
    }
    let objects = listed.iter().filter(|listed| listed.server == first.server);
    objects.flat_map(|listed| &listed.objects).find_map(unsettled)
}

/// Why one object is not as it has to be.
fn unsettled(object: &Object) -> Option<String> {
    if object.metadata().deletion_timestamp.is_some() {
        return Some(format!("{} is still being deleted", object.key()));
    }
    let well = match object {
        Object::Job(job) => is_complete(job),
        Object::ReplicaSet(set) => is_full(set),
        Object::Node(node) => is_ready(node),
        Object::Pod(pod) => is_settled(pod),
        Object::Namespace(_) | Object::CronJob(_) | Object::Event(_) => true,
    };
    (!well).then(|| format!("not well yet: {}", object.to_json()))
}

fn is_complete(job: &Job) -> bool {
    let status = job.status.clone().unwrap_or_default();
    let complete = status
        .conditions
        .iter()
        .any(|condition| condition.r#type == "Complete");
    complete && status.active == 0
}

fn is_full(set: &ReplicaSet) -> bool {
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let status = set.status.clone().unwrap_or_default();
    let current = status.observed_generation == set.metadata().generation;
    current && status.replicas == wanted && status.ready_replicas == wanted
}

fn is_ready(node: &Node) -> bool {
    let status = node.status.clone().unwrap_or_default();
    let ready = |condition: &bosun_proto::core_v1::NodeCondition| {
        condition.r#type == "Ready" && condition.status == "True"
    };
    status.conditions.iter().any(ready) && node.spec.as_ref().is_none_or(|spec| spec.taints.is_empty())
}

fn is_settled(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .map(|status| status.phase.clone())
        .unwrap_or_default();
    let of_job = pod
        .metadata()
        .owner_references
        .iter()
        .any(|owner| owner.kind == "Job");
    matches!(phase.as_str(), "Succeeded" | "Failed") || (phase == "Running" && !of_job)
}
