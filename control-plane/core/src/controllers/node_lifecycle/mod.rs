//! What happens to a node and its pods when it falls silent, is lost, or comes back; and the taints that follow from its
//! state.
//!
//! [`plans`] is called by the leader for each change of a node's [`Standing`], which only its [`crate::liveness::Liveness`]
//! knows. The [`NodeLifecycleController`] keeps the taints in step with what the Node object says, whoever wrote it.

mod conditions;
pub mod pods;
mod taints;

use std::sync::Arc;

use bosun_proto::core_v1::Node;
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Object, Resource};

use super::Controller;
use crate::kinds::node;
use crate::liveness::Standing;
use crate::plan::{PLAN_OBJECTS_MAX, Plan};
use crate::state::{Change, Snapshot, Write};

/// Keeps the taints of each node in step with its conditions and its spec.
#[derive(Debug)]
pub struct NodeLifecycleController;

/// The source of the Events about a node's standing.
pub const NAME: &str = "node-controller";

impl Controller for NodeLifecycleController {
    fn name(&self) -> &'static str {
        NAME
    }

    fn keys(&self, snapshot: &Snapshot) -> Vec<Key> {
        snapshot.all::<Node>(None).map(|node| node.key()).collect()
    }

    fn touched_by(&self, change: &Change, _snapshot: &Snapshot) -> Vec<Key> {
        let is_node = change.key.kind == Kind::Node && change.new.is_some();
        if is_node {
            vec![change.key.clone()]
        } else {
            Vec::new()
        }
    }

    fn reconcile(&self, snapshot: &Snapshot, key: &Key, now: Time) -> Plan {
        let Some(stored) = snapshot.find_key::<Node>(key) else {
            return Plan::default();
        };
        let mut tainted = stored.as_ref().clone();
        taints::follow(&mut tainted, now);
        if tainted == **stored {
            return Plan::default();
        }
        Plan {
            writes: vec![Write::replace(&Object::from(stored.clone()), tainted)],
            ..Plan::default()
        }
    }
}

/// The standing that is written down in a Node object: what a new leader starts its [`crate::liveness::Liveness`] with. That
/// a node was lost is not written; it is found out once more, and then nothing is left to do.
pub fn written_standing(node: &Node) -> Standing {
    if node::is_ready(node) {
        Standing::Heard
    } else {
        Standing::Silent
    }
}

/// Whether something was written since the node's standing was that does not go with it: the node called itself ready and
/// was not heard again, or a lost node was given a pod.
pub fn has_to_be_written_again(snapshot: &Snapshot, node_name: &str, standing: Standing) -> bool {
    let Some(node) = snapshot.find::<Node>("", node_name) else {
        return false;
    };
    match standing {
        Standing::Heard => !node::is_ready(node),
        Standing::Silent => node::is_ready(node),
        Standing::Lost => node::is_ready(node) || pods::unfinished(snapshot, node_name).next().is_some(),
    }
}

/// What to write because a node's standing is `standing` now; empty when that is written already.
///
/// Each plan is a transaction. The first holds the node, its conditions and taints, and as many of the pods it affects as
/// fit; the others hold the rest of the pods.
pub fn plans(snapshot: &Snapshot, node_name: &str, standing: Standing, now: Time) -> Vec<Plan> {
    let Some(stored) = snapshot.find::<Node>("", node_name) else {
        return Vec::new();
    };
    let mut plan = node_plan(stored, standing, now);
    let mut plans = Vec::new();
    let pod_writes = match standing {
        Standing::Heard => Vec::new(),
        Standing::Silent => pods::of_silent_node(snapshot, node_name, now),
        Standing::Lost => pods::of_lost_node(snapshot, node_name, now),
    };
    // The writes for one pod (itself and its Job's count) stay together.
    for writes in pod_writes {
        if plan.writes.len() + writes.len() > PLAN_OBJECTS_MAX {
            plans.push(std::mem::take(&mut plan));
        }
        plan.writes.extend(writes);
    }
    plans.push(plan);
    plans.retain(|plan| !plan.is_empty());
    plans
}

/// Makes a node ready, with the taints that belong to it: its agent has just arrived.
pub fn make_ready(node: &mut Node, now: Time) {
    conditions::set_ready(node, now);
    taints::follow(node, now);
}

fn node_plan(stored: &Arc<Node>, standing: Standing, now: Time) -> Plan {
    let mut changed = stored.as_ref().clone();
    match standing {
        Standing::Heard => conditions::set_ready(&mut changed, now),
        Standing::Silent | Standing::Lost => conditions::set_silent(&mut changed, now),
    }
    taints::follow(&mut changed, now);
    let mut plan = Plan::default();
    if changed == **stored {
        return plan;
    }
    let (key, uid) = (stored.key(), &stored.metadata().uid);
    match (node::is_ready(stored), node::is_ready(&changed)) {
        (false, true) => plan.note(&key, uid, "NodeReady", "the node's agent is heard"),
        (true, false) => plan.warn(
            &key,
            uid,
            "NodeNotReady",
            "the node's agent is not heard any more",
        ),
        (true, true) | (false, false) => {}
    }
    plan.writes
        .push(Write::replace(&Object::from(stored.clone()), changed));
    plan
}

#[cfg(test)]
mod node_lifecycle_tests;
