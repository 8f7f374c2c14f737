//! A port by number or name, a count or a percentage.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::IntOrString;
use crate::json::{ReadJson, SchemaError, implement_deserialize};

/// The values of `IntOrString.type`.
const TYPE_INT: i64 = 0;
const TYPE_STRING: i64 = 1;

impl IntOrString {
    /// The number, unless this is a text.
    pub const fn as_int(&self) -> Option<i32> {
        if self.r#type == TYPE_INT {
            Some(self.int_val)
        } else {
            None
        }
    }

    /// The text, unless this is a number.
    pub fn as_text(&self) -> Option<&str> {
        (self.r#type != TYPE_INT).then_some(self.str_val.as_str())
    }
}

impl From<i32> for IntOrString {
    fn from(number: i32) -> Self {
        Self {
            r#type: TYPE_INT,
            int_val: number,
            str_val: String::new(),
        }
    }
}

impl From<&str> for IntOrString {
    fn from(text: &str) -> Self {
        Self {
            r#type: TYPE_STRING,
            int_val: 0,
            str_val: text.to_owned(),
        }
    }
}

impl fmt::Display for IntOrString {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_text() {
            Some(text) => formatter.write_str(text),
            None => write!(formatter, "{}", self.int_val),
        }
    }
}

impl Serialize for IntOrString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_text() {
            Some(text) => serializer.serialize_str(text),
            None => serializer.serialize_i32(self.int_val),
        }
    }
}

impl ReadJson for IntOrString {
    fn read(value: Value, unknown: &mut Vec<String>) -> Result<Self, SchemaError> {
        match value {
            Value::String(text) => Ok(Self::from(text.as_str())),
            Value::Number(_) | Value::Null => i32::read(value, unknown).map(Self::from),
            other => Err(SchemaError::mismatch("a whole number or a string", &other)),
        }
    }
}

implement_deserialize!(IntOrString);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        for (text, value) in [
            ("0", IntOrString::from(0)),
            ("\"http\"", IntOrString::from("http")),
        ] {
            assert_eq!(serde_json::from_str::<IntOrString>(text).unwrap(), value);
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
        }
        assert_eq!(IntOrString::from("25%").as_int(), None);
        for wrong in ["true", "1.5", "3000000000"] {
            assert!(serde_json::from_str::<IntOrString>(wrong).is_err(), "{wrong}");
        }
    }
}
