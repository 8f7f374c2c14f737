//! Between the messages of the wire and the terms of the verbs.

use bosun_core::refusal::Refusal;
use bosun_core::state::{NO_REQUEST, RequestId};
use bosun_proto::{Key, Kind, Object, api};
use prost::Message;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::api::freshness::Freshness;

/// Marks that a change may have been made or not: who repeats it under the same request id learns which.
pub(crate) const UNDECIDED: &str = "bosun-undecided";

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
    let marked = match &refusal {
        Refusal::NotLed(_) => Some(NOT_LED),
        Refusal::Undecided(_) => Some(UNDECIDED),
        Refusal::NotFound(_)
        | Refusal::AlreadyExists(_)
        | Refusal::Conflict(..)
        | Refusal::Invalid(..)
        | Refusal::Forbidden(..)
        | Refusal::BadRequest(_)
        | Refusal::Expired(_)
        | Refusal::TooNew { .. }
        | Refusal::Unavailable(_) => None,
    };
    if let Some(mark) = marked {
        metadata.insert(mark, MetadataValue::from_static("true"));
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

/// The metadata in which a client gives a write the id that a repetition of it has, too: 32 hexadecimal digits, dashes allowed.
pub(crate) const REQUEST_ID: &str = "bosun-request-id";

/// The id of a write request; [`NO_REQUEST`] when it has none.
pub(super) fn request_id_of(metadata: &MetadataMap) -> Result<RequestId, Refusal> {
    let Some(given) = metadata.get(REQUEST_ID) else {
        return Ok(NO_REQUEST);
    };
    let digits: String = given
        .to_str()
        .unwrap_or_default()
        .chars()
        .filter(|digit| *digit != '-')
        .collect();
    let id = u128::from_str_radix(&digits, 16).unwrap_or_default();
    if digits.len() == 32 && id != 0 {
        return Ok(id.to_be_bytes());
    }
    Err(Refusal::BadRequest(format!(
        "metadata {REQUEST_ID}: must be 32 hexadecimal digits that are not all zero, such as those of a new UUID"
    )))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_uuids_or_plain_digits() {
        let read = |text: &'static str| {
            let mut metadata = MetadataMap::new();
            metadata.insert(REQUEST_ID, MetadataValue::from_static(text));
            request_id_of(&metadata)
        };
        assert_eq!(request_id_of(&MetadataMap::new()), Ok(NO_REQUEST));
        let expected: Result<RequestId, _> = Ok(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes());
        assert_eq!(read("01234567-89ab-cdef-0123-456789abcdef"), expected);
        assert_eq!(read("0123456789abcdef0123456789ABCDEF"), expected);
        for wrong in [
            "",
            "1",
            "x123456789abcdef0123456789abcdef",
            "00000000000000000000000000000000",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
