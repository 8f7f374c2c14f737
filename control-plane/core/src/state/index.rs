//! Ways into the tables that are not by name, kept up to date by every change.

use std::sync::Arc;

use bosun_proto::core_v1::Pod;
use bosun_proto::{Key, Object};
use imbl::{OrdMap, OrdSet};

use super::usage::Usage;
use crate::kinds::{self, pod};

/// Derived entirely from the tables; never stored.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    pub(super) by_uid: OrdMap<Arc<str>, Key>,
    /// (uid of an owner, object that names it in its ownerReferences)
    pub(super) dependents: OrdSet<(Arc<str>, Key)>,
    /// (node, pod), also finished pods.
    pub(super) on_node: OrdSet<(Arc<str>, Key)>,
    /// Pods without a node that have not finished.
    pub(super) unassigned: OrdSet<Key>,
    /// (uid of the controller, pod), without the pods of which nothing more is to be said: succeeded, counted, not ending.
    pub(super) open_pods: OrdSet<(Arc<str>, Key)>,
    /// Pods without a controller.
    pub(super) uncontrolled_pods: OrdSet<Key>,
    /// What the pods of a node hold that have not finished.
    pub(super) usage: OrdMap<Arc<str>, Usage>,
}

impl Index {
    pub(super) fn update(&mut self, key: &Key, old: Option<&Object>, new: Option<&Object>) {
        self.update_identity(key, old, new);
        self.update_owners(key, old, new);
        let (old, new) = (old.and_then(as_pod), new.and_then(as_pod));
        if old.is_some() || new.is_some() {
            self.update_placement(key, old, new);
            self.update_control(key, old, new);
        }
    }

    fn update_control(&mut self, key: &Key, old: Option<&Pod>, new: Option<&Pod>) {
        let (was, is) = (old.map(Control::of), new.map(Control::of));
        if was == is {
            return;
        }
        match was {
            Some(Control {
                controller: Some(uid),
                open: true,
            }) => {
                self.open_pods.remove(&(uid.into(), key.clone()));
            }
            Some(Control { controller: None, .. }) => drop(self.uncontrolled_pods.remove(key)),
            _ => {}
        }
        match is {
            Some(Control {
                controller: Some(uid),
                open: true,
            }) => {
                self.open_pods.insert((uid.into(), key.clone()));
            }
            Some(Control { controller: None, .. }) => drop(self.uncontrolled_pods.insert(key.clone())),
            _ => {}
        }
    }

    fn update_identity(&mut self, key: &Key, old: Option<&Object>, new: Option<&Object>) {
        let uid = |object: Option<&Object>| object.map(|object| object.metadata().uid.clone());
        let (old, new) = (uid(old), uid(new));
        if old != new {
            if let Some(old) = old {
                self.by_uid.remove(old.as_str());
            }
            if let Some(new) = new {
                self.by_uid.insert(new.into(), key.clone());
            }
        }
    }

    fn update_owners(&mut self, key: &Key, old: Option<&Object>, new: Option<&Object>) {
        let owners = |object: Option<&Object>| -> Vec<String> {
            object.map_or_else(Vec::new, |object| {
                object
                    .metadata()
                    .owner_references
                    .iter()
                    .map(|owner| owner.uid.clone())
                    .collect()
            })
        };
        let (old, new) = (owners(old), owners(new));
        if old != new {
            for uid in old {
                self.dependents.remove(&(uid.into(), key.clone()));
            }
            for uid in new {
                self.dependents.insert((uid.into(), key.clone()));
            }
        }
    }

    fn update_placement(&mut self, key: &Key, old: Option<&Pod>, new: Option<&Pod>) {
        let (was, is) = (old.map(Placement::of), new.map(Placement::of));
        if was == is {
            return;
        }
        if let (Some(placement), Some(pod)) = (was, old) {
            self.displace(key, placement, pod);
        }
        if let (Some(placement), Some(pod)) = (is, new) {
            self.place(key, placement, pod);
        }
    }

    fn displace(&mut self, key: &Key, placement: Placement<'_>, pod: &Pod) {
        self.unassigned.remove(key);
        let Some(node) = placement.node else { return };
        self.on_node.remove(&(node.into(), key.clone()));
        if placement.holds {
            let mut usage = self.usage.get(node).cloned().unwrap_or_default();
            usage.subtract(&Usage::of_pod(pod::spec(pod)));
            if usage.0.is_empty() {
                self.usage.remove(node);
            } else {
                self.usage.insert(node.into(), usage);
            }
        }
    }

    fn place(&mut self, key: &Key, placement: Placement<'_>, pod: &Pod) {
        let Some(node) = placement.node else {
            if placement.holds {
                self.unassigned.insert(key.clone());
            }
            return;
        };
        self.on_node.insert((node.into(), key.clone()));
        if placement.holds {
            let mut usage = self.usage.get(node).cloned().unwrap_or_default();
            usage.add(&Usage::of_pod(pod::spec(pod)));
            self.usage.insert(node.into(), usage);
        }
    }
}

/// Where a pod is, as far as the indexes care. Container resources of a pod never change after it is created.
#[derive(PartialEq, Eq)]
struct Placement<'a> {
    node: Option<&'a str>,
    holds: bool,
}

impl<'a> Placement<'a> {
    fn of(pod: &'a Pod) -> Self {
        let node = pod::spec(pod).node_name.as_str();
        Self {
            node: (!node.is_empty()).then_some(node),
            holds: !pod::is_finished(pod),
        }
    }
}

/// Who controls a pod, and whether it still has to look at it.
#[derive(PartialEq, Eq)]
struct Control<'a> {
    controller: Option<&'a str>,
    open: bool,
}

impl<'a> Control<'a> {
    fn of(pod: &'a Pod) -> Self {
        let controller = pod
            .metadata
            .as_ref()
            .and_then(kinds::controller_of)
            .map(|owner| owner.uid.as_str());
        let held = pod
            .metadata
            .as_ref()
            .is_some_and(|metadata| !metadata.finalizers.is_empty());
        let succeeded = pod::status(pod).phase == pod::phase::SUCCEEDED;
        Self {
            controller,
            open: !succeeded || held || pod::is_ending(pod),
        }
    }
}

fn as_pod(object: &Object) -> Option<&Pod> {
    match object {
        Object::Pod(pod) => Some(pod),
        _ => None,
    }
}
