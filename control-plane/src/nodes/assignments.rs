//! What a node shall run, as its agent is told: the full set once, then what changes.

use std::collections::BTreeSet;

use bosun_core::kinds::pod;
use bosun_core::state::{Change, Snapshot};
use bosun_proto::core_v1::Pod;
use bosun_proto::node::{Assignments, FullSet};
use bosun_proto::node_loss::NODE_LOST;
use bosun_proto::{Kind, Resource};

/// At most so many pods in one message.
const PODS_PER_MESSAGE_MAX: usize = 200;

/// Everything the node shall have, in parts.
pub(super) fn full_set(snapshot: &Snapshot, node: &str) -> Vec<FullSet> {
    let (finished, running): (Vec<_>, Vec<_>) = snapshot.pods_on(node).partition(|pod| pod::is_finished(pod));
    let finished_uids: Vec<String> = finished.iter().map(|pod| pod.metadata().uid.clone()).collect();
    let mut parts: Vec<FullSet> = running
        .chunks(PODS_PER_MESSAGE_MAX)
        .map(|pods| FullSet {
            pods: pods.iter().map(|pod| pod.as_ref().clone()).collect(),
            ..FullSet::default()
        })
        .collect();
    parts.push(FullSet {
        pods: Vec::new(),
        finished_uids,
        complete: true,
    });
    parts
}

/// What of the changes after `version` the node's agent must know.
pub(super) fn increments(
    snapshot: &Snapshot,
    node: &str,
    version: u64,
) -> Result<Vec<Assignments>, TooFarBehind> {
    let mut changed = BTreeSet::new();
    let mut removed = Vec::new();
    for change in snapshot
        .history()
        .since(version)
        .map_err(|_too_old| TooFarBehind)?
    {
        if change.key.kind != Kind::Pod {
            continue;
        }
        match effect(change, node) {
            Effect::None => {}
            Effect::Changed => {
                changed.insert(change.key.clone());
            }
            Effect::Removed(uid) => removed.push(uid),
        }
    }
    let pods: Vec<Pod> = changed
        .iter()
        .filter_map(|key| snapshot.find_key::<Pod>(key))
        .filter(|pod| pod::spec(pod).node_name == node)
        .map(|pod| pod.as_ref().clone())
        .collect();
    let mut messages: Vec<Assignments> = pods
        .chunks(PODS_PER_MESSAGE_MAX)
        .map(|pods| Assignments {
            pods: pods.to_vec(),
            removed_uids: Vec::new(),
        })
        .collect();
    if !removed.is_empty() {
        messages.push(Assignments {
            pods: Vec::new(),
            removed_uids: removed,
        });
    }
    Ok(messages)
}

/// The history does not reach back far enough: the session must begin anew.
#[derive(Debug)]
pub(super) struct TooFarBehind;

enum Effect {
    None,
    Changed,
    Removed(String),
}

fn effect(change: &Change, node: &str) -> Effect {
    let on_node = |object: &Option<bosun_proto::Object>| {
        object
            .as_ref()
            .and_then(Pod::from_object)
            .filter(|pod| pod::spec(pod).node_name == node)
            .cloned()
    };
    match (on_node(&change.old), on_node(&change.new)) {
        (None, None) => Effect::None,
        (Some(old), None) => Effect::Removed(old.metadata().uid.clone()),
        (None, Some(_)) => Effect::Changed,
        (Some(old), Some(new)) => {
            if concerns_agent(&old, &new) {
                Effect::Changed
            } else {
                Effect::None
            }
        }
    }
}

/// An agent wrote the status itself; it needs to hear of everything else.
fn concerns_agent(old: &Pod, new: &Pod) -> bool {
    let (old_metadata, new_metadata) = (old.metadata(), new.metadata());
    old.spec != new.spec
        || old_metadata.deletion_timestamp != new_metadata.deletion_timestamp
        || old_metadata.deletion_grace_period_seconds != new_metadata.deletion_grace_period_seconds
        || old_metadata.labels != new_metadata.labels
        || old_metadata.annotations != new_metadata.annotations
        // Whether the pod is fenced may follow from its owner.
        || old_metadata.owner_references != new_metadata.owner_references
        // Finished by somebody else, for example because the node was thought dead.
        || (pod::is_finished(new) && !pod::is_finished(old) && pod::status(new).reason == NODE_LOST)
}
