//! What must hold exactly for a write to happen, checked where it cannot change any more: inside apply.

use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::{Namespace, Node, Pod};
use bosun_proto::{Key, Kind};

use super::snapshot::Snapshot;
use super::usage::Usage;
use super::write::{Reason, Write};
use crate::kinds::{node, pod};

/// Whether `write` may happen on `state`.
pub(super) fn check(state: &Snapshot, write: &Write) -> Result<(), Reason> {
    match write {
        Write::Create(object) => {
            let key = object.key();
            namespace_takes(state, &key)?;
            if state.get(&key).is_some() {
                Err(Reason::AlreadyExists)
            } else {
                Ok(())
            }
        }
        Write::Replace {
            object,
            expected_version,
        } => is_at(state, &object.key(), &object.metadata().uid, *expected_version),
        Write::Delete {
            key,
            uid,
            expected_version,
        } => is_at(state, key, uid, *expected_version),
        Write::Bind {
            pod,
            expected_version,
            node,
        } => may_bind(state, pod, *expected_version, node),
        // A Job that is gone needs no count; the write then does nothing.
        Write::Count(_) => Ok(()),
        Write::Progress(progress) => {
            let stored = state
                .find::<Job>(&progress.namespace, &progress.job)
                .ok_or(Reason::NotFound)?;
            let metadata = stored
                .metadata
                .as_ref()
                .filter(|metadata| metadata.uid == progress.job_uid);
            let generation = metadata.ok_or(Reason::NotFound)?.generation;
            if generation == progress.generation {
                Ok(())
            } else {
                Err(Reason::Conflict {
                    current: state.version_of(&write.key()),
                })
            }
        }
        Write::Expect { key, version } => match state.version_of(key) {
            current if current == *version => Ok(()),
            0 => Err(Reason::NotFound),
            current => Err(Reason::Conflict { current }),
        },
    }
}

fn namespace_takes(state: &Snapshot, key: &Key) -> Result<(), Reason> {
    if !key.kind.info().namespaced {
        return Ok(());
    }
    let namespace = state
        .find::<Namespace>("", &key.namespace)
        .ok_or(Reason::NamespaceMissing)?;
    let ends = namespace
        .metadata
        .as_ref()
        .is_some_and(|metadata| metadata.deletion_timestamp.is_some());
    // Events about the end of a namespace are part of it.
    if ends && key.kind != Kind::Event {
        Err(Reason::NamespaceTerminating)
    } else {
        Ok(())
    }
}

fn is_at(state: &Snapshot, key: &Key, uid: &str, expected_version: u64) -> Result<(), Reason> {
    let stored = state.get(key).ok_or(Reason::NotFound)?;
    if stored.metadata().uid != uid {
        return Err(Reason::NotFound);
    }
    match state.version_of(key) {
        current if current == expected_version => Ok(()),
        current => Err(Reason::Conflict { current }),
    }
}

fn may_bind(state: &Snapshot, key: &Key, expected_version: u64, node_name: &str) -> Result<(), Reason> {
    let stored = state.find_key::<Pod>(key).ok_or(Reason::NotFound)?;
    let current = state.version_of(key);
    if current != expected_version {
        return Err(Reason::Conflict { current });
    }
    let ends = stored
        .metadata
        .as_ref()
        .is_some_and(|metadata| metadata.deletion_timestamp.is_some());
    let spec = pod::spec(stored);
    if ends || pod::is_finished(stored) || !spec.node_name.is_empty() {
        return Err(Reason::NotBindable);
    }
    let target = state.find::<Node>("", node_name).ok_or(Reason::NodeUnavailable)?;
    if !node::takes_pods(target) {
        return Err(Reason::NodeUnavailable);
    }
    let allocatable = target.status.as_ref().map(Usage::allocatable).unwrap_or_default();
    match state.usage(node_name).lacking(&allocatable, &Usage::of_pod(spec)) {
        Some(resource) => Err(Reason::NoRoom { resource }),
        None => Ok(()),
    }
}
