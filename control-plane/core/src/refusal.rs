//! Why a request is not done: the outcomes of admission, in Kubernetes' terms.

use bosun_proto::Key;
use bosun_proto::meta_v1::{Status, StatusCause, StatusDetails};

use crate::state::{Reason, Rejection};

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Where: `spec.template.spec.containers[0].name`.
    pub field: String,
    /// Which kind of wrong; becomes the cause's reason.
    pub kind: FieldErrorKind,
    /// What is wrong and what would be right.
    pub message: String,
}

/// The kinds of wrong, as Kubernetes names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldErrorKind {
    /// A value is missing.
    Required,
    /// The value is malformed or out of range.
    Invalid,
    /// The value is none of the allowed ones.
    NotSupported,
    /// The field may not be set here.
    Forbidden,
    /// The value is there twice.
    Duplicate,
    /// The value is too long.
    TooLong,
    /// There are too many.
    TooMany,
}

impl FieldErrorKind {
    fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid | Self::TooLong | Self::TooMany => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::Duplicate => "FieldValueDuplicate",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::Duplicate => "Duplicate value",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
        }
    }
}

impl FieldError {
    /// A field error; `field` is the path from the object's root.
    pub fn new(kind: FieldErrorKind, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            kind,
            message: message.into(),
        }
    }

    /// A missing value.
    pub fn required(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Required, field, message)
    }

    /// A malformed value, or one out of range.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Invalid, field, message)
    }

    /// A field that may not be set, or not be changed.
    pub fn forbidden(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FieldErrorKind::Forbidden, field, message)
    }

    /// A value that is none of the allowed ones.
    pub fn not_supported(field: impl Into<String>, value: &str, allowed: &[&str]) -> Self {
        let message = format!("\"{value}\" is not supported; use one of: {}", allowed.join(", "));
        Self::new(FieldErrorKind::NotSupported, field, message)
    }
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.field, self.kind.words(), self.message)
    }
}

/// Why a request is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such object.
    NotFound(Key),
    /// An object of that name exists.
    AlreadyExists(Key),
    /// The object has changed since it was read, or is another one than was meant.
    Conflict(Key, String),
    /// Fields are wrong.
    Invalid(Key, Vec<FieldError>),
    /// It may not be done now.
    Forbidden(Key, String),
    /// The request itself makes no sense.
    BadRequest(String),
    /// The version is too old to watch or page from.
    Expired(String),
    /// The version asked for is not known here yet, and did not become so within the time a read waits.
    TooNew {
        /// What was asked for.
        asked: u64,
        /// What the server has.
        known: u64,
    },
    /// The server cannot tell at present: a part that is needed does not answer, or it is shutting down.
    Unavailable(String),
    /// It needs the leader, and this server does not lead (any more). Nothing was done: the leader may be asked.
    NotLed(String),
    /// It may have been done or not: whoever repeats it has to look first.
    Undecided(String),
}

impl Refusal {
    /// The HTTP status code of this refusal in the Kubernetes API.
    pub fn code(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Forbidden(..) => 403,
            Self::NotFound(_) => 404,
            Self::AlreadyExists(_) | Self::Conflict(..) => 409,
            Self::Expired(_) => 410,
            Self::Invalid(..) => 422,
            Self::Unavailable(_) | Self::NotLed(_) => 503,
            Self::Undecided(_) | Self::TooNew { .. } => 504,
        }
    }

    /// The one-word reason of this refusal in the Kubernetes API.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "BadRequest",
            Self::Forbidden(..) => "Forbidden",
            Self::NotFound(_) => "NotFound",
            Self::AlreadyExists(_) => "AlreadyExists",
            Self::Conflict(..) => "Conflict",
            Self::Expired(_) => "Expired",
            Self::Invalid(..) => "Invalid",
            Self::Unavailable(_) | Self::NotLed(_) => "ServiceUnavailable",
            Self::Undecided(_) | Self::TooNew { .. } => "Timeout",
        }
    }

    /// The Status object clients get.
    pub fn to_status(&self) -> Status {
        let mut details = self.key().map(details_of).unwrap_or_default();
        if let Self::Invalid(_, errors) = self {
            details.causes = errors.iter().map(cause).collect();
        }
        if let (Self::Forbidden(_, message), true) = (self, self.is_namespace_terminating()) {
            details.causes.push(StatusCause {
                reason: "NamespaceTerminating".into(),
                message: message.clone(),
                field: "metadata.namespace".into(),
            });
        }
        if let Self::TooNew { .. } = self {
            // Clients of Kubernetes know it by this.
            details.retry_after_seconds = 1;
            details.causes.push(StatusCause {
                reason: "ResourceVersionTooLarge".into(),
                message: "Too large resource version".into(),
                field: String::new(),
            });
        }
        Status {
            status: "Failure".into(),
            message: self.to_string(),
            reason: self.reason().into(),
            details: Some(details),
            code: self.code().into(),
            ..Status::default()
        }
    }

    fn is_namespace_terminating(&self) -> bool {
        matches!(self, Self::Forbidden(_, message) if message == NAMESPACE_TERMINATING)
    }

    fn key(&self) -> Option<&Key> {
        match self {
            Self::NotFound(key)
            | Self::AlreadyExists(key)
            | Self::Conflict(key, _)
            | Self::Invalid(key, _)
            | Self::Forbidden(key, _) => Some(key),
            Self::BadRequest(_)
            | Self::Expired(_)
            | Self::TooNew { .. }
            | Self::Unavailable(_)
            | Self::NotLed(_)
            | Self::Undecided(_) => None,
        }
    }
}

const NAMESPACE_TERMINATING: &str =
    "its namespace is being deleted: create it in another one, or wait and create the namespace anew";

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        let Rejection { key, reason } = rejection;
        match reason {
            Reason::AlreadyExists => Self::AlreadyExists(key),
            Reason::NotFound => Self::NotFound(key),
            Reason::Conflict { current } => {
                let message = format!(
                    "it has changed meanwhile and is at version {current} now: read it again and repeat the change"
                );
                Self::Conflict(key, message)
            }
            Reason::NamespaceMissing => {
                Self::NotFound(Key::new(bosun_proto::Kind::Namespace, "", &key.namespace))
            }
            Reason::NamespaceTerminating => Self::Forbidden(key, NAMESPACE_TERMINATING.into()),
            Reason::NotBindable => Self::Conflict(
                key,
                "the pod has a node already, has finished, or is being deleted".into(),
            ),
            Reason::NodeUnavailable => Self::Conflict(key, "the node does not exist or takes no pods".into()),
            Reason::NoRoom { resource } => {
                Self::Conflict(key, format!("the node has not enough {resource} left"))
            }
            Reason::DoneBefore => Self::Conflict(key, "the request was carried out before".into()),
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotFound(key) => write!(f, "{} not found", named(key)),
            Self::AlreadyExists(key) => write!(f, "{} already exists", named(key)),
            Self::Conflict(key, message) => write!(f, "{} cannot be changed: {message}", named(key)),
            Self::Forbidden(key, message) => write!(f, "{} is forbidden: {message}", named(key)),
            Self::Invalid(key, errors) => {
                write!(f, "{} is invalid: ", named(key))?;
                for (position, error) in errors.iter().enumerate() {
                    let comma = if position == 0 { "" } else { "; " };
                    write!(f, "{comma}{error}")?;
                }
                Ok(())
            }
            Self::TooNew { asked, known } => write!(
                f,
                "Too large resource version: {asked}, current: {known}; use one that this cluster gave, or try again"
            ),
            Self::BadRequest(message)
            | Self::Expired(message)
            | Self::Unavailable(message)
            | Self::NotLed(message)
            | Self::Undecided(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Refusal {}

/// As kubectl prints it: `jobs.batch "x"`.
fn named(key: &Key) -> String {
    let info = key.kind.info();
    let dot = if info.group.is_empty() { "" } else { "." };
    format!("{}{dot}{} \"{}\"", info.plural, info.group, key.name)
}

fn details_of(key: &Key) -> StatusDetails {
    let info = key.kind.info();
    StatusDetails {
        name: key.name.to_string(),
        group: info.group.into(),
        kind: info.plural.into(),
        ..StatusDetails::default()
    }
}

fn cause(error: &FieldError) -> StatusCause {
    StatusCause {
        reason: error.kind.reason().into(),
        message: format!("{}: {}", error.kind.words(), error.message),
        field: error.field.clone(),
    }
}
