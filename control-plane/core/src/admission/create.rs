//! Admission of new objects.

use bosun_proto::Object;

use super::{Admitted, check_size};
use crate::kinds::{self, metadata};
use crate::refusal::{FieldError, Refusal};
use crate::stamp::Stamp;
use crate::state::{Snapshot, Write};

/// Completes and checks a new object.
pub fn create(snapshot: &Snapshot, mut object: Object, stamp: &mut Stamp<'_>) -> Result<Admitted, Refusal> {
    reset_system_fields(&mut object)?;
    place_in_namespace(&mut object)?;
    kinds::fill_defaults(&mut object);
    stamp.complete(&mut object);
    let wrong_metadata = metadata::validate(&object);
    if !wrong_metadata.is_empty() {
        return Err(Refusal::Invalid(object.key(), wrong_metadata));
    }
    kinds::prepare_create(&mut object, stamp.now);
    check_size(&object)?;
    let wrong = kinds::validate(&object);
    if !wrong.is_empty() {
        return Err(Refusal::Invalid(object.key(), wrong));
    }
    if snapshot.get(&object.key()).is_some() {
        return Err(Refusal::AlreadyExists(object.key()));
    }
    let warnings = kinds::warnings(&object);
    Ok(Admitted {
        writes: vec![Write::Create(object.clone())],
        object,
        warnings,
    })
}

/// What only the system sets is forgotten, as in Kubernetes, so that the output of `get -o yaml` can be created again; except
/// for the resourceVersion, which says that the author had an existing object in mind.
fn reset_system_fields(object: &mut Object) -> Result<(), Refusal> {
    let key = object.key();
    let metadata = object.metadata_mut();
    if !metadata.resource_version.is_empty() {
        let error = FieldError::forbidden(
            "metadata.resourceVersion",
            "must not be set on an object that is to be created: leave it out, or update the existing object",
        );
        return Err(Refusal::Invalid(key, vec![error]));
    }
    metadata.uid.clear();
    metadata.creation_timestamp = None;
    metadata.deletion_timestamp = None;
    metadata.deletion_grace_period_seconds = None;
    metadata.generation = 0;
    metadata.self_link.clear();
    Ok(())
}

fn place_in_namespace(object: &mut Object) -> Result<(), Refusal> {
    let namespaced = object.kind().info().namespaced;
    let key = object.key();
    let metadata = object.metadata_mut();
    if namespaced && metadata.namespace.is_empty() {
        metadata.namespace = "default".into();
    } else if !namespaced && !metadata.namespace.is_empty() {
        let error = FieldError::forbidden(
            "metadata.namespace",
            "objects of this kind are in no namespace: leave it out",
        );
        return Err(Refusal::Invalid(key, vec![error]));
    }
    Ok(())
}
