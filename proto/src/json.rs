//! How Kubernetes JSON is read into and written from messages: the traits that the generated code implements and what they
//! rest on. The form of the four hand-written scalars is in `scalars`; apiVersion and kind are put on in `object`.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// A JSON document does not fit the schema. Displays as `spec.replicas: expected a whole number, found the string "5"`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SchemaError {
    /// Where, for example `spec.containers[0].name`; empty for the document itself.
    pub path: String,
    /// What is wrong there, and what would be right.
    pub message: String,
}

impl Display for SchemaError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => formatter.write_str(&self.message),
            path => write!(formatter, "{path}: {}", self.message),
        }
    }
}

impl SchemaError {
    /// An error at the value being read; the readers around it put their part of the path in front.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            message: message.into(),
        }
    }

    /// `wanted` with its article: "a string".
    pub(crate) fn mismatch(wanted: &str, found: &Value) -> Self {
        Self::new(format!("expected {wanted}, found {}", describe(found)))
    }

    fn below(mut self, segment: &str) -> Self {
        prefix(&mut self.path, segment);
        self
    }
}

/// A value as a message names it, cut when long.
fn describe(value: &Value) -> String {
    const LENGTH_MAX: usize = 40;
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() > LENGTH_MAX => {
            format!(
                "the string {:?}...",
                text.chars().take(LENGTH_MAX).collect::<String>()
            )
        }
        Value::String(text) => format!("the string {text:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Puts `segment` in front of a path: `a` + `b` is `a.b`, `a` + `[0]` is `a[0]`.
fn prefix(path: &mut String, segment: &str) {
    if !path.is_empty() && !path.starts_with('[') {
        path.insert(0, '.');
    }
    path.insert_str(0, segment);
}

/// A value that can be read from JSON. Paths of fields that the schema does not know are added to `unknown`.
pub trait ReadJson: Sized {
    /// Errors name the path below this value. `null` means absent.
    fn read(value: Value, unknown: &mut Vec<String>) -> Result<Self, SchemaError>;
}

/// What generated `read_field` answers: the value back when the message has no such field.
pub(crate) type Read = Result<Option<Value>, SchemaError>;

/// A message with fields. Implemented by the build script for every Kubernetes message that is not a scalar.
pub trait Message: Default {
    /// Takes the value of one of the message's fields, or gives it back.
    fn read_field(
        &mut self,
        field: &str,
        value: Value,
        unknown: &mut Vec<String>,
    ) -> Result<Option<Value>, SchemaError>;

    /// Writes the fields that are present.
    fn write_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;
}

impl<T: Message> Message for Box<T> {
    fn read_field(
        &mut self,
        field: &str,
        value: Value,
        unknown: &mut Vec<String>,
    ) -> Result<Option<Value>, SchemaError> {
        (**self).read_field(field, value, unknown)
    }

    fn write_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        (**self).write_fields(map)
    }
}

/// Reads one element of an object or list and puts its place in front of all paths that come out of it.
fn read_at<T>(
    segment: impl FnOnce() -> String,
    unknown: &mut Vec<String>,
    read: impl FnOnce(&mut Vec<String>) -> Result<T, SchemaError>,
) -> Result<T, SchemaError> {
    let before = unknown.len();
    let result = read(unknown);
    if result.is_ok() && unknown.len() == before {
        return result;
    }
    let segment = segment();
    for path in &mut unknown[before..] {
        prefix(path, &segment);
    }
    result.map_err(|error| error.below(&segment))
}

impl<T: Message> ReadJson for T {
    fn read(value: Value, unknown: &mut Vec<String>) -> Result<Self, SchemaError> {
        let mut message = T::default();
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => return Ok(message),
            other => return Err(SchemaError::mismatch("an object", &other)),
        };
        for (field, value) in fields {
            read_at(
                || field.clone(),
                unknown,
                |unknown| {
                    if message.read_field(&field, value, unknown)?.is_some() {
                        unknown.push(String::new());
                    }
                    Ok(())
                },
            )?;
        }
        Ok(message)
    }
}

/// Offers a field to a message that stands inline; the message comes into being with its first field.
pub(crate) fn read_inline<T: Message>(
    inline: &mut Option<T>,
    field: &str,
    value: Value,
    unknown: &mut Vec<String>,
) -> Read {
    if let Some(message) = inline {
        return message.read_field(field, value, unknown);
    }
    let mut message = T::default();
    let rest = message.read_field(field, value, unknown)?;
    if rest.is_none() {
        *inline = Some(message);
    }
    Ok(rest)
}

impl<T: ReadJson> ReadJson for Option<T> {
    fn read(value: Value, unknown: &mut Vec<String>) -> Result<Self, SchemaError> {
        if value.is_null() {
            Ok(None)
        } else {
            T::read(value, unknown).map(Some)
        }
    }
}

impl<T: ReadJson> ReadJson for Vec<T> {
    fn read(value: Value, unknown: &mut Vec<String>) -> Result<Self, SchemaError> {
        let values = match value {
            Value::Array(values) => values,
            Value::Null => return Ok(Self::new()),
            other => return Err(SchemaError::mismatch("a list", &other)),
        };
        let read = |(index, value)| {
            read_at(
                || format!("[{index}]"),
                unknown,
                |unknown| T::read(value, unknown),
            )
        };
        values.into_iter().enumerate().map(read).collect()
    }
}

impl<T: ReadJson> ReadJson for BTreeMap<String, T> {
    fn read(value: Value, unknown: &mut Vec<String>) -> Result<Self, SchemaError> {
        let values = match value {
            Value::Object(values) => values,
            Value::Null => return Ok(Self::new()),
            other => return Err(SchemaError::mismatch("an object", &other)),
        };
        let mut map = Self::new();
        for (key, value) in values {
            let value = read_at(|| format!("[{key}]"), unknown, |unknown| T::read(value, unknown))?;
            map.insert(key, value);
        }
        Ok(map)
    }
}

impl ReadJson for String {
    fn read(value: Value, _unknown: &mut Vec<String>) -> Result<Self, SchemaError> {
        match value {
            Value::String(text) => Ok(text),
            Value::Null => Ok(Self::new()),
            other => Err(SchemaError::mismatch("a string", &other)),
        }
    }
}

impl ReadJson for bool {
    fn read(value: Value, _unknown: &mut Vec<String>) -> Result<Self, SchemaError> {
        match value {
            Value::Bool(flag) => Ok(flag),
            Value::Null => Ok(false),
            other => Err(SchemaError::mismatch("true or false", &other)),
        }
    }
}

impl ReadJson for i64 {
    fn read(value: Value, _unknown: &mut Vec<String>) -> Result<Self, SchemaError> {
        match &value {
            Value::Null => Ok(0),
            Value::Number(number) => number
                .as_i64()
                .ok_or_else(|| SchemaError::mismatch("a whole number of 64 bits", &value)),
            other => Err(SchemaError::mismatch("a whole number", other)),
        }
    }
}

impl ReadJson for i32 {
    fn read(value: Value, _unknown: &mut Vec<String>) -> Result<Self, SchemaError> {
        match &value {
            Value::Null => Ok(0),
            Value::Number(number) => number
                .as_i64()
                .and_then(|number| Self::try_from(number).ok())
                .ok_or_else(|| SchemaError::mismatch("a whole number of 32 bits", &value)),
            other => Err(SchemaError::mismatch("a whole number", other)),
        }
    }
}

/// Whether a field's value is the one that JSON leaves out.
pub(crate) trait Absent {
    fn is_absent(&self) -> bool;
}

impl<T> Absent for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T> Absent for Vec<T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<T> Absent for BTreeMap<String, T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl Absent for String {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl Absent for bool {
    fn is_absent(&self) -> bool {
        !*self
    }
}

impl Absent for i64 {
    fn is_absent(&self) -> bool {
        *self == 0
    }
}

impl Absent for i32 {
    fn is_absent(&self) -> bool {
        *self == 0
    }
}

/// Writes a field unless it is absent.
pub(crate) fn write_entry<M: SerializeMap, T: Absent + Serialize>(
    map: &mut M,
    field: &'static str,
    value: &T,
) -> Result<(), M::Error> {
    if value.is_absent() {
        Ok(())
    } else {
        map.serialize_entry(field, value)
    }
}

/// What `Serialize` does for every message.
pub(crate) fn write<T: Message, S: Serializer>(message: &T, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    message.write_fields(&mut map)?;
    map.end()
}

/// Reads a message or scalar and refuses what the schema does not know.
pub fn read_strict<T: ReadJson>(value: Value) -> Result<T, SchemaError> {
    let mut unknown = Vec::new();
    let message = T::read(value, &mut unknown)?;
    match unknown.into_iter().next() {
        None => Ok(message),
        Some(path) => Err(SchemaError {
            path,
            message: "unknown field".to_owned(),
        }),
    }
}

/// serde's two traits by way of ours. Reading is strict; `Object::from_json` tells unknown fields apart from errors.
macro_rules! implement_serde {
    ($name:ty) => {
        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                $crate::json::write(self, serializer)
            }
        }
        $crate::json::implement_deserialize!($name);
    };
}

/// `Deserialize` for a type that has [`ReadJson`].
macro_rules! implement_deserialize {
    ($name:ty) => {
        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                let value = ::serde_json::Value::deserialize(deserializer)?;
                $crate::json::read_strict(value).map_err(::serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use {implement_deserialize, implement_serde};
