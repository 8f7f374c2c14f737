//! The set of fields that one manager owns: opaque JSON in a binary field.

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::FieldsV1;
use crate::json::{ReadJson, SchemaError, implement_deserialize};

impl Serialize for FieldsV1 {
    /// Bytes that are no JSON object (they can only come from a binary client) are shown as an empty one.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_slice::<Map<String, Value>>(&self.raw)
            .unwrap_or_default()
            .serialize(serializer)
    }
}

impl ReadJson for FieldsV1 {
    fn read(value: Value, _unknown: &mut Vec<String>) -> Result<Self, SchemaError> {
        match value {
            Value::Object(_) => Ok(Self {
                raw: Bytes::from(value.to_string()),
            }),
            Value::Null => Ok(Self::default()),
            other => Err(SchemaError::mismatch("an object", &other)),
        }
    }
}

implement_deserialize!(FieldsV1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_passes_through() {
        let text = r#"{"f:metadata":{"f:labels":{".":{},"f:app":{}}}}"#;
        let fields: FieldsV1 = serde_json::from_str(text).unwrap();
        assert_eq!(fields.raw, text);
        assert_eq!(serde_json::to_string(&fields).unwrap(), text);
        assert_eq!(
            serde_json::to_string(&FieldsV1 {
                raw: Bytes::from("[1]")
            })
            .unwrap(),
            "{}"
        );
    }
}
