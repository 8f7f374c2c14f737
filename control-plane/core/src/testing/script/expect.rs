//! The `expect` lines of scripts.

use bosun_proto::{Kind, Object};
use serde_json::Value;

use super::super::fixture::Fixture;
use super::super::select;
use crate::kinds;

/// Whether what the words of an `expect` line say is so.
pub(super) fn check(fixture: &Fixture, words: &[&str]) -> Result<(), String> {
    match words {
        ["event", kind, name, reason] => {
            let said = fixture.reasons(select::kind(kind)?, name);
            if said.contains(reason) {
                Ok(())
            } else {
                Err(format!("said was {said:?}"))
            }
        }
        [count, rest @ ..] if count.parse::<usize>().is_ok() => {
            let (found, total) = count_fitting(fixture, rest)?;
            if found.to_string() == *count {
                Ok(())
            } else {
                Err(format!("{found} fit, of {total}"))
            }
        }
        [kind, name, fields @ ..] => {
            let key = select::key(select::kind(kind)?, name);
            let object = fixture.snapshot().get(&key).cloned().ok_or("it is not there")?;
            fields.iter().try_for_each(|field| holds(&object, field))
        }
        _ => Err("expected `KIND NAME field=value ...`, `COUNT KIND ...` or `event KIND NAME REASON`".into()),
    }
}

/// `pods of job x phase=Running`, `jobs`, `job x`: how many fit, of how many.
fn count_fitting(fixture: &Fixture, words: &[&str]) -> Result<(usize, usize), String> {
    let (kind_word, rest) = words.split_first().ok_or("of which kind?")?;
    let kind = select::kind(kind_word)?;
    let snapshot = fixture.snapshot();
    let all = snapshot.list(kind, None).cloned();
    let (objects, fields): (Vec<Object>, &[&str]) = match rest {
        ["of", owner_kind, owner_name, fields @ ..] => {
            let owner_kind = select::kind(owner_kind)?;
            (
                all.filter(|object| is_owned(object, owner_kind, owner_name))
                    .collect(),
                fields,
            )
        }
        [name, fields @ ..] if !name.contains('=') => (
            all.filter(|object| object.metadata().name == *name).collect(),
            fields,
        ),
        fields => (all.collect(), fields),
    };
    let fits = |object: &&Object| fields.iter().all(|field| holds(object, field).is_ok());
    Ok((objects.iter().filter(fits).count(), objects.len()))
}

fn is_owned(object: &Object, owner_kind: Kind, owner_name: &str) -> bool {
    kinds::controller_of(object.metadata())
        .is_some_and(|owner| owner.kind == owner_kind.info().kind && owner.name == owner_name)
}

fn holds(object: &Object, expectation: &str) -> Result<(), String> {
    let document = object.to_json();
    let (field, wanted) = expectation
        .split_once('=')
        .ok_or("a field is written like active=0")?;
    let (field, negated) = match field.strip_suffix('!') {
        Some(field) => (field, true),
        None => (field, false),
    };
    let is = if field == "condition" {
        conditions(&document)
    } else {
        vec![value_at(&document, field)]
    };
    // Numbers that are 0 are left out of an object's JSON, unless their absence means something else.
    let fits = |is: &String| is == wanted || (wanted == "0" && is == "-");
    if is.iter().any(fits) == negated {
        Err(format!("{field} is {}", is.join(", ")))
    } else {
        Ok(())
    }
}

/// The conditions that hold: each as `Type` and as `Type/Reason`.
fn conditions(document: &Value) -> Vec<String> {
    let conditions = document["status"]["conditions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let holding = conditions
        .iter()
        .filter(|condition| condition["status"] == "True");
    holding
        .flat_map(|condition| {
            let (name, reason) = (text(&condition["type"]), text(&condition["reason"]));
            [name.clone(), format!("{name}/{reason}")]
        })
        .collect()
}

/// A field of the status, the spec, the metadata, or from the root; `-` when it is absent.
fn value_at(document: &Value, path: &str) -> String {
    let places = [
        &document["status"],
        &document["spec"],
        &document["metadata"],
        document,
    ];
    let found = places.into_iter().find_map(|place| {
        let mut parts = path.split('.');
        parts.try_fold(place, |value, part| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            _ => value.get(part),
        })
    });
    found.map_or_else(|| "-".to_owned(), text)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
