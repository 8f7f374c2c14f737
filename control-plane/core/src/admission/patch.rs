//! Patch documents applied to stored objects.

use bosun_proto::Object;
use serde_json::Value;

use crate::refusal::Refusal;

/// The patch formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// JSON merge patch, RFC 7386: `null` removes, lists are replaced.
    Merge,
    /// JSON patch, RFC 6902: a list of operations.
    Json,
}

/// At most so many operations in one JSON patch. Source: Kubernetes' limit.
const OPERATIONS_MAX: usize = 10_000;

/// The stored object with a patch applied, to be admitted as an update.
pub fn patched(stored: &Object, patch_type: PatchType, patch: &[u8]) -> Result<Object, Refusal> {
    let mut document = stored.to_json();
    match patch_type {
        PatchType::Merge => {
            let patch: Value = parse(patch)?;
            if !patch.is_object() {
                return Err(Refusal::BadRequest("a merge patch must be a JSON object".into()));
            }
            json_patch::merge(&mut document, &patch);
        }
        PatchType::Json => {
            let patch: json_patch::Patch = parse(patch)?;
            if patch.0.len() > OPERATIONS_MAX {
                let found = patch.0.len();
                let message =
                    format!("the patch has {found} operations, the limit is {OPERATIONS_MAX}: split it");
                return Err(Refusal::BadRequest(message));
            }
            json_patch::patch(&mut document, &patch)
                .map_err(|error| Refusal::BadRequest(format!("the patch does not apply: {error}")))?;
        }
    }
    let (object, unknown) = Object::from_json(document)
        .map_err(|error| Refusal::BadRequest(format!("the patched object: {error}")))?;
    if let Some(field) = unknown.first() {
        return Err(Refusal::BadRequest(format!(
            "the patch sets an unknown field: \"{field}\""
        )));
    }
    if object.key() != stored.key() {
        return Err(Refusal::BadRequest(
            "a patch cannot change kind, metadata.name or metadata.namespace: create another object instead"
                .into(),
        ));
    }
    Ok(object)
}

fn parse<T: serde::de::DeserializeOwned>(patch: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(patch)
        .map_err(|error| Refusal::BadRequest(format!("the patch is not valid: {error}")))
}
