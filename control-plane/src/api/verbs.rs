//! The generic verbs: decide on a snapshot, propose, and decide again when the state has moved on meanwhile.

use bosun_core::admission::{self, Admitted, DeleteRequest, PatchType};
use bosun_core::refusal::Refusal;
use bosun_core::stamp::Stamp;
use bosun_core::state::{Done, Outcome, Reason, RequestId, Snapshot, Write};
use bosun_host::Host;
use bosun_proto::{Key, Object, Time};

use super::freshness::{Freshness, refusal_of as stale};
use crate::raft::ProposeError;
use crate::replica::Replica;

/// How often a request is decided again because the state has moved on. Each time another request has got through.
const DECISIONS_MAX: usize = 32;

/// The verbs over one replica. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Verbs {
    replica: Replica,
    host: Host,
}

/// What became of a write request.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// The object as stored; as it last was when it is gone.
    pub(crate) object: Object,
    /// The object no longer exists.
    pub(crate) gone: bool,
    /// What was accepted but will not have the effect its author may expect.
    pub(crate) warnings: Vec<String>,
}

impl Verbs {
    pub(crate) fn new(replica: Replica, host: Host) -> Self {
        Self { replica, host }
    }

    pub(crate) fn replica(&self) -> &Replica {
        &self.replica
    }

    /// One object.
    pub(crate) async fn get(&self, key: &Key, freshness: Freshness) -> Result<Object, Refusal> {
        let snapshot = freshness.snapshot(&self.replica).await?;
        let stored = snapshot.get(key).cloned();
        stored.ok_or_else(|| Refusal::NotFound(key.clone()))
    }

    /// A new object.
    pub(crate) async fn create(
        &self,
        request_id: RequestId,
        object: Object,
        dry_run: bool,
    ) -> Result<Written, Refusal> {
        let has_generated_name =
            object.metadata().name.is_empty() && !object.metadata().generate_name.is_empty();
        let decide = |snapshot: &Snapshot, now| {
            let mut entropy = || self.host.entropy.next_u64();
            admission::create(
                snapshot,
                object.clone(),
                &mut Stamp {
                    now,
                    entropy: &mut entropy,
                },
            )
        };
        // Another random name may be free.
        self.write(
            request_id,
            dry_run,
            |reason| has_generated_name && *reason == Reason::AlreadyExists,
            decide,
        )
        .await
    }

    /// Replaces an object apart from its status.
    pub(crate) async fn update(
        &self,
        request_id: RequestId,
        object: Object,
        dry_run: bool,
    ) -> Result<Written, Refusal> {
        self.write(request_id, dry_run, is_stale, |snapshot, now| {
            admission::update(snapshot, object.clone(), now)
        })
        .await
    }

    /// Replaces an object's status.
    pub(crate) async fn update_status(
        &self,
        request_id: RequestId,
        object: Object,
        dry_run: bool,
    ) -> Result<Written, Refusal> {
        self.write(request_id, dry_run, is_stale, |snapshot, now| {
            admission::update_status(snapshot, object.clone(), now)
        })
        .await
    }

    /// Changes an object by a patch document.
    pub(crate) async fn patch(
        &self,
        request_id: RequestId,
        key: &Key,
        patch_type: PatchType,
        patch: &[u8],
        status: bool,
        dry_run: bool,
    ) -> Result<Written, Refusal> {
        let decide = |snapshot: &Snapshot, now| {
            let stored = snapshot.get(key).ok_or_else(|| Refusal::NotFound(key.clone()))?;
            let patched = admission::patched(stored, patch_type, patch)?;
            if status {
                admission::update_status(snapshot, patched, now)
            } else {
                admission::update(snapshot, patched, now)
            }
        };
        self.write(request_id, dry_run, is_stale, decide).await
    }

    /// Deletes an object, or begins to.
    pub(crate) async fn delete(
        &self,
        request_id: RequestId,
        request: &DeleteRequest,
    ) -> Result<Written, Refusal> {
        let dry_run = request.options.dry_run.iter().any(|stage| stage == "All");
        self.write(request_id, dry_run, is_stale, |snapshot, now| {
            admission::delete(snapshot, request, now)
        })
        .await
    }

    /// Carries out what `decide` decides, once, however often the request comes.
    async fn write(
        &self,
        request_id: RequestId,
        dry_run: bool,
        again: impl Fn(&Reason) -> bool,
        decide: impl Fn(&Snapshot, Time) -> Result<Admitted, Refusal>,
    ) -> Result<Written, Refusal> {
        let mut decisions = 0;
        let mut snapshot = self.replica.snapshot();
        let mut is_current = false;
        loop {
            if let Some(done) = snapshot.done(&request_id) {
                return repeated(&snapshot, done);
            }
            let decided = decide(&snapshot, self.replica.now());
            let proposes = decided
                .as_ref()
                .is_ok_and(|admitted| !dry_run && !admitted.writes.is_empty());
            // What is proposed is checked by apply. Any other answer stands on this state alone, which may be old: another
            // server may lead since a moment.
            if !proposes && !is_current {
                snapshot = self.replica.current().await.map_err(stale)?;
                is_current = true;
                continue;
            }
            let Admitted {
                writes,
                object,
                warnings,
            } = decided?;
            let gone = removes(&writes, &object.key());
            if !proposes {
                return Ok(Written {
                    object,
                    gone,
                    warnings,
                });
            }
            let position = writes.iter().position(|write| write.key() == object.key());
            decisions += 1;
            match self
                .replica
                .propose_for(request_id, writes)
                .await
                .map_err(refusal_of)?
            {
                Outcome::Applied(versions) => {
                    let version = position
                        .and_then(|position| versions.get(position))
                        .copied()
                        .unwrap_or(0);
                    return Ok(Written {
                        object: at_version(object, version),
                        gone,
                        warnings,
                    });
                }
                Outcome::Rejected(rejection)
                    if decisions < DECISIONS_MAX
                        && (again(&rejection.reason) || rejection.reason == Reason::DoneBefore) =>
                {
                    snapshot = self.replica.snapshot();
                }
                Outcome::Rejected(rejection) => return Err(rejection.into()),
            }
        }
    }
}

/// The answer to a request that was carried out before: the object as it is now or, when it is gone, as it last was.
fn repeated(snapshot: &Snapshot, done: &Done) -> Result<Written, Refusal> {
    let stored = snapshot
        .get(&done.key)
        .filter(|object| !done.removed && object.metadata().uid == done.uid);
    let object = match stored {
        Some(object) => object.clone(),
        None => last_known(snapshot, done)?,
    };
    Ok(Written {
        object,
        gone: stored.is_none(),
        warnings: Vec::new(),
    })
}

/// The object as the history has it, or no more of it than its name when that is too long ago.
fn last_known(snapshot: &Snapshot, done: &Done) -> Result<Object, Refusal> {
    let since = snapshot.history().since(done.version.saturating_sub(1));
    let change = since.ok().and_then(|mut changes| changes.next());
    if let Some(change) = change.filter(|change| change.key == done.key) {
        return Ok(change.object().clone());
    }
    let mut object = Object::from_kubernetes_bytes(done.key.kind, &[])
        .map_err(|error| Refusal::Unavailable(format!("{} is gone: {error}", done.key)))?;
    let metadata = object.metadata_mut();
    metadata.name = done.key.name.to_string();
    metadata.namespace = done.key.namespace.to_string();
    metadata.uid.clone_from(&done.uid);
    metadata.resource_version = done.version.to_string();
    Ok(object)
}

/// Admission read an older state than apply: what the client asked for may still be possible, and if its own
/// preconditions do not hold any more, the next decision tells it so.
fn is_stale(reason: &Reason) -> bool {
    matches!(reason, Reason::Conflict { .. } | Reason::NotFound)
}

fn removes(writes: &[Write], key: &Key) -> bool {
    writes
        .iter()
        .any(|write| matches!(write, Write::Delete { key: removed, .. } if removed == key))
}

fn at_version(mut object: Object, version: u64) -> Object {
    if version > 0 {
        object.metadata_mut().resource_version = version.to_string();
    }
    object
}

/// A proposal that raft did not take, in the terms of the API.
pub(crate) fn refusal_of(error: ProposeError) -> Refusal {
    match error {
        ProposeError::TooLarge { .. } => Refusal::BadRequest(error.to_string()),
        ProposeError::ForwardToLeader(_) | ProposeError::NoLeader => Refusal::NotLed(error.to_string()),
        ProposeError::Unknown | ProposeError::Stopped { .. } => Refusal::Undecided(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_surely_not_done_is_told_so_that_clients_repeat_it() {
        assert_eq!(refusal_of(ProposeError::NoLeader).reason(), "ServiceUnavailable");
        assert_eq!(refusal_of(ProposeError::Unknown).reason(), "Timeout");
        let reason = "the disk is full".to_owned();
        assert_eq!(refusal_of(ProposeError::Stopped { reason }).reason(), "Timeout");
        let (bytes, most) = (2, 1);
        assert_eq!(
            refusal_of(ProposeError::TooLarge { bytes, most }).reason(),
            "BadRequest"
        );
    }
}
