//! What shall become of a pod when its node is cut off: the one rule that control plane and agents go by. The control plane
//! decides by it when a pod is replaced, the agent whether it must have stopped it by then.

use crate::Resource;
use crate::core_v1::Pod;
use crate::kinds::Kind;

/// The annotation by which a pod chooses: `stop` or `keep`.
pub const ON_NODE_LOSS_ANNOTATION: &str = "bosun.dev/on-node-loss";
/// The values it may have.
pub const ON_NODE_LOSS_VALUES: [&str; 2] = ["stop", "keep"];
/// The status reason of a pod that was given up with its node, or stopped because its node was cut off.
pub const NODE_LOST: &str = "NodeLost";

/// What an agent does with a pod when it is cut off from the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnNodeLoss {
    /// It stops it when its lease ends: the pod is *fenced*. So no two copies ever run; it is replaced late.
    Stop,
    /// It lets it run. So it stays available, is replaced early, and two copies may run for a while.
    Keep,
}

impl OnNodeLoss {
    /// What the pod's annotation says; without one a ReplicaSet's pod is kept and every other is stopped.
    pub fn of(pod: &Pod) -> Self {
        let metadata = pod.metadata();
        match metadata
            .annotations
            .get(ON_NODE_LOSS_ANNOTATION)
            .map(String::as_str)
        {
            Some("keep") => Self::Keep,
            // "stop". Another word is refused by admission; should one exist all the same, this is the careful side.
            Some(_) => Self::Stop,
            None => {
                let replica_set = Kind::ReplicaSet.info().kind;
                let is_replica = metadata
                    .owner_references
                    .iter()
                    .any(|owner| owner.controller == Some(true) && owner.kind == replica_set);
                if is_replica { Self::Keep } else { Self::Stop }
            }
        }
    }
}

/// Whether the pod must not run twice: see [`OnNodeLoss::Stop`].
pub fn is_fenced(pod: &Pod) -> bool {
    OnNodeLoss::of(pod) == OnNodeLoss::Stop
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta_v1::{ObjectMeta, OwnerReference};

    #[test]
    fn the_annotation_decides_and_without_one_the_owner() {
        let pod = |owner: Option<(&str, Option<bool>)>, choice: Option<&str>| Pod {
            metadata: Some(ObjectMeta {
                owner_references: owner
                    .into_iter()
                    .map(|(kind, controller)| OwnerReference {
                        kind: kind.into(),
                        controller,
                        ..OwnerReference::default()
                    })
                    .collect(),
                annotations: choice
                    .into_iter()
                    .map(|choice| (ON_NODE_LOSS_ANNOTATION.to_owned(), choice.to_owned()))
                    .collect(),
                ..ObjectMeta::default()
            }),
            ..Pod::default()
        };
        let controls = Some(true);
        for (owner, choice, fenced) in [
            (None, None, true),
            (None, Some("keep"), false),
            (Some(("Job", controls)), None, true),
            (Some(("Job", controls)), Some("keep"), false),
            (Some(("ReplicaSet", controls)), None, false),
            (Some(("ReplicaSet", controls)), Some("stop"), true),
            (Some(("ReplicaSet", None)), None, true),
            (Some(("ReplicaSet", controls)), Some("perhaps"), true),
        ] {
            assert_eq!(is_fenced(&pod(owner, choice)), fenced, "{owner:?} {choice:?}");
        }
    }
}
