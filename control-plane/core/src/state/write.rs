//! What a command may do to the state, and how it can end.

use bosun_proto::log::{Count, Progress};
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Object};

use super::requests::RequestId;

/// One transaction: all of its writes happen, or none.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Chosen by whoever asked; a command of a request that was carried out before changes nothing. What is remembered of it is
    /// what its first write did.
    pub request_id: RequestId,
    /// The leader's clock when it proposed.
    pub time: Time,
    /// In this order; a later write sees the earlier ones.
    pub writes: Vec<Write>,
}

/// One write of a transaction, with the precondition it was decided on.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// A new object; its metadata carries name and uid. Fails when the name is taken, or its namespace is missing or ends.
    Create(Object),
    /// The object as it shall be. Fails unless it still is the one of that uid, at that version.
    Replace {
        /// The whole object.
        object: Object,
        /// The version the decision was made on.
        expected_version: u64,
    },
    /// Removes an object for good. Fails unless it still is the one of that uid, at that version.
    Delete {
        /// Which object.
        key: Key,
        /// Its uid.
        uid: String,
        /// The version the decision was made on.
        expected_version: u64,
    },
    /// Gives a pod its node. Fails unless the pod is at that version and has none, and the node takes pods and has room.
    Bind {
        /// The pod.
        pod: Key,
        /// The version of the pod the decision was made on.
        expected_version: u64,
        /// The node's name.
        node: String,
    },
    /// Adds a finished pod to its Job's counters: exact, because it is in the transaction that finishes the pod.
    Count(Count),
    /// Says how many of a Job's pods are active, ready and ending. A count that came in between is no conflict. Fails unless
    /// the Job of that uid still is at that generation.
    Progress(Progress),
    /// Writes nothing; fails unless the object is at that version (0: does not exist).
    Expect {
        /// Which object.
        key: Key,
        /// The version it must have.
        version: u64,
    },
}

impl Write {
    /// The object this write is about.
    pub fn key(&self) -> Key {
        match self {
            Self::Create(object) | Self::Replace { object, .. } => object.key(),
            Self::Delete { key, .. } | Self::Expect { key, .. } => key.clone(),
            Self::Bind { pod, .. } => pod.clone(),
            Self::Count(count) => Key::new(bosun_proto::Kind::Job, &count.namespace, &count.job),
            Self::Progress(progress) => Key::new(bosun_proto::Kind::Job, &progress.namespace, &progress.job),
        }
    }

    /// A [`Write::Replace`] decided on the stored object `old`.
    pub fn replace(old: &Object, new: impl Into<Object>) -> Self {
        Self::Replace {
            object: new.into(),
            expected_version: version_of(old),
        }
    }

    /// A [`Write::Delete`] decided on the stored object `old`.
    pub fn delete(old: &Object) -> Self {
        Self::Delete {
            key: old.key(),
            uid: old.metadata().uid.clone(),
            expected_version: version_of(old),
        }
    }
}

/// The version in an object's metadata; 0 when it has none, which no stored object has.
pub(super) fn version_of(object: &Object) -> u64 {
    object.metadata().resource_version.parse().unwrap_or(0)
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All writes happened. The version each object now has, in the order of the writes (0 where none was written).
    Applied(Vec<u64>),
    /// No write happened.
    Rejected(Rejection),
}

/// Why a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The object whose precondition did not hold.
    pub key: Key,
    /// What did not hold.
    pub reason: Reason,
}

/// The precondition that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An object of that name exists.
    AlreadyExists,
    /// No such object, or another one (by uid) of the same name.
    NotFound,
    /// The object has changed since the decision was made.
    Conflict {
        /// The version it has now.
        current: u64,
    },
    /// The object's namespace does not exist.
    NamespaceMissing,
    /// The object's namespace is being deleted.
    NamespaceTerminating,
    /// The pod has a node already, has finished, or is being deleted.
    NotBindable,
    /// The node does not exist, or takes no pods.
    NodeUnavailable,
    /// The node has not enough left of this resource.
    NoRoom {
        /// The resource's name.
        resource: String,
    },
    /// The request was carried out before, by another command; [`super::Snapshot::done`] has what it did. The key is the one
    /// of the object it was about.
    DoneBefore,
}
