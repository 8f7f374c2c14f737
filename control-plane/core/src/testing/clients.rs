//! What users do: each verb passes through admission, as a request does.

use std::collections::BTreeMap;

use bosun_proto::core_v1::{Node, NodeCondition, NodeStatus};
use bosun_proto::meta_v1::{DeleteOptions, ObjectMeta};
use bosun_proto::scalars::Quantity;
use bosun_proto::{Key, Kind, Object, Resource};

use super::fixture::{Fixture, NAMESPACE};
use super::objects_from_yaml;
use crate::admission::deletion::{self, Propagation};
use crate::admission::{self, DeleteRequest};
use crate::refusal::Refusal;
use crate::state::Write;

impl Fixture {
    /// A ready node.
    pub fn add_node(&mut self, name: &str, allocatable: &[(&str, &str)]) {
        let offers = |(resource, amount): &(&str, &str)| ((*resource).to_owned(), Quantity::from(*amount));
        let allocatable: BTreeMap<_, _> = allocatable.iter().map(offers).collect();
        let ready = NodeCondition {
            r#type: "Ready".into(),
            status: "True".into(),
            last_transition_time: Some(self.now),
            ..NodeCondition::default()
        };
        let labels = [("kubernetes.io/hostname".to_owned(), name.to_owned())].into();
        let mut node = Object::from(Node {
            metadata: Some(ObjectMeta {
                name: name.into(),
                labels,
                ..ObjectMeta::default()
            }),
            status: Some(NodeStatus {
                capacity: allocatable.clone(),
                allocatable,
                conditions: vec![ready],
                ..NodeStatus::default()
            }),
            ..Node::default()
        });
        self.stamp(|stamp| stamp.complete(&mut node));
        self.must(vec![Write::Create(node)]);
    }

    /// Creates, as a client does: with defaults and checks.
    pub fn try_create(&mut self, object: impl Into<Object>) -> Result<Object, Refusal> {
        let snapshot = self.snapshot();
        let object = object.into();
        let admitted = self.stamp(|stamp| admission::create(&snapshot, object, stamp))?;
        self.try_execute(admitted.writes)?;
        Ok(admitted.object)
    }

    /// Creates what must be all right.
    pub fn create(&mut self, object: impl Into<Object>) -> Object {
        self.try_create(object)
            .unwrap_or_else(|refusal| panic!("cannot create: {refusal}"))
    }

    /// Creates each object of a YAML text, or replaces it when it is there already, as `apply` does.
    pub fn try_apply(&mut self, yaml: &str) -> Result<Vec<Key>, String> {
        let mut keys = Vec::new();
        for mut object in objects_from_yaml(yaml)? {
            if object.kind().info().namespaced && object.metadata().namespace.is_empty() {
                object.metadata_mut().namespace = NAMESPACE.into();
            }
            keys.push(object.key());
            let snapshot = self.snapshot();
            let done = if snapshot.get(&object.key()).is_some() {
                admission::update(&snapshot, object, self.now)
                    .and_then(|admitted| self.try_execute(admitted.writes))
            } else {
                self.try_create(object).map(drop)
            };
            done.map_err(|refusal| refusal.to_string())?;
        }
        Ok(keys)
    }

    /// Applies what must be all right.
    pub fn apply(&mut self, yaml: &str) {
        self.try_apply(yaml)
            .unwrap_or_else(|message| panic!("cannot apply: {message}"));
    }

    /// Changes a stored object as a client does.
    pub fn update<R: Resource + Clone + Into<Object>>(&mut self, name: &str, change: impl FnOnce(&mut R)) {
        let snapshot = self.snapshot();
        let namespace = if R::KIND.info().namespaced { NAMESPACE } else { "" };
        let stored = snapshot
            .find::<R>(namespace, name)
            .unwrap_or_else(|| panic!("no {:?} {name}", R::KIND));
        let mut changed = stored.as_ref().clone();
        change(&mut changed);
        let admitted = admission::update(&snapshot, changed.into(), self.now)
            .unwrap_or_else(|refusal| panic!("cannot update: {refusal}"));
        self.must(admitted.writes);
    }

    /// Deletes as a client does. `propagation` is Background, Foreground or Orphan; without it the kind chooses.
    pub fn delete(&mut self, key: &Key, propagation: Option<&str>) {
        // Everything here is in one namespace, which no client may delete. Who deletes it means one of any name.
        if key.kind == Kind::Namespace
            && let Some(stored) = self.snapshot().get(key).cloned()
        {
            let write = deletion::begin(&stored, Propagation::Background, None, self.now);
            return self.must(write.into_iter().collect());
        }
        let propagation_policy = propagation.map(str::to_owned);
        let options = DeleteOptions {
            propagation_policy,
            ..DeleteOptions::default()
        };
        let request = DeleteRequest {
            key: key.clone(),
            options,
        };
        let admitted = admission::delete(&self.snapshot(), &request, self.now)
            .unwrap_or_else(|refusal| panic!("cannot delete: {refusal}"));
        self.must(admitted.writes);
    }

    fn try_execute(&mut self, writes: Vec<Write>) -> Result<(), Refusal> {
        self.execute(writes).map(drop).map_err(Refusal::from)
    }
}
