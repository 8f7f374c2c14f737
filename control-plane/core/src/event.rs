//! Notes become Events: what an operator reads under `describe`.
//!
//! The same note again counts up the Event that is there, so that repetition costs no space.

use bosun_proto::core_v1::{Event, EventSource, ObjectReference};
use bosun_proto::meta_v1::ObjectMeta;
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Object};

use crate::plan::Note;
use crate::stamp::derived_uid;
use crate::state::{Snapshot, Write};

/// The longest part of an object's name that goes into the name of its Events.
const NAME_PART_MAX: usize = 200;

/// True when an Event that says the same is still there: for notes that would else be repeated by every look at the object.
pub fn is_recorded(snapshot: &Snapshot, note: &Note, component: &str) -> bool {
    let (namespace, name, _) = identity(note, component);
    snapshot.find::<Event>(namespace, &name).is_some()
}

/// The write that records a note: a new Event, or a higher count on the one that says the same.
pub fn record(snapshot: &Snapshot, note: &Note, component: &str, now: Time) -> Write {
    let (namespace, name, uid) = identity(note, component);
    match snapshot.find::<Event>(namespace, &name) {
        Some(stored) => {
            let mut again = stored.as_ref().clone();
            again.count += 1;
            again.last_timestamp = Some(now);
            Write::replace(&Object::from(stored.clone()), again)
        }
        None => Write::Create(new_event(note, component, namespace, name, uid, now)),
    }
}

/// Namespace, name and uid of the Event for a note.
fn identity<'a>(note: &'a Note, component: &str) -> (&'a str, String, String) {
    let uid = derived_uid(
        &note.uid,
        &format!("{component}/{}/{}", note.reason, note.message),
    );
    let namespace = if note.about.namespace.is_empty() {
        "default"
    } else {
        &note.about.namespace
    };
    let name = format!("{:.NAME_PART_MAX$}.{}", note.about.name, uid.replace('-', ""));
    (namespace, name, uid)
}

fn new_event(note: &Note, component: &str, namespace: &str, name: String, uid: String, now: Time) -> Object {
    Event {
        metadata: Some(ObjectMeta {
            name,
            namespace: namespace.to_owned(),
            uid,
            creation_timestamp: Some(now),
            ..ObjectMeta::default()
        }),
        involved_object: Some(reference(&note.about, &note.uid)),
        reason: note.reason.clone(),
        message: note.message.clone(),
        source: Some(EventSource {
            component: component.to_owned(),
            ..EventSource::default()
        }),
        first_timestamp: Some(now),
        last_timestamp: Some(now),
        count: 1,
        r#type: if note.warning { "Warning" } else { "Normal" }.to_owned(),
        reporting_component: component.to_owned(),
        ..Event::default()
    }
    .into()
}

fn reference(about: &Key, uid: &str) -> ObjectReference {
    ObjectReference {
        kind: about.kind.info().kind.to_owned(),
        namespace: about.namespace.to_string(),
        name: about.name.to_string(),
        uid: uid.to_owned(),
        api_version: about.kind.api_version().to_owned(),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use bosun_proto::Kind;

    use super::*;
    use crate::state::{Command, Machine, Outcome};

    #[test]
    fn the_same_note_again_counts_up_and_another_one_is_another_event() {
        let mut machine = Machine::default();
        let note = |message: &str| Note {
            about: Key::new(Kind::Node, "", "n1"),
            uid: "9d9c9b2e-0000-4000-8000-000000000001".into(),
            reason: "NodeReady".into(),
            message: message.into(),
            warning: false,
        };
        let default = bosun_proto::core_v1::Namespace {
            metadata: Some(ObjectMeta {
                name: "default".into(),
                ..ObjectMeta::default()
            }),
            ..Default::default()
        };
        let execute = |machine: &mut Machine, writes| {
            let command = Command {
                request_id: [0; 16],
                time: Time::from_millis(0),
                writes,
            };
            assert!(matches!(machine.execute(command), Outcome::Applied(_)));
        };
        execute(&mut machine, vec![Write::Create(default.into())]);
        for (millis, message) in [(1_000, "a"), (2_000, "a"), (3_000, "b")] {
            let write = record(
                &machine.snapshot(),
                &note(message),
                "test",
                Time::from_millis(millis),
            );
            execute(&mut machine, vec![write]);
        }
        let snapshot = machine.snapshot();
        let mut counts: Vec<_> = snapshot
            .all::<Event>(Some("default"))
            .map(|e| (e.message.clone(), e.count, e.last_timestamp))
            .collect();
        counts.sort();
        let at = |millis| Some(Time::from_millis(millis));
        assert_eq!(counts, [("a".into(), 2, at(2_000)), ("b".into(), 1, at(3_000))]);
    }
}
