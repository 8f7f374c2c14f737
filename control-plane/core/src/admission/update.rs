//! Admission of changes to existing objects.

use bosun_proto::core_v1::Pod;
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Object, Resource};

use super::{Admitted, check_size, deletion, pod_status};
use crate::kinds::{self, metadata};
use crate::refusal::{FieldError, Refusal};
use crate::state::Snapshot;

/// Replaces an object apart from its status and its system fields.
pub fn update(snapshot: &Snapshot, mut object: Object, now: Time) -> Result<Admitted, Refusal> {
    let stored = stored_for(snapshot, &object)?;
    keep_system_fields(stored, &mut object);
    object.copy_status_from(stored);
    kinds::fill_defaults(&mut object);
    if !object.spec_equal(stored) {
        object.metadata_mut().generation += 1;
    }
    check(stored, &object, kinds::validate_update)?;
    let warnings = kinds::warnings(&object);
    let writes = writes_of(snapshot, stored, object.clone(), now);
    Ok(Admitted {
        writes,
        object,
        warnings,
    })
}

/// Replaces an object's status, and takes over label and annotation changes; everything else of the request is dropped.
pub fn update_status(snapshot: &Snapshot, object: Object, now: Time) -> Result<Admitted, Refusal> {
    let stored = stored_for(snapshot, &object)?;
    let mut changed = stored.clone();
    changed.copy_status_from(&object);
    changed
        .metadata_mut()
        .labels
        .clone_from(&object.metadata().labels);
    changed
        .metadata_mut()
        .annotations
        .clone_from(&object.metadata().annotations);
    check(stored, &changed, kinds::validate_status_update)?;
    let writes = writes_of(snapshot, stored, changed.clone(), now);
    Ok(Admitted {
        writes,
        object: changed,
        warnings: Vec::new(),
    })
}

/// The stored object a request means, if its uid and version preconditions hold.
fn stored_for<'a>(snapshot: &'a Snapshot, object: &Object) -> Result<&'a Object, Refusal> {
    let key = request_key(object);
    let stored = snapshot.get(&key).ok_or_else(|| Refusal::NotFound(key.clone()))?;
    let (asked, is) = (object.metadata(), stored.metadata());
    if !asked.uid.is_empty() && asked.uid != is.uid {
        let message = format!(
            "the request means uid {}, the object of that name has uid {}",
            asked.uid, is.uid
        );
        return Err(Refusal::Conflict(key, message));
    }
    if !asked.resource_version.is_empty() && asked.resource_version != is.resource_version {
        let message = format!(
            "the object has been modified: the change was made to version {}, it is at version {} now; read it again and repeat the change",
            asked.resource_version, is.resource_version
        );
        return Err(Refusal::Conflict(key, message));
    }
    Ok(stored)
}

fn request_key(object: &Object) -> Key {
    let key = object.key();
    if key.kind.info().namespaced && key.namespace.is_empty() {
        Key::new(key.kind, "default", &key.name)
    } else {
        key
    }
}

fn keep_system_fields(stored: &Object, object: &mut Object) {
    let is = stored.metadata();
    let metadata = object.metadata_mut();
    metadata.namespace.clone_from(&is.namespace);
    metadata.uid.clone_from(&is.uid);
    metadata.resource_version.clone_from(&is.resource_version);
    metadata.creation_timestamp = is.creation_timestamp;
    metadata.deletion_timestamp = is.deletion_timestamp;
    metadata.deletion_grace_period_seconds = is.deletion_grace_period_seconds;
    metadata.generation = is.generation;
    metadata.generate_name.clone_from(&is.generate_name);
    metadata.self_link.clone_from(&is.self_link);
}

fn check(
    stored: &Object,
    object: &Object,
    particular: fn(&Object, &Object) -> Vec<FieldError>,
) -> Result<(), Refusal> {
    check_size(object)?;
    let mut wrong = metadata::validate(object);
    wrong.extend(new_finalizers_of_an_ending_object(stored, object));
    if wrong.is_empty() {
        wrong = kinds::validate(object);
    }
    wrong.extend(particular(stored, object));
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Refusal::Invalid(object.key(), wrong))
    }
}

fn new_finalizers_of_an_ending_object(stored: &Object, object: &Object) -> Option<FieldError> {
    let ends = stored.metadata().deletion_timestamp.is_some();
    let is_new = |finalizer: &&String| !stored.metadata().finalizers.contains(finalizer);
    let added = object.metadata().finalizers.iter().find(is_new)?;
    ends.then(|| {
        let message = format!("\"{added}\" cannot be added: the object is being deleted");
        FieldError::forbidden("metadata.finalizers", message)
    })
}

fn writes_of(snapshot: &Snapshot, stored: &Object, object: Object, now: Time) -> Vec<crate::state::Write> {
    if object == *stored && !deletion::may_go(&object) {
        return Vec::new();
    }
    match (Pod::from_object(stored), &object) {
        (Some(old), Object::Pod(new)) => pod_status::transition(snapshot, old, new.as_ref().clone(), now),
        _ => vec![deletion::write_of(stored, object)],
    }
}
