//! Manifests as text, for tests: YAML with several documents, read strictly.

use bosun_proto::Object;
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The objects of a YAML (or JSON) text, one per document.
///
/// # Errors
/// Text that is no YAML, values that do not fit the schema, and fields that the schema does not know.
pub fn objects_from_yaml(text: &str) -> Result<Vec<Object>, String> {
    values(text)?.into_iter().map(object).collect()
}

fn object(document: Value) -> Result<Object, String> {
    let (object, unknown) = Object::from_json(document).map_err(|error| error.to_string())?;
    match unknown.first() {
        Some(field) => Err(format!("unknown field {field}")),
        None => Ok(object),
    }
}

/// A list or mapping that has begun.
enum Open {
    List(Vec<Value>),
    Mapping(Map<String, Value>, Option<String>),
}

fn values(text: &str) -> Result<Vec<Value>, String> {
    let mut open: Vec<Open> = Vec::new();
    let mut documents = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| error.to_string())?;
        let value = match event {
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Mapping(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(items)) => Value::Array(items),
                Some(Open::Mapping(fields, _)) => Value::Object(fields),
                None => return Err("a list or mapping ends that did not begin".into()),
            },
            Event::Scalar(text, ScalarStyle::Plain, ..) => plain(&text),
            Event::Scalar(text, ..) => Value::String(text.into_owned()),
            Event::Alias(_) => return Err("aliases are not read here: write the value out".into()),
            _ => continue,
        };
        match open.last_mut() {
            None => documents.push(value),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Mapping(fields, name)) => match name.take() {
                None => *name = Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
                Some(name) => {
                    fields.insert(name, value);
                }
            },
        }
    }
    documents.retain(|document| !document.is_null());
    Ok(documents)
}

/// A scalar without quotes: null, true, false, a whole number, or text.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => text
            .parse::<i64>()
            .map_or_else(|_| Value::String(text.into()), Value::from),
    }
}
