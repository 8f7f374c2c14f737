//! Owns the joining of list and watch into one endless account: first what is there, then what changes, and after a gap
//! that a watch cannot bridge, the difference between what was known and a new list.

use crate::client::Client;
use crate::error::ApiError;
use crate::list::{List, Query};
use crate::watch::{Change, ChangeKind, Watch};
use bosun_proto::{Key, Object};
use std::collections::{BTreeMap, VecDeque};

/// What a follower is told.
#[derive(Clone, Debug)]
pub enum Step {
    /// An object came, changed or went.
    Change(Change),
    /// All that was there at the beginning has been told; changes come from here on. Told once.
    CaughtUp,
}

/// The present state and then the changes of what a query finds.
#[derive(Debug)]
pub struct Follow {
    client: Client,
    query: Query,
    known: BTreeMap<Key, Object>,
    waiting: VecDeque<Step>,
    watch: Option<Watch>,
    caught_up: bool,
}

impl Follow {
    pub(crate) fn new(client: Client, query: Query) -> Self {
        Self {
            client,
            query,
            known: BTreeMap::new(),
            waiting: VecDeque::new(),
            watch: None,
            caught_up: false,
        }
    }

    /// The objects as last told, in the order of their keys.
    pub fn known(&self) -> &BTreeMap<Key, Object> {
        &self.known
    }

    /// Waits for the next step. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the servers do not answer for longer than the client's patience, or refuse the query.
    pub async fn next(&mut self) -> Result<Step, ApiError> {
        loop {
            if let Some(step) = self.waiting.pop_front() {
                return Ok(step);
            }
            let Some(watch) = &mut self.watch else {
                let list = self.client.list(&self.query).await?;
                self.watch = Some(self.client.watch(self.query.clone(), &list.resource_version));
                self.waiting
                    .extend(differences(&mut self.known, list).into_iter().map(Step::Change));
                if !std::mem::replace(&mut self.caught_up, true) {
                    self.waiting.push_back(Step::CaughtUp);
                }
                continue;
            };
            match watch.next().await {
                Ok(change) => {
                    match change.kind {
                        ChangeKind::Added | ChangeKind::Modified => {
                            self.known.insert(change.object.key(), change.object.clone());
                        }
                        ChangeKind::Deleted => {
                            self.known.remove(&change.object.key());
                        }
                    }
                    return Ok(Step::Change(change));
                }
                Err(ApiError::TooOld { .. }) => self.watch = None,
                Err(error) => return Err(error),
            }
        }
    }
}

/// What must have happened between what was known and a list, in the order of the keys, deletions first.
fn differences(known: &mut BTreeMap<Key, Object>, list: List) -> Vec<Change> {
    let listed: BTreeMap<Key, Object> = list
        .items
        .into_iter()
        .map(|object| (object.key(), object))
        .collect();
    let identity = |object: &Object| object.metadata().uid.clone();
    let version = |object: &Object| object.metadata().resource_version.clone();
    let mut changes = Vec::new();
    for (key, object) in &*known {
        let still = listed
            .get(key)
            .is_some_and(|now| identity(now) == identity(object));
        if !still {
            changes.push(Change {
                kind: ChangeKind::Deleted,
                object: object.clone(),
            });
        }
    }
    for (key, object) in &listed {
        let kind = match known.get(key) {
            Some(before) if identity(before) != identity(object) => ChangeKind::Added,
            Some(before) if version(before) == version(object) => continue,
            Some(_) => ChangeKind::Modified,
            None => ChangeKind::Added,
        };
        changes.push(Change {
            kind,
            object: object.clone(),
        });
    }
    *known = listed;
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use bosun_proto::{core_v1, meta_v1};

    fn pod(name: &str, uid: &str, version: &str) -> Object {
        let metadata = meta_v1::ObjectMeta {
            name: name.into(),
            namespace: "default".into(),
            uid: uid.into(),
            resource_version: version.into(),
            ..Default::default()
        };
        Object::from(core_v1::Pod {
            metadata: Some(metadata),
            ..Default::default()
        })
    }

    #[test]
    fn a_new_list_is_told_as_changes() {
        let mut known = BTreeMap::new();
        let mut tell = |items: Vec<Object>| {
            let list = List {
                items,
                resource_version: "9".into(),
            };
            let told = differences(&mut known, list);
            let told = told.iter().map(|change| {
                let meta = change.object.metadata();
                format!("{:?} {} {}", change.kind, meta.name, meta.uid)
            });
            told.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(
            tell(vec![pod("a", "1", "1"), pod("b", "2", "2")]),
            "Added a 1, Added b 2"
        );
        assert_eq!(tell(vec![pod("a", "1", "1"), pod("b", "2", "3")]), "Modified b 2");
        assert_eq!(
            tell(vec![pod("b", "4", "5"), pod("c", "3", "4")]),
            "Deleted a 1, Deleted b 2, Added b 4, Added c 3"
        );
        assert_eq!(tell(Vec::new()), "Deleted b 4, Deleted c 3");
    }
}
