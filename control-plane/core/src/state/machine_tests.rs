//! The laws of apply: all or nothing, exact preconditions, one version per changed object, the same bytes for the same log.

use std::collections::BTreeMap;

use bosun_proto::batch_v1::{Job, JobSpec, JobStatus};
use bosun_proto::core_v1::{
    Container, Namespace, Node, NodeCondition, NodeStatus, Pod, PodSpec, PodStatus, ResourceRequirements,
};
use bosun_proto::log::{Count, Entry};
use bosun_proto::meta_v1::{ObjectMeta, OwnerReference};
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Object, Resource};

use super::requests::NO_REQUEST;
use super::*;

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands where messages have an optional field"
)]
fn metadata(name: &str) -> Option<ObjectMeta> {
    let namespace = "default".to_owned();
    Some(ObjectMeta {
        name: name.into(),
        namespace,
        uid: format!("uid-{name}"),
        ..ObjectMeta::default()
    })
}

fn command(writes: Vec<Write>) -> Command {
    Command {
        request_id: NO_REQUEST,
        time: Time::from_millis(1_000),
        writes,
    }
}

fn namespace(name: &str) -> Object {
    let metadata = ObjectMeta {
        name: name.into(),
        uid: format!("uid-ns-{name}"),
        ..ObjectMeta::default()
    };
    Namespace {
        metadata: Some(metadata),
        ..Namespace::default()
    }
    .into()
}

fn pod(name: &str, cpu: &str) -> Pod {
    let requests = BTreeMap::from([("cpu".to_owned(), cpu.into())]);
    let container = Container {
        name: "main".into(),
        resources: Some(ResourceRequirements {
            requests,
            ..ResourceRequirements::default()
        }),
        ..Container::default()
    };
    Pod {
        metadata: metadata(name),
        spec: Some(PodSpec {
            containers: vec![container],
            ..PodSpec::default()
        }),
        ..Pod::default()
    }
}

fn node(name: &str, cpu: &str) -> Object {
    let amounts = [("cpu", cpu), ("pods", "10")];
    let allocatable = amounts
        .map(|(resource, amount)| (resource.to_owned(), amount.into()))
        .into();
    let ready = NodeCondition {
        r#type: "Ready".into(),
        status: "True".into(),
        ..NodeCondition::default()
    };
    Node {
        metadata: Some(ObjectMeta {
            name: name.into(),
            uid: format!("uid-{name}"),
            ..ObjectMeta::default()
        }),
        status: Some(NodeStatus {
            allocatable,
            conditions: vec![ready],
            ..NodeStatus::default()
        }),
        ..Node::default()
    }
    .into()
}

fn machine_with(objects: Vec<Object>) -> Machine {
    let mut machine = Machine::default();
    must(&mut machine, vec![Write::Create(namespace("default"))]);
    for object in objects {
        must(&mut machine, vec![Write::Create(object)]);
    }
    machine
}

fn must(machine: &mut Machine, writes: Vec<Write>) -> Vec<u64> {
    match machine.execute(command(writes)) {
        Outcome::Applied(versions) => versions,
        Outcome::Rejected(rejection) => panic!("rejected: {rejection:?}"),
    }
}

fn refused(machine: &mut Machine, writes: Vec<Write>) -> Reason {
    match machine.execute(command(writes)) {
        Outcome::Applied(versions) => panic!("applied as {versions:?}"),
        Outcome::Rejected(rejection) => rejection.reason,
    }
}

fn key(name: &str) -> Key {
    Key::new(Kind::Pod, "default", name)
}

#[test]
fn a_transaction_whose_last_write_is_refused_changes_nothing() {
    let mut machine = machine_with(vec![pod("a", "1").into()]);
    let before = machine.snapshot();
    let writes = vec![
        Write::Create(pod("b", "1").into()),
        Write::Create(pod("a", "1").into()),
    ];
    assert_eq!(refused(&mut machine, writes), Reason::AlreadyExists);
    let after = machine.snapshot();
    assert_eq!(after.version(), before.version());
    assert_eq!(after.get(&key("b")), None);
}

#[test]
fn each_changed_object_takes_one_version_and_an_unchanged_one_none() {
    let mut machine = machine_with(vec![]);
    assert_eq!(machine.snapshot().version(), 1);
    let both = vec![
        Write::Create(pod("a", "1").into()),
        Write::Create(pod("b", "1").into()),
    ];
    assert_eq!(must(&mut machine, both), [2, 3]);
    let stored = machine
        .snapshot()
        .get(&key("a"))
        .cloned()
        .expect("it was created");
    assert_eq!(stored.metadata().resource_version, "2");
    assert_eq!(
        must(&mut machine, vec![Write::replace(&stored, stored.clone())]),
        [2]
    );
    assert_eq!(machine.snapshot().version(), 3);
}

#[test]
fn a_decision_on_an_old_version_or_another_object_of_the_name_is_refused() {
    let mut machine = machine_with(vec![pod("a", "1").into()]);
    let old = machine
        .snapshot()
        .get(&key("a"))
        .cloned()
        .expect("it was created");
    let mut labelled = old.clone();
    labelled.metadata_mut().labels.insert("a".into(), "1".into());
    must(&mut machine, vec![Write::replace(&old, labelled.clone())]);
    assert_eq!(
        refused(&mut machine, vec![Write::replace(&old, labelled)]),
        Reason::Conflict { current: 3 }
    );
    assert_eq!(
        refused(&mut machine, vec![Write::delete(&old)]),
        Reason::Conflict { current: 3 }
    );
    let other = Write::Delete {
        key: key("a"),
        uid: "uid-other".into(),
        expected_version: 3,
    };
    assert_eq!(refused(&mut machine, vec![other]), Reason::NotFound);
    let expect = |version| {
        vec![Write::Expect {
            key: key("a"),
            version,
        }]
    };
    assert_eq!(refused(&mut machine, expect(0)), Reason::Conflict { current: 3 });
    assert_eq!(must(&mut machine, expect(3)), [0]);
}

#[test]
fn nothing_is_created_in_a_namespace_that_is_missing_or_ends() {
    let mut machine = machine_with(vec![]);
    let mut elsewhere = pod("a", "1");
    elsewhere.metadata.get_or_insert_default().namespace = "other".into();
    assert_eq!(
        refused(&mut machine, vec![Write::Create(elsewhere.into())]),
        Reason::NamespaceMissing
    );
    let stored = machine
        .snapshot()
        .get(&Key::new(Kind::Namespace, "", "default"))
        .cloned()
        .expect("it was created");
    let mut ending = stored.clone();
    ending.metadata_mut().deletion_timestamp = Some(Time::from_millis(5_000));
    must(&mut machine, vec![Write::replace(&stored, ending)]);
    assert_eq!(
        refused(&mut machine, vec![Write::Create(pod("a", "1").into())]),
        Reason::NamespaceTerminating
    );
}

#[test]
fn a_node_is_never_given_more_than_it_has_and_gets_it_back_when_a_pod_finishes() {
    let pods = ["a", "b", "c"].map(|name| pod(name, "900m").into());
    let mut machine = machine_with([vec![node("n1", "2")], pods.to_vec()].concat());
    let bind = |machine: &Machine, name: &str| {
        let expected_version = machine.snapshot().version_of(&key(name));
        vec![Write::Bind {
            pod: key(name),
            expected_version,
            node: "n1".into(),
        }]
    };
    for name in ["a", "b"] {
        let writes = bind(&machine, name);
        must(&mut machine, writes);
    }
    let writes = bind(&machine, "c");
    assert_eq!(
        refused(&mut machine, writes.clone()),
        Reason::NoRoom {
            resource: "cpu".into()
        }
    );
    let writes_again = bind(&machine, "a");
    assert_eq!(refused(&mut machine, writes_again), Reason::NotBindable);

    let stored = machine
        .snapshot()
        .find_key::<Pod>(&key("a"))
        .cloned()
        .expect("it was created");
    let status = PodStatus {
        phase: "Succeeded".into(),
        ..PodStatus::default()
    };
    let finished = Pod {
        status: Some(status),
        ..stored.as_ref().clone()
    };
    must(
        &mut machine,
        vec![Write::replace(&Object::from(stored), finished)],
    );
    must(&mut machine, writes);
    let snapshot = machine.snapshot();
    assert_eq!(snapshot.pods_on("n1").count(), 3);
    assert_eq!(snapshot.usage("n1").get("cpu"), 1_800);
    assert_eq!(snapshot.unassigned_pods().count(), 0);
}

#[test]
fn counting_adds_to_the_job_of_that_uid_only() {
    let job = Job {
        metadata: metadata("j"),
        spec: Some(JobSpec::default()),
        status: Some(JobStatus::default()),
    };
    let mut machine = machine_with(vec![job.into()]);
    let count = |uid: &str| {
        let (namespace, job, job_uid) = ("default".into(), "j".into(), uid.into());
        vec![Write::Count(Count {
            namespace,
            job,
            job_uid,
            succeeded: 1,
            failed: 2,
            ..Count::default()
        })]
    };
    must(&mut machine, count("uid-j"));
    must(&mut machine, count("uid-j"));
    assert_eq!(must(&mut machine, count("uid-of-an-earlier-j")), [0]);
    let job = machine
        .snapshot()
        .find::<Job>("default", "j")
        .cloned()
        .expect("it was created");
    let status = job.status.clone().unwrap_or_default();
    assert_eq!((status.succeeded, status.failed), (2, 4));
}

#[test]
fn dependents_are_found_by_their_owners_uid_until_they_go() {
    let mut owned = pod("a", "1");
    let owner = OwnerReference {
        uid: "uid-j".into(),
        controller: Some(true),
        ..OwnerReference::default()
    };
    owned.metadata.get_or_insert_default().owner_references = vec![owner];
    let mut machine = machine_with(vec![owned.into(), pod("b", "1").into()]);
    let names = |machine: &Machine| -> Vec<String> {
        machine
            .snapshot()
            .dependents("uid-j")
            .map(|object| object.metadata().name.clone())
            .collect()
    };
    assert_eq!(names(&machine), ["a"]);
    assert_eq!(machine.snapshot().controlled_by::<Pod>("uid-j").count(), 1);
    let stored = machine
        .snapshot()
        .by_uid("uid-a")
        .cloned()
        .expect("it was created");
    must(&mut machine, vec![Write::delete(&stored)]);
    assert!(names(&machine).is_empty());
    assert_eq!(machine.snapshot().by_uid("uid-a"), None);
}

#[test]
fn a_restored_state_equals_the_one_it_was_made_of_and_encodes_to_the_same_bytes() {
    let mut bound = pod("a", "500m");
    bound.spec.get_or_insert_default().node_name = "n1".into();
    let machine = machine_with(vec![node("n1", "2"), bound.into(), pod("b", "1").into()]);
    let bytes_of = |state: &Snapshot| {
        let mut bytes = Vec::new();
        encode_snapshot(state, &mut bytes).expect("a vector takes all");
        bytes
    };
    let bytes = bytes_of(&machine.snapshot());
    let restored = Snapshot::decode(&mut bytes.as_slice()).expect("it was just encoded");
    assert_eq!(bytes_of(&restored), bytes);
    assert_eq!(restored.version(), machine.snapshot().version());
    assert_eq!(restored.usage("n1").get("cpu"), 500);
    assert_eq!(
        restored
            .unassigned_pods()
            .map(|pod| pod.key())
            .collect::<Vec<_>>(),
        [key("b")]
    );
    assert!(restored.history().since(restored.version() - 1).is_err());
    for cut in 0..bytes.len() {
        assert!(
            Snapshot::decode(&mut &bytes[..cut]).is_err(),
            "cut at {cut} of {}",
            bytes.len()
        );
    }
}

#[test]
fn what_a_node_gives_is_the_same_for_a_replayed_log_and_a_restored_snapshot_however_much_is_asked() {
    let huge = |name: &str| {
        let mut pod = pod(name, "8Ei");
        pod.spec.get_or_insert_default().node_name = "n1".into();
        Object::from(pod)
    };
    let mut machine = machine_with(vec![node("n1", "2"), huge("a"), huge("b")]);
    let stored = machine
        .snapshot()
        .get(&key("a"))
        .cloned()
        .expect("it was created");
    must(&mut machine, vec![Write::delete(&stored)]);
    let mut bytes = Vec::new();
    encode_snapshot(&machine.snapshot(), &mut bytes).expect("a vector takes all");
    let restored = Snapshot::decode(&mut bytes.as_slice()).expect("it was just encoded");
    assert_eq!(machine.snapshot().usage("n1"), restored.usage("n1"));
}

#[test]
fn a_command_comes_back_from_the_log_as_it_went_in() {
    let write = command(vec![
        Write::Create(pod("a", "1").into()),
        Write::Replace {
            object: pod("b", "1").into(),
            expected_version: 4,
        },
        Write::Delete {
            key: key("c"),
            uid: "u".into(),
            expected_version: 5,
        },
        Write::Bind {
            pod: key("d"),
            expected_version: 6,
            node: "n1".into(),
        },
        Write::Count(Count {
            namespace: "default".into(),
            job: "j".into(),
            ..Count::default()
        }),
        Write::Expect {
            key: key("e"),
            version: 0,
        },
    ]);
    assert_eq!(Command::from_wire(write.to_wire()), Ok(write));
}

#[test]
fn an_entry_of_a_newer_version_is_no_outcome() {
    let mut machine = machine_with(vec![]);
    let unreadable = bosun_proto::log::Command {
        request_id: vec![1; 16].into(),
        ..Default::default()
    };
    let entry = |commands, format| Entry { commands, format };
    let unknown = machine.apply(entry(vec![unreadable], ENTRY_FORMAT));
    assert!(matches!(unknown, Err(UnreadableEntry::Command(_))), "{unknown:?}");
    let newer = machine.apply(entry(Vec::new(), ENTRY_FORMAT + 1));
    assert_eq!(newer, Err(UnreadableEntry::Format(ENTRY_FORMAT + 1)));
    assert_eq!(machine.apply(entry(Vec::new(), 0)), Ok(Vec::new()));
    assert_eq!(machine.snapshot().version(), 1);
}
