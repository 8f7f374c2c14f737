//! Namespaces that are being deleted empty themselves: pods first, then everything else, then the namespace goes.

use bosun_proto::core_v1::Namespace;
use bosun_proto::meta_v1::ObjectMeta;
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Object, Resource};

use super::Controller;
use crate::admission::deletion::{self, Propagation};
use crate::kinds;
use crate::plan::{PLAN_OBJECTS_MAX, Plan};
use crate::state::{Change, Snapshot, Write};

/// The namespaces every cluster has. Source: Kubernetes.
pub const BUILT_IN: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
/// What holds a namespace until it is empty; in its spec, not among its finalizers.
const FINALIZER: &str = "kubernetes";

/// Empties namespaces that are being deleted.
#[derive(Debug)]
pub struct NamespaceController;

impl Controller for NamespaceController {
    fn name(&self) -> &'static str {
        "namespace-controller"
    }

    fn keys(&self, snapshot: &Snapshot) -> Vec<Key> {
        snapshot
            .all::<Namespace>(None)
            .filter(|namespace| ends(namespace))
            .map(|namespace| namespace.key())
            .collect()
    }

    fn touched_by(&self, change: &Change, snapshot: &Snapshot) -> Vec<Key> {
        if change.key.kind == Kind::Namespace {
            let was_ending = change
                .old
                .as_ref()
                .and_then(Namespace::from_object)
                .is_some_and(|it| ends(it));
            // Removed: an Event may have been written into it in the last moment.
            let needs_a_look = match change.new.as_ref().and_then(Namespace::from_object) {
                Some(namespace) => ends(namespace) && !was_ending,
                None => true,
            };
            return if needs_a_look {
                vec![change.key.clone()]
            } else {
                Vec::new()
            };
        }
        // Something went, or something came that does not belong there any more.
        let is_news = change.new.is_none() || change.old.is_none();
        if !is_news || !change.key.kind.info().namespaced {
            return Vec::new();
        }
        let key = Key::new(Kind::Namespace, "", &change.key.namespace);
        let is_left_behind = match snapshot.find_key::<Namespace>(&key) {
            Some(namespace) => ends(namespace),
            None => change.new.is_some(),
        };
        if is_left_behind { vec![key] } else { Vec::new() }
    }

    fn reconcile(&self, snapshot: &Snapshot, key: &Key, now: Time) -> Plan {
        match snapshot.find_key::<Namespace>(key) {
            Some(namespace) if ends(namespace) => empty(snapshot, namespace, now),
            None if key.kind == Kind::Namespace => Plan {
                writes: delete_all(snapshot, &key.name, namespaced_kinds(), now),
                ..Plan::default()
            },
            Some(_) | None => Plan::default(),
        }
    }
}

/// The writes that create what [`BUILT_IN`] names and is not there. Their uids and times come with
/// [`crate::stamp::Stamp`]; a leader proposes them before anything else.
pub fn bootstrap(snapshot: &Snapshot, now: Time) -> Vec<Write> {
    let missing = BUILT_IN
        .iter()
        .filter(|name| snapshot.find::<Namespace>("", name).is_none());
    missing
        .map(|name| {
            let metadata = ObjectMeta {
                name: (*name).into(),
                ..ObjectMeta::default()
            };
            let mut namespace = Object::from(Namespace {
                metadata: Some(metadata),
                ..Namespace::default()
            });
            kinds::fill_defaults(&mut namespace);
            kinds::prepare_create(&mut namespace, now);
            Write::Create(namespace)
        })
        .collect()
}

/// The next part of what is left to delete; when nothing is left, the namespace itself.
fn empty(snapshot: &Snapshot, namespace: &std::sync::Arc<Namespace>, now: Time) -> Plan {
    let name = &namespace.metadata().name;
    let mut plan = Plan::default();
    // While pods run they may need what else is in the namespace. Source: Kubernetes' ordered deletion.
    if snapshot.list(Kind::Pod, Some(name)).next().is_some() {
        plan.writes = delete_all(snapshot, name, [Kind::Pod].into_iter(), now);
        return plan;
    }
    if namespaced_kinds().any(|kind| snapshot.list(kind, Some(name)).next().is_some()) {
        plan.writes = delete_all(snapshot, name, namespaced_kinds(), now);
        return plan;
    }
    let mut emptied = namespace.as_ref().clone();
    emptied
        .spec
        .get_or_insert_default()
        .finalizers
        .retain(|finalizer| finalizer != FINALIZER);
    let old = Object::from(namespace.clone());
    if emptied != **namespace || deletion::may_go(&old) {
        plan.writes.push(deletion::write_of(&old, emptied.into()));
    }
    plan
}

fn delete_all(
    snapshot: &Snapshot,
    namespace: &str,
    kinds: impl Iterator<Item = Kind>,
    now: Time,
) -> Vec<Write> {
    let objects = kinds.flat_map(|kind| snapshot.list(kind, Some(namespace)));
    let not_ending = objects.filter(|object| object.metadata().deletion_timestamp.is_none());
    let writes = not_ending.filter_map(|object| deletion::begin(object, Propagation::Background, None, now));
    writes.take(PLAN_OBJECTS_MAX).collect()
}

fn namespaced_kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied().filter(|kind| kind.info().namespaced)
}

fn ends(namespace: &Namespace) -> bool {
    namespace.metadata().deletion_timestamp.is_some()
}

#[cfg(test)]
#[path = "namespace_tests.rs"]
mod namespace_tests;
