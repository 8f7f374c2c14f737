//! How objects end: at once, gracefully, or when their finalizers are gone.
//!
//! Used by the API and by controllers alike, so that a pod ends the same way whoever deletes it.

use std::sync::Arc;

use bosun_proto::core_v1::Pod;
use bosun_proto::meta_v1::DeleteOptions;
use bosun_proto::node_loss::is_fenced;
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Object, Resource};

use super::Admitted;
use crate::kinds::pod;
use crate::refusal::Refusal;
use crate::state::{Snapshot, Write};

/// The longest grace, in seconds: as long as a pod's own may be.
const GRACE_SECONDS_MAX: i64 = i32::MAX as i64;
/// The namespaces that clients count on. Source: Kubernetes, which lets `kube-node-lease` go.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];
/// What the finalizer of a foreground deletion is called.
pub const FOREGROUND_FINALIZER: &str = "foregroundDeletion";
/// What the finalizer of an orphaning deletion is called.
pub const ORPHAN_FINALIZER: &str = "orphan";

/// What happens to an object's dependents when it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// The object goes at once, its dependents afterwards.
    Background,
    /// The dependents that block go first.
    Foreground,
    /// The dependents stay and lose the owner reference.
    Orphan,
}

/// What a client asks to be deleted, and how.
#[derive(Clone, Debug)]
pub struct DeleteRequest {
    /// Which object.
    pub key: Key,
    /// Preconditions, grace and propagation.
    pub options: DeleteOptions,
}

/// Admits the deletion of one object.
pub fn delete(snapshot: &Snapshot, request: &DeleteRequest, now: Time) -> Result<Admitted, Refusal> {
    let DeleteRequest { key, options } = request;
    let stored = snapshot.get(key).ok_or_else(|| Refusal::NotFound(key.clone()))?;
    check_preconditions(stored, options)?;
    if key.kind == Kind::Namespace && IMMORTAL.contains(&&*key.name) {
        let message = "this namespace may not be deleted; delete what is in it instead".to_owned();
        return Err(Refusal::Forbidden(key.clone(), message));
    }
    if key.kind == Kind::Node
        && let Some(pod) = snapshot.pods_on(&key.name).find(|pod| may_still_run(pod))
    {
        let message = format!(
            "pod {} may still run there and must not run twice, so the node cannot be forgotten: drain the node first, or \
             wait until it is lost and its pods are given up",
            pod.key()
        );
        return Err(Refusal::Conflict(key.clone(), message));
    }
    if let Some(seconds) = options.grace_period_seconds
        && !(0..=GRACE_SECONDS_MAX).contains(&seconds)
    {
        let message = format!("gracePeriodSeconds {seconds}: must be between 0 and {GRACE_SECONDS_MAX}");
        return Err(Refusal::BadRequest(message));
    }
    let (propagation, warning) = propagation_of(stored, options)?;
    let write = begin(stored, propagation, options.grace_period_seconds, now);
    let object = match &write {
        Some(Write::Replace { object, .. }) => object.clone(),
        _ => stored.clone(),
    };
    Ok(Admitted {
        writes: write.into_iter().collect(),
        object,
        warnings: warning.into_iter().collect(),
    })
}

/// A fenced pod that has not finished: only its node knows when it stops.
fn may_still_run(pod: &Pod) -> bool {
    is_fenced(pod) && !pod::is_finished(pod)
}

fn check_preconditions(stored: &Object, options: &DeleteOptions) -> Result<(), Refusal> {
    let Some(preconditions) = &options.preconditions else {
        return Ok(());
    };
    let metadata = stored.metadata();
    let differs = |asked: &Option<String>, is: &str| asked.as_ref().is_some_and(|asked| asked != is);
    if differs(&preconditions.uid, &metadata.uid) {
        let message = format!(
            "the precondition names another uid, the object's is {}",
            metadata.uid
        );
        return Err(Refusal::Conflict(stored.key(), message));
    }
    if differs(&preconditions.resource_version, &metadata.resource_version) {
        let message = format!(
            "the precondition names another version, the object is at {}",
            metadata.resource_version
        );
        return Err(Refusal::Conflict(stored.key(), message));
    }
    Ok(())
}

/// The policy that was asked for; else what finalizers on the object say; else the default of its kind. Source: Kubernetes'
/// order of choice, and its default for Jobs, which is orphan.
fn propagation_of(
    stored: &Object,
    options: &DeleteOptions,
) -> Result<(Propagation, Option<String>), Refusal> {
    if options.orphan_dependents.is_some() && options.propagation_policy.is_some() {
        let message = "give either orphanDependents or propagationPolicy, not both";
        return Err(Refusal::BadRequest(message.into()));
    }
    let asked = match (options.propagation_policy.as_deref(), options.orphan_dependents) {
        (Some("Background"), _) | (None, Some(false)) => Some(Propagation::Background),
        (Some("Foreground"), _) => Some(Propagation::Foreground),
        (Some("Orphan"), _) | (None, Some(true)) => Some(Propagation::Orphan),
        (Some(other), _) => {
            let message = format!(
                "propagationPolicy \"{other}\" is not supported; use one of: Background, Foreground, Orphan"
            );
            return Err(Refusal::BadRequest(message));
        }
        (None, None) => None,
    };
    if let Some(asked) = asked {
        return Ok((asked, None));
    }
    let has = |wanted: &str| {
        stored
            .metadata()
            .finalizers
            .iter()
            .any(|finalizer| finalizer == wanted)
    };
    Ok(if has(ORPHAN_FINALIZER) {
        (Propagation::Orphan, None)
    } else if has(FOREGROUND_FINALIZER) {
        (Propagation::Foreground, None)
    } else if stored.kind() == Kind::Job {
        let warning = "the Job's pods stay, which is the default for Jobs: set propagationPolicy=Background to delete \
                       them as well, or propagationPolicy=Orphan to say that this is meant";
        (Propagation::Orphan, Some(warning.into()))
    } else {
        (Propagation::Background, None)
    })
}

/// The write that begins (or shortens, or completes) the deletion of a stored object; `None` when it is ending already and
/// nothing changes.
///
/// `grace_seconds` is for pods only: `None` means what the pod's spec says. A pod that has no node or has finished needs no
/// grace. While an object has finalizers it stays, with a deletionTimestamp, until [`write_of`] sees the last one go.
pub fn begin(
    stored: &Object,
    propagation: Propagation,
    grace_seconds: Option<i64>,
    now: Time,
) -> Option<Write> {
    let mut ending = stored.clone();
    add_finalizer(&mut ending, propagation);
    match &mut ending {
        Object::Pod(pod) => set_pod_deadline(Arc::make_mut(pod), grace_seconds, now),
        Object::Namespace(namespace) => {
            let namespace = Arc::make_mut(namespace);
            namespace.status.get_or_insert_default().phase = "Terminating".into();
            set_deadline(&mut ending, now);
        }
        Object::Node(_) | Object::ReplicaSet(_) | Object::Job(_) | Object::CronJob(_) | Object::Event(_) => {
            set_deadline(&mut ending, now);
        }
    }
    if ending == *stored && !may_go(&ending) {
        None
    } else {
        Some(write_of(stored, ending))
    }
}

/// The write that makes `new` of the stored object `old`: a removal when `new` is ending and nothing holds it any more.
pub fn write_of(old: &Object, new: Object) -> Write {
    if may_go(&new) {
        Write::delete(old)
    } else {
        Write::replace(old, new)
    }
}

/// True for an object that is ending and that nothing holds any more: no finalizer and, for a pod, no process on a node.
pub fn may_go(object: &Object) -> bool {
    let metadata = object.metadata();
    if metadata.deletion_timestamp.is_none() || !metadata.finalizers.is_empty() {
        return false;
    }
    match object {
        Object::Pod(pod) => {
            metadata.deletion_grace_period_seconds == Some(0) || pod::is_finished(pod) || !has_node(pod)
        }
        Object::Namespace(namespace) => namespace
            .spec
            .as_ref()
            .is_none_or(|spec| spec.finalizers.is_empty()),
        Object::Node(_) | Object::ReplicaSet(_) | Object::Job(_) | Object::CronJob(_) | Object::Event(_) => {
            true
        }
    }
}

fn add_finalizer(object: &mut Object, propagation: Propagation) {
    let (wanted, unwanted) = match propagation {
        Propagation::Background => (None, [FOREGROUND_FINALIZER, ORPHAN_FINALIZER].as_slice()),
        Propagation::Foreground => (Some(FOREGROUND_FINALIZER), [ORPHAN_FINALIZER].as_slice()),
        Propagation::Orphan => (Some(ORPHAN_FINALIZER), [FOREGROUND_FINALIZER].as_slice()),
    };
    let finalizers = &mut object.metadata_mut().finalizers;
    finalizers.retain(|finalizer| !unwanted.contains(&finalizer.as_str()));
    if let Some(wanted) = wanted
        && !finalizers.iter().any(|finalizer| finalizer == wanted)
    {
        finalizers.push(wanted.to_owned());
    }
}

/// Raises the generation, too, so that what was decided for the living object does not go through.
fn set_deadline(object: &mut Object, now: Time) {
    let metadata = object.metadata_mut();
    if metadata.deletion_timestamp.is_none() {
        metadata.deletion_timestamp = Some(now);
        metadata.generation += 1;
    }
}

/// A second deletion may only shorten the grace. Source: Kubernetes' graceful deletion of pods.
fn set_pod_deadline(pod: &mut Pod, grace_seconds: Option<i64>, now: Time) {
    let from_spec = pod::spec(pod)
        .termination_grace_period_seconds
        .unwrap_or(pod::DEFAULT_GRACE_SECONDS);
    let needs_none = pod::is_finished(pod) || !has_node(pod);
    let grace = if needs_none {
        0
    } else {
        grace_seconds.unwrap_or(from_spec).max(0)
    };
    let metadata = pod.metadata.get_or_insert_default();
    let shortens = metadata
        .deletion_grace_period_seconds
        .is_none_or(|present| grace < present);
    if metadata.deletion_timestamp.is_none() || shortens {
        metadata.deletion_timestamp = Some(now.plus_seconds(grace));
        metadata.deletion_grace_period_seconds = Some(grace);
        metadata.generation += 1;
    }
}

fn has_node(pod: &Pod) -> bool {
    !pod::spec(pod).node_name.is_empty()
}
