//! What recent requests of clients led to, so that a repeated one is recognised and answered as the first.
//!
//! Part of the state, so that every server knows it, also a new leader. Bounded in number and in time, by the times in the
//! entries; what is forgotten, and when, is the same on every server.

use std::sync::Arc;

use bosun_proto::scalars::Time;
use bosun_proto::{Key, Object};
use imbl::{OrdMap, Vector};

use super::write::Write;

/// Chosen by whoever asks, newly for each request and again for each repetition.
pub type RequestId = [u8; 16];

/// The id of commands that nobody repeats: those of controllers and of nodes. They are not remembered.
pub const NO_REQUEST: RequestId = [0; 16];

/// At most so many requests are remembered.
pub(super) const REQUESTS_MAX: usize = 65_536;
/// For how long a request is remembered. Clients give up repeating long before.
pub(super) const REMEMBERED_SECONDS: i64 = 600;

/// What a request that was carried out did to the object it was about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// When it was proposed.
    pub time: Time,
    /// The object.
    pub key: Key,
    /// Its uid.
    pub uid: String,
    /// The version that made.
    pub version: u64,
    /// The object is gone since.
    pub removed: bool,
}

impl Done {
    /// What the first write of a command, which is the one that its request is about, did at that version.
    pub(super) fn by(write: &Write, version: u64, time: Time) -> Self {
        let uid = |object: &Object| object.metadata().uid.clone();
        let (uid, removed) = match write {
            Write::Create(object) | Write::Replace { object, .. } => (uid(object), false),
            Write::Delete { uid, .. } => (uid.clone(), true),
            Write::Bind { .. } | Write::Count(_) | Write::Progress(_) | Write::Expect { .. } => {
                (String::new(), false)
            }
        };
        Self {
            time,
            key: write.key(),
            uid,
            version,
            removed,
        }
    }
}

/// The remembered requests. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    by_id: OrdMap<RequestId, Arc<Done>>,
    /// In the order they were carried out.
    order: Vector<RequestId>,
}

impl Requests {
    pub(super) fn get(&self, id: &RequestId) -> Option<&Arc<Done>> {
        self.by_id.get(id)
    }

    /// Oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&RequestId, &Arc<Done>)> {
        self.order.iter().filter_map(|id| self.by_id.get_key_value(id))
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Remembers a request; [`NO_REQUEST`] is none.
    pub(super) fn remember(&mut self, id: RequestId, done: Done) {
        if id != NO_REQUEST && self.by_id.insert(id, Arc::new(done)).is_none() {
            self.order.push_back(id);
        }
    }

    /// Forgets what is too old at `now` or too much.
    pub(super) fn forget(&mut self, now: Time) {
        while let Some(oldest) = self.order.front() {
            let too_old = self
                .by_id
                .get(oldest)
                .is_none_or(|done| done.time.plus_seconds(REMEMBERED_SECONDS) < now);
            if !too_old && self.order.len() <= REQUESTS_MAX {
                return;
            }
            self.by_id.remove(oldest);
            self.order.pop_front();
        }
    }
}
