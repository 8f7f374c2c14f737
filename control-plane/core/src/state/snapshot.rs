//! The read view of the state at one version.

use std::sync::Arc;

use bosun_proto::core_v1::Pod;
use bosun_proto::{Key, Kind, Object, Resource};
use imbl::OrdMap;

use super::history::{Change, History};
use super::index::Index;
use super::requests::{Done, RequestId, Requests};
use super::usage::Usage;
use super::write::version_of;

/// All objects at one version. Cloning is cheap; a clone never changes.
#[derive(Clone, Debug)]
pub struct Snapshot {
    version: u64,
    tables: [OrdMap<Key, Object>; Kind::ALL.len()],
    index: Index,
    history: History,
    requests: Requests,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self::empty_at(0)
    }
}

impl Snapshot {
    pub(super) fn empty_at(version: u64) -> Self {
        Self {
            version,
            tables: Default::default(),
            index: Index::default(),
            history: History::starting_at(version),
            requests: Requests::default(),
        }
    }

    /// The number of changes ever made: the resourceVersion of the whole.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The recent changes.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// What a client's request did, if it was carried out and not too long ago.
    pub fn done(&self, request_id: &RequestId) -> Option<&Done> {
        self.requests.get(request_id).map(AsRef::as_ref)
    }

    pub(super) fn requests(&self) -> &Requests {
        &self.requests
    }

    pub(super) fn requests_mut(&mut self) -> &mut Requests {
        &mut self.requests
    }

    /// An object by key.
    pub fn get(&self, key: &Key) -> Option<&Object> {
        self.table(key.kind).get(key)
    }

    /// The version an object is at; 0 when there is none.
    pub fn version_of(&self, key: &Key) -> u64 {
        self.get(key).map_or(0, version_of)
    }

    /// An object of a known type by name; the namespace is empty for cluster-scoped kinds.
    pub fn find<R: Resource>(&self, namespace: &str, name: &str) -> Option<&Arc<R>> {
        self.find_key(&Key::new(R::KIND, namespace, name))
    }

    /// An object of a known type by key; `None` also when the key is of another kind.
    pub fn find_key<R: Resource>(&self, key: &Key) -> Option<&Arc<R>> {
        self.get(key).and_then(R::from_object)
    }

    /// The objects of a kind in key order, of one namespace or of all.
    pub fn list(&self, kind: Kind, namespace: Option<&str>) -> impl Iterator<Item = &Object> + use<'_> {
        let namespace: Option<Arc<str>> = namespace.map(Arc::from);
        let start = Key::new(kind, namespace.as_deref().unwrap_or(""), "");
        self.table(kind)
            .range(start..)
            .take_while(move |(key, _)| {
                namespace
                    .as_ref()
                    .is_none_or(|namespace| key.namespace == *namespace)
            })
            .map(|(_, object)| object)
    }

    /// The objects of a kind after a key, in key order: the next page of a list.
    pub fn list_after(&self, after: &Key) -> impl Iterator<Item = &Object> + use<'_> {
        let after = after.clone();
        self.table(after.kind)
            .range(after.clone()..)
            .filter(move |(key, _)| **key != after)
            .map(|(_, object)| object)
    }

    /// The objects of a known type, of one namespace or of all.
    pub fn all<R: Resource + 'static>(
        &self,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = &Arc<R>> + use<'_, R> {
        self.list(R::KIND, namespace).filter_map(R::from_object)
    }

    /// How many objects of a kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.table(kind).len()
    }

    /// The object that has this uid.
    pub fn by_uid(&self, uid: &str) -> Option<&Object> {
        self.index.by_uid.get(uid).and_then(|key| self.get(key))
    }

    /// The objects that name this uid among their owners.
    pub fn dependents(&self, uid: &str) -> impl Iterator<Item = &Object> + use<'_> {
        let uid: Arc<str> = uid.into();
        let start = (uid.clone(), first_key());
        self.index
            .dependents
            .range(start..)
            .take_while(move |(owner, _)| *owner == uid)
            .filter_map(|(_, key)| self.get(key))
    }

    /// The dependents of a known type whose *controller* is this uid.
    pub fn controlled_by<R: Resource + 'static>(
        &self,
        uid: &str,
    ) -> impl Iterator<Item = &Arc<R>> + use<'_, R> {
        let owner = uid.to_owned();
        self.dependents(uid)
            .filter_map(R::from_object)
            .filter(move |object| {
                let references = &object.metadata().owner_references;
                references
                    .iter()
                    .any(|reference| reference.controller == Some(true) && reference.uid == owner)
            })
    }

    /// The pods whose controller is this uid, without those of which nothing more is to be said: succeeded, held by no
    /// finalizer and not being deleted. So the cost of looking after a Job does not grow with what it has done.
    pub fn open_pods_of(&self, uid: &str) -> impl Iterator<Item = &Arc<Pod>> + use<'_> {
        let uid: Arc<str> = uid.into();
        let start = (uid.clone(), first_key());
        self.index
            .open_pods
            .range(start..)
            .take_while(move |(controller, _)| *controller == uid)
            .filter_map(|(_, key)| self.find_key(key))
    }

    /// The pods of a namespace that have no controller: those that one may adopt.
    pub fn uncontrolled_pods(&self, namespace: &str) -> impl Iterator<Item = &Arc<Pod>> + use<'_> {
        let namespace: Arc<str> = namespace.into();
        let start = Key::new(Kind::Pod, &namespace, "");
        self.index
            .uncontrolled_pods
            .range(start..)
            .take_while(move |key| key.namespace == namespace)
            .filter_map(|key| self.find_key(key))
    }

    /// The pods that have this node, finished ones too.
    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = &Arc<Pod>> + use<'_> {
        let node: Arc<str> = node.into();
        let start = (node.clone(), first_key());
        self.index
            .on_node
            .range(start..)
            .take_while(move |(name, _)| *name == node)
            .filter_map(|(_, key)| self.find_key(key))
    }

    /// The pods that have no node and have not finished.
    pub fn unassigned_pods(&self) -> impl Iterator<Item = &Arc<Pod>> {
        self.index.unassigned.iter().filter_map(|key| self.find_key(key))
    }

    /// What the unfinished pods of a node hold.
    pub fn usage(&self, node: &str) -> Usage {
        self.index.usage.get(node).cloned().unwrap_or_default()
    }

    fn table(&self, kind: Kind) -> &OrdMap<Key, Object> {
        &self.tables[kind as usize - 1]
    }

    /// Puts or removes (`None`) an object and returns the version that made; does nothing and returns the present version
    /// when that is what is stored. The only place where anything in the state changes.
    pub(super) fn put(&mut self, key: Key, new: Option<Object>) -> u64 {
        let old = self.get(&key).cloned();
        // Whoever replaces an object has derived it from the stored one, so that its version is the same, too.
        if old == new {
            return self.version_of(&key);
        }
        self.version += 1;
        let new = new.map(|object| at_version(object, self.version));
        let table = &mut self.tables[key.kind as usize - 1];
        match &new {
            Some(object) => table.insert(key.clone(), object.clone()),
            None => table.remove(&key),
        };
        self.index.update(&key, old.as_ref(), new.as_ref());
        self.history.push(Change {
            version: self.version,
            key,
            old,
            new,
        });
        self.version
    }

    /// Puts an object that already carries its version, as a snapshot on disk holds it.
    pub(super) fn restore(&mut self, object: Object) {
        let key = object.key();
        self.index.update(&key, None, Some(&object));
        self.tables[key.kind as usize - 1].insert(key, object);
    }
}

fn first_key() -> Key {
    Key::new(Kind::ALL[0], "", "")
}

fn at_version(mut object: Object, version: u64) -> Object {
    object.metadata_mut().resource_version = version.to_string();
    object
}
