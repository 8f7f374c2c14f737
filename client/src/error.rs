//! Owns what can go wrong between a client and the API, decoded so that callers can branch on it and people can read it.

use bosun_proto::meta_v1;
use prost::Message;
use std::error::Error as _;
use std::fmt;
use tonic::{Code, Status};

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A server understood the request and refused it.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// A watch cannot resume: the server no longer has the changes after that version. List again.
    #[error("the changes after version {resource_version} are no longer kept; list again")]
    TooOld {
        /// The version that was asked for.
        resource_version: String,
    },
    /// No server could be reached.
    #[error("no server answers at {}: {detail}", addresses.join(", "))]
    Unreachable {
        /// Where it was tried.
        addresses: Vec<String>,
        /// What the last attempt met.
        detail: String,
        /// Whether the request may have arrived all the same (the connection broke while it was under way).
        sent: bool,
    },
    /// No answer came in time; a write may have happened.
    #[error("no answer within the time limit{}", if detail.is_empty() { String::new() } else { format!(" ({detail})") })]
    Timeout {
        /// More, when the server said more.
        detail: String,
    },
    /// The server's answer makes no sense to this client.
    #[error("unexpected answer from the server ({code}): {message}")]
    Unexpected {
        /// The gRPC code.
        code: String,
        /// What came with it.
        message: String,
    },
}

/// A refusal as the server explains it (meta.v1 Status).
#[derive(Clone, Debug, Default)]
pub struct Refusal {
    /// One word for programs: NotFound, AlreadyExists, Conflict, Invalid, Forbidden ...
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// The HTTP code that goes with the reason.
    pub code: i32,
    /// The name of the object concerned, if one is.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// What exactly is wrong, field by field.
    pub causes: Vec<Cause>,
    /// Try again after so many seconds; 0 when the server gives no advice.
    pub retry_after_seconds: i32,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// One word: FieldValueRequired, FieldValueInvalid ...
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// The path of the field, for example `spec.template.spec.containers[0].image`; may be empty.
    pub field: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl ApiError {
    /// The reason word of a refusal.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => Some(&refusal.reason),
            Self::TooOld { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Unexpected { .. } => None,
        }
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.reason() == Some("NotFound")
    }

    /// Whether an object of that name exists already.
    pub fn is_already_exists(&self) -> bool {
        self.reason() == Some("AlreadyExists")
    }

    /// Whether the object has changed since it was read.
    pub fn is_conflict(&self) -> bool {
        self.reason() == Some("Conflict")
    }

    /// Whether the servers are the trouble and not the request: it may go through later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Refused(refusal) => {
                matches!(
                    refusal.reason.as_str(),
                    "ServiceUnavailable" | "ServerTimeout" | "Timeout" | "TooManyRequests"
                )
            }
            Self::TooOld { .. } | Self::Unexpected { .. } => false,
        }
    }

    /// Whether it is certain that no server has acted on the request.
    pub fn surely_not_done(&self) -> bool {
        match self {
            Self::Unreachable { sent, .. } => !sent,
            Self::Refused(refusal) => {
                matches!(refusal.reason.as_str(), "ServiceUnavailable" | "TooManyRequests")
            }
            Self::Timeout { .. } | Self::TooOld { .. } | Self::Unexpected { .. } => false,
        }
    }

    /// Decodes what a call ended with. `addresses` are those of the channel.
    pub fn from_status(status: &Status, addresses: &[String]) -> Self {
        if let Some(refusal) = refusal(status) {
            return Self::Refused(Box::new(refusal));
        }
        // Which part failed is told by the chain of sources: the channel's connector reports an I/O error "not connected".
        let detail = innermost(status);
        match status.code() {
            // A connection that ends under a request shows as any of these.
            Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal
                if status.source().is_some() =>
            {
                Self::Unreachable {
                    addresses: addresses.to_vec(),
                    detail,
                    sent: !never_connected(status),
                }
            }
            Code::Unavailable => plain_refusal(status, "ServiceUnavailable", 503),
            Code::DeadlineExceeded => Self::Timeout {
                detail: status.message().to_owned(),
            },
            Code::NotFound => plain_refusal(status, "NotFound", 404),
            Code::AlreadyExists => plain_refusal(status, "AlreadyExists", 409),
            Code::Aborted => plain_refusal(status, "Conflict", 409),
            Code::InvalidArgument => plain_refusal(status, "Invalid", 422),
            Code::PermissionDenied | Code::FailedPrecondition => plain_refusal(status, "Forbidden", 403),
            Code::ResourceExhausted => plain_refusal(status, "TooManyRequests", 429),
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss
            | Code::Unauthenticated => Self::Unexpected {
                code: format!("{:?}", status.code()),
                message: status.message().to_owned(),
            },
        }
    }
}

/// The Kubernetes Status inside a gRPC status, if the server put one there.
fn refusal(status: &Status) -> Option<Refusal> {
    if status.details().is_empty() {
        return None;
    }
    let decoded = meta_v1::Status::decode(status.details()).ok()?;
    let details = decoded.details.unwrap_or_default();
    let causes = details.causes.into_iter().map(|cause| Cause {
        reason: cause.reason,
        message: cause.message,
        field: cause.field,
    });
    Some(Refusal {
        reason: decoded.reason,
        message: if decoded.message.is_empty() {
            status.message().to_owned()
        } else {
            decoded.message
        },
        code: decoded.code,
        name: details.name,
        kind: details.kind,
        causes: causes.collect(),
        retry_after_seconds: details.retry_after_seconds,
    })
}

fn plain_refusal(status: &Status, reason: &str, code: i32) -> ApiError {
    ApiError::Refused(Box::new(Refusal {
        reason: reason.to_owned(),
        message: status.message().to_owned(),
        code,
        ..Refusal::default()
    }))
}

/// The message of the last error in the chain, which names the real trouble ("connection refused").
fn innermost(status: &Status) -> String {
    let mut message = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        message = error.to_string();
        source = error.source();
    }
    message
}

/// Whether the chain of sources holds the dialler's own error.
fn never_connected(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::NotConnected)
        {
            return true;
        }
        source = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_decoded_from_the_details() {
        let cause = meta_v1::StatusCause {
            reason: "FieldValueInvalid".into(),
            message: "must not be negative".into(),
            field: "spec.replicas".into(),
        };
        let details = meta_v1::StatusDetails {
            name: "x".into(),
            kind: "jobs".into(),
            causes: vec![cause],
            ..Default::default()
        };
        let status = meta_v1::Status {
            reason: "Invalid".into(),
            message: "no".into(),
            code: 422,
            details: Some(details),
            ..Default::default()
        };
        let wire = Status::with_details(Code::InvalidArgument, "no", status.encode_to_vec().into());
        let error = ApiError::from_status(&wire, &[]);
        let ApiError::Refused(refusal) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(
            (refusal.reason.as_str(), refusal.code, refusal.name.as_str()),
            ("Invalid", 422, "x")
        );
        assert_eq!(refusal.causes[0].field, "spec.replicas");
        assert!(!error.is_transient());
    }

    #[test]
    fn plain_codes_have_a_reason_too() {
        let error = ApiError::from_status(&Status::not_found("gone"), &[]);
        assert!(error.is_not_found() && error.to_string() == "gone");
        let error = ApiError::from_status(&Status::unavailable("no leader"), &[]);
        assert!(error.is_transient() && error.surely_not_done());
        let error = ApiError::from_status(&Status::deadline_exceeded(""), &[]);
        assert!(error.is_transient() && !error.surely_not_done());
    }

    /// Seen when a server was killed: the command line then gave up although another server would have answered.
    #[test]
    fn a_request_that_went_down_with_its_connection_may_have_been_done() {
        let mut status = Status::cancelled("operation was canceled");
        status.set_source(std::sync::Arc::new(std::io::Error::other("connection lost")));
        let error = ApiError::from_status(&status, &[]);
        assert!(error.is_transient() && !error.surely_not_done(), "{error:?}");
        // A server that cancels a request says so itself, and means it.
        let error = ApiError::from_status(&Status::cancelled("no"), &[]);
        assert!(!error.is_transient(), "{error:?}");
    }
}
