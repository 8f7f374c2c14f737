//! Owns the three-way merge of `apply`: what the manifest said last time, what it says now, and what is stored. Fields the
//! manifest never had (defaults, what controllers or other people set) stay; fields it no longer has go. Lists whose items
//! have a key (containers by name, ports by number ...) are merged item by item, all other lists are replaced whole.
//!
//! The outcome is an RFC 7386 patch against the stored object; sending it is `verbs::apply`'s part.

use serde_json::{Map, Value};

/// The fields that name an item, per list. Facts of the Kubernetes API (its patch merge keys); the list with the longest
/// key that all items have decides, so that one port number may stand there for TCP and for UDP.
const MERGE_KEYS: &[(&str, &[&str])] = &[
    ("conditions", &["type"]),
    ("containers", &["name"]),
    ("env", &["name"]),
    ("ephemeralContainers", &["name"]),
    ("hostAliases", &["ip"]),
    ("imagePullSecrets", &["name"]),
    ("initContainers", &["name"]),
    ("ownerReferences", &["uid"]),
    ("ports", &["containerPort", "protocol"]),
    ("resourceClaims", &["name"]),
    ("schedulingGates", &["name"]),
    ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("volumeDevices", &["devicePath"]),
    ("volumeMounts", &["mountPath"]),
    ("volumes", &["name"]),
];

/// Lists of plain values that are sets: several writers add to them.
const SETS: &[&str] = &["finalizers"];

/// What a key field means where it is absent.
const KEY_DEFAULTS: &[(&str, &str)] = &[("protocol", "TCP")];

/// The patch (RFC 7386) that turns `current` into what `wanted` asks for; `None` when there is nothing to change.
///
/// `last` is the manifest of the apply before, or null when there was none.
pub(crate) fn patch(last: &Value, wanted: &Value, current: &Value) -> Option<Value> {
    let merged = merge("", last, wanted, current);
    difference(current, &merged)
}

fn merge(field: &str, last: &Value, wanted: &Value, current: &Value) -> Value {
    match (wanted, current) {
        (Value::Object(wanted), Value::Object(current)) => {
            let empty = Map::new();
            Value::Object(merge_objects(last.as_object().unwrap_or(&empty), wanted, current))
        }
        (Value::Array(wanted), Value::Array(current)) => {
            let last = last.as_array().map_or(&[][..], Vec::as_slice);
            Value::Array(merge_lists(field, last, wanted, current))
        }
        (Value::Object(wanted), _) => Value::Object(merge_objects(&Map::new(), wanted, &Map::new())),
        _ => wanted.clone(),
    }
}

fn merge_objects(
    last: &Map<String, Value>,
    wanted: &Map<String, Value>,
    current: &Map<String, Value>,
) -> Map<String, Value> {
    let mut merged = current.clone();
    for name in last.keys().filter(|name| !wanted.contains_key(*name)) {
        merged.remove(name);
    }
    for (name, value) in wanted {
        if value.is_null() {
            // An explicit null in a manifest asks for the field's absence.
            merged.remove(name);
            continue;
        }
        let before = last.get(name).unwrap_or(&Value::Null);
        let present = current.get(name).unwrap_or(&Value::Null);
        merged.insert(name.clone(), merge(name, before, value, present));
    }
    merged
}

fn merge_lists(field: &str, last: &[Value], wanted: &[Value], current: &[Value]) -> Vec<Value> {
    if SETS.contains(&field) {
        return merge_sets(last, wanted, current);
    }
    let keys = MERGE_KEYS
        .iter()
        .find(|(list, _)| *list == field)
        .map(|(_, keys)| *keys);
    match keys {
        Some(keys) if has_keys(keys, wanted) && has_keys(keys, current) => {
            merge_keyed(keys, last, wanted, current)
        }
        Some(_) | None => wanted.to_vec(),
    }
}

/// Items in the manifest's order, each merged with its stored counterpart; then what only others put there.
fn merge_keyed(keys: &[&str], last: &[Value], wanted: &[Value], current: &[Value]) -> Vec<Value> {
    let find = |items: &[Value], item: &Value| {
        items
            .iter()
            .find(|other| key_of(keys, other) == key_of(keys, item))
            .cloned()
            .unwrap_or(Value::Null)
    };
    let mut merged: Vec<Value> = wanted
        .iter()
        .map(|item| merge("", &find(last, item), item, &find(current, item)))
        .collect();
    let foreign = current
        .iter()
        .filter(|item| find(wanted, item).is_null() && find(last, item).is_null())
        .cloned();
    merged.extend(foreign);
    merged
}

fn merge_sets(last: &[Value], wanted: &[Value], current: &[Value]) -> Vec<Value> {
    let kept = current
        .iter()
        .filter(|value| wanted.contains(value) || !last.contains(value));
    let mut merged: Vec<Value> = kept.cloned().collect();
    for value in wanted {
        if !merged.contains(value) {
            merged.push(value.clone());
        }
    }
    merged
}

/// Whether each item is an object with the first key field, and no two have the same key.
fn has_keys(keys: &[&str], items: &[Value]) -> bool {
    let first = keys.first().copied().unwrap_or_default();
    let named = items.iter().all(|item| item.get(first).is_some());
    let unique = items.iter().enumerate().all(|(index, item)| {
        items
            .iter()
            .skip(index + 1)
            .all(|other| key_of(keys, other) != key_of(keys, item))
    });
    named && unique
}

fn key_of(keys: &[&str], item: &Value) -> Vec<Value> {
    let default = |key: &str| {
        let found = KEY_DEFAULTS.iter().find(|(name, _)| *name == key);
        found.map_or(Value::Null, |(_, value)| Value::from(*value))
    };
    keys.iter()
        .map(|key| item.get(*key).cloned().unwrap_or_else(|| default(key)))
        .collect()
}

/// The RFC 7386 patch from one value to another; `None` when they are equal.
fn difference(from: &Value, to: &Value) -> Option<Value> {
    if from == to {
        return None;
    }
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return Some(without_nulls(to));
    };
    let mut patch = Map::new();
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in to {
        let change = match from.get(name) {
            Some(before) => difference(before, value),
            None => Some(without_nulls(value)),
        };
        if let Some(change) = change {
            patch.insert(name.clone(), change);
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// A null inside a new value would mean "remove" in a patch; the schema takes null for absent anyway.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                kept.map(|(name, value)| (name.clone(), without_nulls(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::patch;
    use serde_json::Value;

    /// What; the manifest of last time; the manifest now; what is stored; the patch.
    type Case = (
        &'static str,
        &'static str,
        &'static str,
        &'static str,
        &'static str,
    );

    fn check(cases: &[Case]) {
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        for (what, last, wanted, current, expected) in cases {
            let patch = patch(&read(last), &read(wanted), &read(current)).unwrap_or(Value::Null);
            assert_eq!(patch, read(expected), "{what}");
        }
    }

    #[test]
    fn maps() {
        check(&[
            ("same", r#"{"a":1}"#, r#"{"a":1}"#, r#"{"a":1,"b":2}"#, "null"),
            (
                "changed",
                r#"{"a":1}"#,
                r#"{"a":2}"#,
                r#"{"a":1,"b":2}"#,
                r#"{"a":2}"#,
            ),
            (
                "added",
                "null",
                r#"{"a":{"b":1}}"#,
                r#"{"c":2}"#,
                r#"{"a":{"b":1}}"#,
            ),
            (
                "left out now",
                r#"{"a":1,"b":1}"#,
                r#"{"a":1}"#,
                r#"{"a":1,"b":1}"#,
                r#"{"b":null}"#,
            ),
            (
                "gone already",
                r#"{"a":1,"b":1}"#,
                r#"{"a":1}"#,
                r#"{"a":1}"#,
                "null",
            ),
            (
                "set by others",
                r#"{"a":1}"#,
                r#"{"a":1}"#,
                r#"{"a":9}"#,
                r#"{"a":1}"#,
            ),
            (
                "an explicit null removes",
                "null",
                r#"{"a":null}"#,
                r#"{"a":1}"#,
                r#"{"a":null}"#,
            ),
            (
                "null for nothing",
                "null",
                r#"{"a":null,"b":{"c":null}}"#,
                r#"{"b":{}}"#,
                "null",
            ),
            (
                "nested",
                r#"{"a":{"b":1,"c":1}}"#,
                r#"{"a":{"b":2}}"#,
                r#"{"a":{"b":1,"c":1,"d":1}}"#,
                r#"{"a":{"b":2,"c":null}}"#,
            ),
            (
                "another type",
                "null",
                r#"{"a":{"b":1}}"#,
                r#"{"a":"x"}"#,
                r#"{"a":{"b":1}}"#,
            ),
        ]);
    }

    #[test]
    fn lists_with_keys() {
        const STORED: &str = r#"{"containers":[{"name":"a","image":"1","pull":"x"},{"name":"b"}]}"#;
        check(&[
            (
                "one item changed; defaults and the foreign item stay",
                r#"{"containers":[{"name":"a","image":"1"}]}"#,
                r#"{"containers":[{"name":"a","image":"2"}]}"#,
                STORED,
                r#"{"containers":[{"name":"a","image":"2","pull":"x"},{"name":"b"}]}"#,
            ),
            (
                "an item leaves the manifest",
                r#"{"containers":[{"name":"a"},{"name":"b"}]}"#,
                r#"{"containers":[{"name":"a"}]}"#,
                STORED,
                r#"{"containers":[{"name":"a","image":"1","pull":"x"}]}"#,
            ),
            (
                "nothing to do",
                "{}",
                r#"{"containers":[{"name":"a"}]}"#,
                STORED,
                "null",
            ),
            (
                "one port number for two protocols",
                "{}",
                r#"{"ports":[{"containerPort":53},{"containerPort":53,"protocol":"UDP"}]}"#,
                r#"{"ports":[{"containerPort":53,"protocol":"TCP"},{"containerPort":53,"protocol":"UDP"}]}"#,
                "null",
            ),
            (
                "a name given twice is sent as it is, for the server to refuse",
                "{}",
                r#"{"env":[{"name":"a","value":"1"},{"name":"a","value":"2"}]}"#,
                r#"{"env":[{"name":"a","value":"1"}]}"#,
                r#"{"env":[{"name":"a","value":"1"},{"name":"a","value":"2"}]}"#,
            ),
        ]);
    }

    #[test]
    fn other_lists() {
        check(&[
            (
                "replaced",
                r#"{"args":["a"]}"#,
                r#"{"args":["b"]}"#,
                r#"{"args":["a","c"]}"#,
                r#"{"args":["b"]}"#,
            ),
            (
                "removed",
                r#"{"args":["a"]}"#,
                "{}",
                r#"{"args":["a"]}"#,
                r#"{"args":null}"#,
            ),
            (
                "sets keep what others added",
                r#"{"finalizers":["mine","old"]}"#,
                r#"{"finalizers":["mine","new"]}"#,
                r#"{"finalizers":["theirs","mine","old"]}"#,
                r#"{"finalizers":["theirs","mine","new"]}"#,
            ),
        ]);
    }
}
