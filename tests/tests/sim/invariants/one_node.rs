//! A pod is bound to one node for ever, and runs nowhere else.

use std::collections::BTreeMap;

use bosun_proto::{Object, Resource};

use crate::evidence::{Evidence, Notes};

pub(super) fn check(_: &Evidence, notes: &Notes) -> Result<(), String> {
    let mut nodes: BTreeMap<&str, &str> = BTreeMap::new();
    let told = notes.seen.iter().filter_map(|seen| match &seen.object {
        Object::Pod(pod) => Some((&*pod.metadata().uid, &*pod.spec.as_ref()?.node_name)),
        _ => None,
    });
    let bound = told.filter(|(_, node)| !node.is_empty());
    let ran = notes.lives.iter().map(|life| (&*life.id.pod_uid, &*life.node));
    for (uid, node) in bound.chain(ran) {
        let first = *nodes.entry(uid).or_insert(node);
        if first != node {
            return Err(format!("pod {uid} is on {first} and on {node}"));
        }
    }
    Ok(())
}
