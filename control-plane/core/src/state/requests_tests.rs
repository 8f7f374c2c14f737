//! Requests are carried out once, and remembered for a while.

use bosun_proto::core_v1::Namespace;
use bosun_proto::meta_v1::ObjectMeta;
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Object};

use super::requests::{NO_REQUEST, REMEMBERED_SECONDS, REQUESTS_MAX, RequestId};
use super::{Command, Machine, Outcome, Reason, Rejection, Snapshot, Write, encode_snapshot};

fn id(number: u64) -> RequestId {
    let mut id = [1; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id
}

fn create(name: &str) -> Write {
    let metadata = ObjectMeta {
        name: name.into(),
        uid: format!("uid-{name}"),
        ..ObjectMeta::default()
    };
    Write::Create(Object::from(Namespace {
        metadata: Some(metadata),
        ..Namespace::default()
    }))
}

fn key(name: &str) -> Key {
    Key::new(Kind::Namespace, "", name)
}

fn execute(machine: &mut Machine, request_id: RequestId, seconds: i64, write: Write) -> Outcome {
    machine.execute(Command {
        request_id,
        time: Time::from_seconds(seconds),
        writes: vec![write],
    })
}

/// A command that only checks: it costs little and is remembered like any other.
fn check(machine: &mut Machine, request_id: RequestId, seconds: i64) -> bool {
    let write = Write::Expect {
        key: key("none"),
        version: 0,
    };
    matches!(execute(machine, request_id, seconds, write), Outcome::Applied(_))
}

#[test]
fn a_repeated_request_changes_nothing_and_tells_what_the_first_one_did() {
    let mut machine = Machine::default();
    assert_eq!(
        execute(&mut machine, id(1), 10, create("first")),
        Outcome::Applied(vec![1])
    );
    // Decided anew, with another name and uid, as a request with generateName is.
    let repeated = Outcome::Rejected(Rejection {
        key: key("first"),
        reason: Reason::DoneBefore,
    });
    assert_eq!(execute(&mut machine, id(1), 11, create("second")), repeated);
    let snapshot = machine.snapshot();
    assert_eq!(snapshot.version(), 1);
    let done = snapshot.done(&id(1)).unwrap();
    assert_eq!(
        (&done.key, done.uid.as_str(), done.version),
        (&key("first"), "uid-first", 1)
    );
    assert!(!done.removed);
    // A rejected one did nothing, so it may be tried again under the same id.
    assert!(matches!(
        execute(&mut machine, id(2), 12, create("first")),
        Outcome::Rejected(_)
    ));
    assert_eq!(
        execute(&mut machine, id(2), 12, create("second")),
        Outcome::Applied(vec![2])
    );
    let delete = Write::Delete {
        key: key("first"),
        uid: "uid-first".into(),
        expected_version: 1,
    };
    execute(&mut machine, id(3), 13, delete);
    assert!(machine.snapshot().done(&id(3)).unwrap().removed);
    // Commands without an id are never the same.
    assert!(check(&mut machine, NO_REQUEST, 14) && check(&mut machine, NO_REQUEST, 14));
}

#[test]
fn requests_are_forgotten_by_the_time_in_the_entries_and_by_number() {
    let mut machine = Machine::default();
    assert!(check(&mut machine, id(0), 100));
    assert!(!check(&mut machine, id(0), 100 + REMEMBERED_SECONDS));
    // A leader whose clock is behind makes nothing older.
    assert!(check(&mut machine, id(1), 50));
    assert!(!check(&mut machine, id(0), 60));
    assert!(check(&mut machine, NO_REQUEST, 101 + REMEMBERED_SECONDS));
    let snapshot = machine.snapshot();
    assert!(snapshot.done(&id(0)).is_none() && snapshot.done(&id(1)).is_none());

    let most = REQUESTS_MAX as u64;
    for number in 0..=most {
        assert!(check(&mut machine, id(number), 1_000));
    }
    assert!(check(&mut machine, NO_REQUEST, 1_000));
    let snapshot = machine.snapshot();
    assert!(snapshot.done(&id(0)).is_none() && snapshot.done(&id(1)).is_some());
}

#[test]
fn a_snapshot_carries_the_requests_in_their_order() {
    let mut machine = Machine::default();
    for (number, name) in [(9, "a"), (3, "b"), (5, "c")] {
        execute(&mut machine, id(number), 100, create(name));
    }
    let bytes_of = |snapshot: &Snapshot| {
        let mut bytes = Vec::new();
        encode_snapshot(snapshot, &mut bytes).unwrap();
        bytes
    };
    let bytes = bytes_of(&machine.snapshot());
    let restored = Snapshot::decode(&mut bytes.as_slice()).unwrap();
    assert_eq!(bytes_of(&restored), bytes);
    for number in [3, 5, 9] {
        let done = restored.done(&id(number));
        assert!(done.is_some() && done == machine.snapshot().done(&id(number)));
    }
    let mut restored = Machine::new(restored);
    assert!(!check(&mut restored, id(9), 101));
}
