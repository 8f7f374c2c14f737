//! Between the messages of the wire and the terms of the verbs.

use bosun_core::refusal::Refusal;
use bosun_proto::{Key, Kind, Object, api};
use prost::Message;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::api::freshness::Freshness;

/// Marks a refusal for want of the lead: nothing was done, and another server may do it.
pub(crate) const NOT_LED: &str = "bosun-not-led";

/// A refusal as a gRPC status; its details are the encoded Kubernetes Status.
pub(crate) fn status_of(refusal: Refusal) -> Status {
    let code = match &refusal {
        Refusal::NotFound(_) => Code::NotFound,
        Refusal::AlreadyExists(_) => Code::AlreadyExists,
        Refusal::Conflict(..) => Code::Aborted,
        Refusal::Invalid(..) | Refusal::BadRequest(_) => Code::InvalidArgument,
        Refusal::Forbidden(..) => Code::FailedPrecondition,
        Refusal::Expired(_) => Code::OutOfRange,
        Refusal::Unavailable(_) | Refusal::NotLed(_) => Code::Unavailable,
        Refusal::Undecided(_) | Refusal::TooNew { .. } => Code::DeadlineExceeded,
    };
    let mut metadata = MetadataMap::new();
    if matches!(refusal, Refusal::NotLed(_)) {
        metadata.insert(NOT_LED, MetadataValue::from_static("true"));
    }
    Status::with_details_and_metadata(
        code,
        refusal.to_string(),
        refusal.to_status().encode_to_vec().into(),
        metadata,
    )
}

/// The kind a request names.
pub(super) fn kind_of(wire: i32) -> Result<Kind, Refusal> {
    api::Kind::try_from(wire)
        .ok()
        .and_then(|kind| Kind::try_from(kind).ok())
        .ok_or_else(|| {
            let known: Vec<_> = Kind::ALL
                .iter()
                .map(|kind| api::Kind::from(*kind).as_str_name())
                .collect();
            Refusal::BadRequest(format!(
                "kind: {wire} is none of the known kinds; use one of: {}",
                known.join(", ")
            ))
        })
}

/// The key a request names.
pub(super) fn key_of(kind: i32, namespace: &str, name: &str) -> Result<Key, Refusal> {
    let kind = kind_of(kind)?;
    if name.is_empty() {
        return Err(Refusal::BadRequest("name: required".into()));
    }
    let namespace = match (kind.info().namespaced, namespace) {
        (false, _) => "",
        (true, "") => "default",
        (true, namespace) => namespace,
    };
    Ok(Key::new(kind, namespace, name))
}

/// The object a request carries.
pub(super) fn object_of(wire: Option<api::Object>) -> Result<Object, Refusal> {
    wire.and_then(Object::from_wire)
        .ok_or_else(|| Refusal::BadRequest("object: required, with exactly one of its kinds set".into()))
}

/// How recent the state of a read must be, by its resourceVersion. Source: Kubernetes' meaning of it for get and list.
pub(super) fn freshness_of(resource_version: &str) -> Result<Freshness, Refusal> {
    match resource_version {
        "" => Ok(Freshness::MostRecent),
        "0" => Ok(Freshness::Any),
        text => text.parse().map(Freshness::NotOlderThan).map_err(|_| {
            Refusal::BadRequest(format!(
                "resourceVersion \"{text}\" is not a number: use one that a get, list or watch gave"
            ))
        }),
    }
}
