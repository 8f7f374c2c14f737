//! Makes a value of any deserializable type in which every field is set, by answering whatever the type asks for. That is how
//! the tests know every field of upstream's types without a list of them. Texts and numbers are all different, so that a
//! mix-up of two fields shows.

use std::cell::Cell;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Error, Value, json};

/// A value of `T` with every field set. The outermost fields `apiVersion` and `kind` get these values.
pub(crate) fn full<T: for<'de> Deserialize<'de>>(api_version: &str, kind: &str) -> T {
    let count = Cell::new(0);
    let outermost = Some((api_version, kind));
    T::deserialize(Full {
        count: &count,
        newtype: "",
        outermost,
    })
    .expect("every question of the type is answered")
}

#[derive(Clone, Copy)]
struct Full<'a> {
    count: &'a Cell<i32>,
    /// The newtype around the value: tells a time from an amount.
    newtype: &'static str,
    outermost: Option<(&'a str, &'a str)>,
}

impl Full<'_> {
    fn next(self) -> i32 {
        self.count.set(self.count.get() + 1);
        self.count.get()
    }

    fn text(self) -> String {
        let next = self.next();
        let (minute, second) = (next / 60 % 60, next % 60);
        match self.newtype {
            "Time" => format!("2026-01-02T{:02}:{minute:02}:{second:02}Z", next / 3600),
            "MicroTime" => format!("2026-01-02T{:02}:{minute:02}:{second:02}.000001Z", next / 3600),
            // Odd, so that it is canonical.
            "Quantity" => format!("{}Mi", 2 * next + 1),
            _ => format!("t{next}"),
        }
    }
}

impl<'de> Deserializer<'de> for Full<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.newtype {
            "FieldsV1" => json!({ "f:spec": {} }).deserialize_any(visitor),
            // Messages without fields.
            "WorkloadPodGroupAllDisruptionMode"
            | "WorkloadPodGroupBasicSchedulingPolicy"
            | "WorkloadPodGroupSingleDisruptionMode" => json!({}).deserialize_any(visitor),
            "Quantity" => visitor.visit_string(self.text()),
            // IntOrString: now one, now the other.
            _ if self.next() % 2 == 0 => visitor.visit_i32(self.next()),
            _ => visitor.visit_string(self.text()),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(true)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i32(self.next())
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(i64::from(self.next()) << 32)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.text())
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_string(self.text())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(Self {
            newtype: name,
            ..self
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Elements { full: self, left: 1 })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(Entries {
            full: self,
            keys: &["key"],
            value_of: "",
        })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Entries {
            full: self,
            keys: fields,
            value_of: "",
        })
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier
        ignored_any
    }
}

struct Elements<'a> {
    full: Full<'a>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.full).map(Some)
    }
}

struct Entries<'a> {
    full: Full<'a>,
    keys: &'static [&'static str],
    value_of: &'static str,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((first, rest)) = self.keys.split_first() else {
            return Ok(None);
        };
        (self.value_of, self.keys) = (first, rest);
        seed.deserialize(StrDeserializer::new(first)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let inner = Full {
            newtype: "",
            outermost: None,
            ..self.full
        };
        let text = match (self.full.outermost, self.value_of) {
            (Some((api_version, _)), "apiVersion") => api_version,
            (Some((_, kind)), "kind") => kind,
            _ => return seed.deserialize(inner),
        };
        seed.deserialize(Value::from(text)).map_err(Error::custom)
    }
}
