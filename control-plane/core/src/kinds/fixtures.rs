//! For the tests of the kinds: manifests as text, changes as `path = value`, and what admission makes of them.

use bosun_proto::Object;
use bosun_proto::scalars::Time;
use serde_json::Value;

use crate::refusal::FieldError;
use crate::testing::objects_from_yaml;

/// When everything in these tests is made.
pub(super) const NOW: Time = Time::from_seconds(1_800_000_000);
/// The uid of everything.
const UID: &str = "9d9c9b2e-0000-4000-8000-000000000001";

/// The one object of a YAML text.
pub(super) fn object(yaml: &str) -> Object {
    let mut objects = objects_from_yaml(yaml).unwrap();
    assert_eq!(objects.len(), 1);
    objects.remove(0)
}

/// The object after the step of a create that depends on its kind: defaults, stamp, system fields.
pub(super) fn created(mut object: Object) -> Object {
    super::fill_defaults(&mut object);
    let metadata = object.metadata_mut();
    metadata.uid = UID.into();
    metadata.creation_timestamp = Some(NOW);
    metadata.generation = 1;
    super::prepare_create(&mut object, NOW);
    object
}

/// What a create would find wrong.
pub(super) fn errors(object: &Object) -> Vec<FieldError> {
    let mut errors = super::metadata::validate(object);
    errors.extend(super::validate(object));
    errors
}

/// The object with changes, one per line: `spec.containers[0].name = "x"`; the value is JSON, `-` takes the field away.
pub(super) fn changed(object: &Object, changes: &str) -> Object {
    let mut json = object.to_json();
    for line in changes.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (path, value) = line
            .split_once(" = ")
            .unwrap_or_else(|| panic!("no ' = ' in {line}"));
        change(&mut json, path, value);
    }
    let (object, unknown) = Object::from_json(json).unwrap_or_else(|error| panic!("{changes}: {error}"));
    assert_eq!(unknown, [""; 0], "{changes}");
    object
}

fn change(json: &mut Value, path: &str, value: &str) {
    let steps = path.replace('[', ".[");
    let mut place = json;
    let mut steps = steps.split('.').peekable();
    while let Some(step) = steps.next() {
        let removes = steps.peek().is_none() && value == "-";
        if let Some(index) = step.strip_prefix('[').and_then(|step| step.strip_suffix(']')) {
            if place.is_null() {
                *place = Value::Array(Vec::new());
            }
            let items = place
                .as_array_mut()
                .unwrap_or_else(|| panic!("no list before {step} of {path}"));
            let index: usize = index.parse().unwrap();
            if removes {
                items.remove(index);
                return;
            }
            items.resize(items.len().max(index + 1), Value::Null);
            place = &mut items[index];
        } else {
            if place.is_null() {
                *place = Value::Object(serde_json::Map::new());
            }
            let fields = place
                .as_object_mut()
                .unwrap_or_else(|| panic!("no object before {step} of {path}"));
            if removes {
                fields.remove(step);
                return;
            }
            place = fields.entry(step).or_insert(Value::Null);
        }
    }
    *place = serde_json::from_str(value).unwrap_or_else(|error| panic!("{value} is no JSON: {error}"));
}

/// A table: each line has changes to a good object and what is wrong after them, `field: words of the message` or `fine`.
///
/// ```text
/// spec.containers = []; spec.nodeName = "n" => spec.containers: at least one
/// ```
pub(super) fn check(good: &str, table: &str) {
    let good = object(good);
    for case in cases(table) {
        case.assert(&errors(&created(changed(&good, &case.changes))));
    }
}

/// Like [`check`], for changes to an object that exists.
pub(super) fn check_update(old: &Object, table: &str) {
    for case in cases(table) {
        let mut new = changed(old, &case.changes);
        super::fill_defaults(&mut new);
        case.assert(&super::validate_update(old, &new));
    }
}

/// Like [`check`], for changes to the status of an object that exists.
pub(super) fn check_status_update(old: &Object, table: &str) {
    for case in cases(table) {
        case.assert(&super::validate_status_update(old, &changed(old, &case.changes)));
    }
}

/// A table: each line has changes to an object, or `nothing`, and the first cells of its row after them.
pub(super) fn check_rows(object: &Object, now: Time, table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (changes, row) = line
            .split_once(" => ")
            .unwrap_or_else(|| panic!("no ' => ' in {line}"));
        let changes = if changes == "nothing" { "" } else { changes };
        let object = changed(object, &changes.replace("; ", "\n"));
        let cells = super::cells(&object, now);
        assert_eq!(cells.len(), super::columns(object.kind()).len());
        let row: Vec<&str> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[..row.len()], row, "{changes}");
    }
}

/// A line of a table.
struct Case {
    changes: String,
    /// Field and words; `None` when nothing is wrong.
    wrong: Option<(String, String)>,
}

fn cases(table: &str) -> Vec<Case> {
    let lines = table.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(case).collect()
}

fn case(line: &str) -> Case {
    let (changes, outcome) = line
        .split_once(" => ")
        .unwrap_or_else(|| panic!("no ' => ' in {line}"));
    let wrong = match outcome {
        "fine" => None,
        _ => outcome
            .split_once(": ")
            .map(|(field, words)| (field.to_owned(), words.to_owned())),
    };
    assert!(
        wrong.is_some() || outcome == "fine",
        "neither 'fine' nor 'field: words' in {line}"
    );
    Case {
        changes: changes.replace("; ", "\n"),
        wrong,
    }
}

impl Case {
    /// Exactly one thing is wrong, and it is the expected one; or nothing.
    fn assert(&self, errors: &[FieldError]) {
        match (errors, &self.wrong) {
            ([], None) => {}
            ([error], Some((field, words))) if error.field == *field && error.message.contains(words) => {}
            _ => panic!("{}: expected {:?}, found {errors:#?}", self.changes, self.wrong),
        }
    }
}
