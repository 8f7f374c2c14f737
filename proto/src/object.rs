//! [`Object`]: any object, cheap to clone, with what can be done to all kinds alike. Generated from the kind table. Holds the
//! three encodings together: the message of bosun.api.v1, Kubernetes JSON, and the bare message of kubectl's binary bodies.

use std::sync::{Arc, LazyLock};

use bytes::BufMut;
use prost::Message as _;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::json::{Message, ReadJson, SchemaError};
use crate::key::Key;
use crate::kinds::{Kind, for_each_kind};
use crate::meta_v1::ObjectMeta;
use crate::zero_times::ZeroTimes;
use crate::{api, apps_v1, batch_v1, core_v1};

/// What stands for the metadata of an object that carries none.
static NO_METADATA: LazyLock<ObjectMeta> = LazyLock::new(ObjectMeta::default);

/// A message that is an object of a kind.
pub trait Resource: Message + prost::Message + Clone + Default + Into<Object> {
    /// The kind.
    const KIND: Kind;

    /// The metadata; empty when the message has none.
    fn metadata(&self) -> &ObjectMeta;

    /// The metadata, made when the message has none.
    fn metadata_mut(&mut self) -> &mut ObjectMeta;

    /// The message, when the object is of this kind.
    fn from_object(object: &Object) -> Option<&Arc<Self>>;

    /// The message to be changed, when the object is of this kind. Copied first when it is shared.
    fn from_object_mut(object: &mut Object) -> Option<&mut Self>;

    /// The object's key.
    fn key(&self) -> Key {
        Key::new(Self::KIND, &self.metadata().namespace, &self.metadata().name)
    }
}

/// A kind's two halves: what is wanted and what is. All of an object of a plain kind, apart from its metadata, is spec.
trait Halves: Sized {
    fn copy_spec_from(&mut self, other: &Self);
    fn copy_status_from(&mut self, other: &Self);
    fn spec_equal(&self, other: &Self) -> bool;
    fn status_equal(&self, other: &Self) -> bool;
}

macro_rules! implement_halves {
    ($message:ty, spec_and_status) => {
        impl Halves for $message {
            fn copy_spec_from(&mut self, other: &Self) {
                self.spec.clone_from(&other.spec);
            }

            fn copy_status_from(&mut self, other: &Self) {
                self.status.clone_from(&other.status);
            }

            fn spec_equal(&self, other: &Self) -> bool {
                self.spec == other.spec
            }

            fn status_equal(&self, other: &Self) -> bool {
                self.status == other.status
            }
        }
    };
    ($message:ty, plain) => {
        impl Halves for $message {
            fn copy_spec_from(&mut self, other: &Self) {
                let metadata = self.metadata.take();
                *self = Self {
                    metadata,
                    ..other.clone()
                };
            }

            fn copy_status_from(&mut self, _other: &Self) {}

            fn spec_equal(&self, other: &Self) -> bool {
                *self
                    == Self {
                        metadata: self.metadata.clone(),
                        ..other.clone()
                    }
            }

            fn status_equal(&self, _other: &Self) -> bool {
                true
            }
        }
    };
}

/// The same expression for whatever message the object holds.
macro_rules! each {
    ($object:expr, $message:ident => $body:expr) => {
        match $object {
            Object::Namespace($message) => $body,
            Object::Node($message) => $body,
            Object::Pod($message) => $body,
            Object::ReplicaSet($message) => $body,
            Object::Job($message) => $body,
            Object::CronJob($message) => $body,
            Object::Event($message) => $body,
        }
    };
}

macro_rules! define_objects {
    ($($kind:ident $field:ident $module:ident $group:literal $version:literal $plural:literal $singular:literal
        [$($short:literal)*] $scope:ident [$($category:literal)*] $parts:ident;)*) => {
        /// An object of any kind. A clone shares the message.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Object {
            $(
                #[doc = concat!("A ", stringify!($kind), ".")]
                $kind(Arc<$module::$kind>),
            )*
        }

        $(
            impl Resource for $module::$kind {
                const KIND: Kind = Kind::$kind;

                fn metadata(&self) -> &ObjectMeta {
                    self.metadata.as_ref().unwrap_or(&NO_METADATA)
                }

                fn metadata_mut(&mut self) -> &mut ObjectMeta {
                    self.metadata.get_or_insert_default()
                }

                fn from_object(object: &Object) -> Option<&Arc<Self>> {
                    if let Object::$kind(message) = object { Some(message) } else { None }
                }

                fn from_object_mut(object: &mut Object) -> Option<&mut Self> {
                    if let Object::$kind(message) = object { Some(Arc::make_mut(message)) } else { None }
                }
            }

            impl From<$module::$kind> for Object {
                fn from(message: $module::$kind) -> Self {
                    Self::$kind(Arc::new(message))
                }
            }

            impl From<Arc<$module::$kind>> for Object {
                fn from(message: Arc<$module::$kind>) -> Self {
                    Self::$kind(message)
                }
            }

            implement_halves!($module::$kind, $parts);
        )*

        impl Object {
            /// The kind.
            pub const fn kind(&self) -> Kind {
                match self {
                    $(Self::$kind(_) => Kind::$kind,)*
                }
            }

            /// The message of bosun.api.v1 that holds this object; takes the content over unless it is shared.
            pub fn into_wire(self) -> api::Object {
                let kind = match self {
                    $(Self::$kind(message) => api::object::Kind::$kind(Arc::unwrap_or_clone(message)),)*
                };
                api::Object { kind: Some(kind) }
            }

            /// The object in a message of bosun.api.v1; `None` when it holds none, or one of a kind only a newer version knows.
            pub fn from_wire(wire: api::Object) -> Option<Self> {
                Some(match wire.kind? {
                    $(api::object::Kind::$kind(message) => Self::from(message),)*
                })
            }

            /// Takes over the other object's spec. Does nothing when it is of another kind.
            pub fn copy_spec_from(&mut self, other: &Self) {
                match (self, other) {
                    $((Self::$kind(to), Self::$kind(from)) => Arc::make_mut(to).copy_spec_from(from),)*
                    _ => {}
                }
            }

            /// Takes over the other object's status. Does nothing when it is of another kind or the kind has no status.
            pub fn copy_status_from(&mut self, other: &Self) {
                match (self, other) {
                    $((Self::$kind(to), Self::$kind(from)) => Arc::make_mut(to).copy_status_from(from),)*
                    _ => {}
                }
            }

            /// Whether both want the same: equal specs, or, for kinds without a status, equal apart from the metadata.
            pub fn spec_equal(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$kind(one), Self::$kind(two)) => one.spec_equal(two),)*
                    _ => false,
                }
            }

            /// Whether both are in the same state.
            pub fn status_equal(&self, other: &Self) -> bool {
                match (self, other) {
                    $((Self::$kind(one), Self::$kind(two)) => one.status_equal(two),)*
                    _ => false,
                }
            }

            /// The bare message of a kind, as the Kubernetes API has it in the binary form; times that were never set are
            /// absent afterwards.
            pub fn from_kubernetes_bytes(kind: Kind, bytes: &[u8]) -> Result<Self, prost::DecodeError> {
                match kind {
                    $(Kind::$kind => {
                        let mut message = $module::$kind::decode(bytes)?;
                        message.drop_zero_times();
                        Ok(message.into())
                    })*
                }
            }

            fn read_json(kind: Kind, value: Value, unknown: &mut Vec<String>) -> Result<Self, SchemaError> {
                match kind {
                    $(Kind::$kind => $module::$kind::read(value, unknown).map(Self::from),)*
                }
            }
        }
    };
}

for_each_kind!(define_objects);

impl Object {
    /// The metadata; empty when the object has none.
    pub fn metadata(&self) -> &ObjectMeta {
        each!(self, message => message.metadata())
    }

    /// The metadata to be changed. The object is copied first when it is shared.
    pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
        each!(self, message => Arc::make_mut(message).metadata_mut())
    }

    /// The object's key.
    pub fn key(&self) -> Key {
        Key::new(self.kind(), &self.metadata().namespace, &self.metadata().name)
    }

    /// The message of bosun.api.v1 that holds a copy of this object.
    pub fn to_wire(&self) -> api::Object {
        self.clone().into_wire()
    }

    /// The number of bytes that [`Object::encode`] writes.
    pub fn encoded_len(&self) -> usize {
        each!(self, message => prost::encoding::message::encoded_len(self.wire_tag(), message.as_ref()))
    }

    /// Writes the encoding of [`Object::to_wire`] without a copy of the object.
    pub fn encode(&self, buffer: &mut impl BufMut) {
        each!(self, message => prost::encoding::message::encode(self.wire_tag(), message.as_ref(), buffer));
    }

    /// The bare message, as the Kubernetes API has it in the binary form.
    pub fn to_kubernetes_bytes(&self) -> Vec<u8> {
        each!(self, message => message.encode_to_vec())
    }

    /// The number of the object's field in bosun.api.v1.Object, which is that of its kind.
    fn wire_tag(&self) -> u32 {
        self.kind() as u32
    }

    /// Kubernetes JSON, with apiVersion and kind.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("messages have string keys and no failing parts")
    }

    /// Reads Kubernetes JSON. Also gives the paths of the fields that the kind does not have, which were left out.
    pub fn from_json(value: Value) -> Result<(Self, Vec<String>), SchemaError> {
        let Value::Object(mut fields) = value else {
            return Err(SchemaError::mismatch(
                "an object with apiVersion, kind and metadata",
                &value,
            ));
        };
        let api_version = take_text(&mut fields, "apiVersion")?;
        let kind_name = take_text(&mut fields, "kind")?;
        let kind =
            Kind::from_api(&api_version, &kind_name).ok_or_else(|| unsupported(&api_version, &kind_name))?;
        let mut unknown = Vec::new();
        let object = Self::read_json(kind, Value::Object(fields), &mut unknown)?;
        Ok((object, unknown))
    }
}

fn take_text(fields: &mut serde_json::Map<String, Value>, field: &str) -> Result<String, SchemaError> {
    let error = |message: String| SchemaError {
        path: field.to_owned(),
        message,
    };
    match fields.remove(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        None | Some(Value::Null | Value::String(_)) => Err(error(format!(
            "missing; supported kinds are {}",
            Kind::supported()
        ))),
        Some(other) => Err(error(SchemaError::mismatch("a string", &other).message)),
    }
}

fn unsupported(api_version: &str, kind: &str) -> SchemaError {
    match Kind::ALL.iter().find(|known| known.info().kind == kind) {
        Some(known) => SchemaError {
            path: "apiVersion".to_owned(),
            message: format!(
                "{api_version:?} has no kind {kind}; write {:?}",
                known.api_version()
            ),
        },
        None => SchemaError {
            path: "kind".to_owned(),
            message: format!(
                "{kind:?} of {api_version:?} is not supported; supported are {}",
                Kind::supported()
            ),
        },
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("apiVersion", self.kind().api_version())?;
        map.serialize_entry("kind", self.kind().info().kind)?;
        each!(self, message => message.write_fields(&mut map))?;
        map.end()
    }
}

#[cfg(test)]
#[path = "object_tests.rs"]
mod tests;
