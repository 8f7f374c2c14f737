//! Where two values of one type first differ: so that "this may not be changed" can name the field.

use serde::Serialize;
use serde_json::Value;

/// The path of the first difference, below the values themselves; `None` when there is none. Empty when they differ as a whole.
pub(super) fn first_difference<T: Serialize + PartialEq>(old: &T, new: &T) -> Option<String> {
    if old == new {
        return None;
    }
    let as_json = |value: &T| serde_json::to_value(value).unwrap_or(Value::Null);
    let mut path = String::new();
    descend(&mut path, &as_json(old), &as_json(new));
    Some(path)
}

/// True when something differs.
fn descend(path: &mut String, old: &Value, new: &Value) -> bool {
    let length = path.len();
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
            for key in keys {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
                if descend(
                    path,
                    old.get(key).unwrap_or(&Value::Null),
                    new.get(key).unwrap_or(&Value::Null),
                ) {
                    return true;
                }
                path.truncate(length);
            }
            false
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                path.push('[');
                path.push_str(&index.to_string());
                path.push(']');
                if descend(path, old, new) {
                    return true;
                }
                path.truncate(length);
            }
            false
        }
        _ => old != new,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_path_goes_down_to_the_value_that_differs() {
        let cases = [
            (json!({"a": 1}), json!({"a": 1}), None),
            (json!({"a": 1}), json!({"a": 2}), Some("a")),
            (
                json!({"a": [{"b": 1}, {"b": 2}]}),
                json!({"a": [{"b": 1}, {"b": 3}]}),
                Some("a[1].b"),
            ),
            (json!({"a": [1]}), json!({"a": [1, 2]}), Some("a")),
            (json!({}), json!({"a": {"b": 1}}), Some("a")),
            (json!({"a": {"b": 1}}), json!({"a": {}}), Some("a.b")),
            (json!(1), json!(2), Some("")),
        ];
        for (old, new, path) in cases {
            assert_eq!(first_difference(&old, &new).as_deref(), path, "{old} {new}");
        }
    }
}
