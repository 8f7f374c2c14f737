//! What an agent's arrival makes of its Node object.

use std::collections::BTreeMap;

use bosun_proto::Object;
use bosun_proto::core_v1::Node;

use crate::controllers::node_lifecycle;
use crate::kinds;
use crate::kinds::metadata;
use crate::refusal::Refusal;
use crate::stamp::Stamp;
use crate::state::{Snapshot, Write};

/// The writes that bring the Node object up to date with what the agent reports, and the node's uid.
///
/// Labels of the agent are added to those that people gave; annotations and spec belong to people; the status is the
/// agent's. The node is ready from now on.
pub fn join(
    snapshot: &Snapshot,
    reported: &Node,
    stamp: &mut Stamp<'_>,
) -> Result<(Vec<Write>, String), Refusal> {
    let reported_metadata = reported.metadata.clone().unwrap_or_default();
    let stored = snapshot.find::<Node>("", &reported_metadata.name);
    let mut node = stored.map_or_else(|| new_node(reported, stamp), |stored| stored.as_ref().clone());
    node.metadata
        .get_or_insert_default()
        .labels
        .extend(reported_metadata.labels);
    let conditions = std::mem::take(&mut node.status.get_or_insert_default().conditions);
    let mut status = reported.status.clone().unwrap_or_default();
    status.conditions = conditions;
    node.status = Some(status);
    node_lifecycle::make_ready(&mut node, stamp.now);
    let object = Object::from(node);
    let mut wrong = metadata::validate(&object);
    wrong.extend(kinds::validate(&object));
    if !wrong.is_empty() {
        return Err(Refusal::Invalid(object.key(), wrong));
    }
    let uid = object.metadata().uid.clone();
    let write = match stored {
        Some(stored) => Write::replace(&Object::from(stored.clone()), object),
        None => Write::Create(object),
    };
    Ok((vec![write], uid))
}

fn new_node(reported: &Node, stamp: &mut Stamp<'_>) -> Node {
    let mut object = Object::from(Node {
        status: None,
        ..reported.clone()
    });
    let metadata = object.metadata_mut();
    *metadata = bosun_proto::meta_v1::ObjectMeta {
        name: metadata.name.clone(),
        labels: BTreeMap::new(),
        annotations: std::mem::take(&mut metadata.annotations),
        ..Default::default()
    };
    stamp.complete(&mut object);
    kinds::fill_defaults(&mut object);
    match object {
        Object::Node(node) => node.as_ref().clone(),
        _ => unreachable!("it was made of a Node"),
    }
}
