//! Deletion with dependents in all policies, and pods that nobody else can end.

use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::{Node, Pod};
use bosun_proto::meta_v1::OwnerReference;
use bosun_proto::{Key, Kind, Object, Resource};

use super::*;
use crate::kinds::pod;
use crate::testing::Fixture;

/// A pod with these owners.
fn add_pod(fixture: &mut Fixture, name: &str, owners: &[OwnerReference]) {
    fixture.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  containers:\n  - name: main\n    image: busybox\n    \
         command: [sleep]\n"
    ));
    set_owners(fixture, name, owners);
}

fn set_owners(fixture: &mut Fixture, name: &str, owners: &[OwnerReference]) {
    fixture.update::<Pod>(name, |pod| pod.metadata_mut().owner_references = owners.to_vec());
}

fn pod_key(name: &str) -> Key {
    Key::new(Kind::Pod, "default", name)
}

/// A reference to a stored object that does not control.
fn reference(fixture: &Fixture, kind: Kind, name: &str, blocks: bool) -> OwnerReference {
    let snapshot = fixture.snapshot();
    let owner = snapshot
        .get(&Key::new(kind, "default", name))
        .unwrap_or_else(|| panic!("no {kind} {name}"));
    OwnerReference {
        api_version: kind.api_version().into(),
        kind: kind.info().kind.into(),
        name: name.into(),
        uid: owner.metadata().uid.clone(),
        controller: None,
        block_owner_deletion: Some(blocks),
    }
}

fn exists(fixture: &Fixture, kind: Kind, name: &str) -> bool {
    fixture.snapshot().get(&Key::new(kind, "default", name)).is_some()
}

fn is_ending(fixture: &Fixture, name: &str) -> bool {
    pod::is_ending(&fixture.get::<Pod>(name))
}

/// A pod that owns two others; only the first of them blocks.
fn family(fixture: &mut Fixture) {
    add_pod(fixture, "parent", &[]);
    let (blocking, other) = (
        reference(fixture, Kind::Pod, "parent", true),
        reference(fixture, Kind::Pod, "parent", false),
    );
    add_pod(fixture, "first", &[blocking]);
    add_pod(fixture, "second", &[other]);
    fixture.settle();
}

#[test]
fn in_the_background_dependents_follow_and_end_gracefully() {
    let mut fixture = Fixture::with_node();
    family(&mut fixture);
    fixture.delete(&pod_key("parent"), Some("Background"));
    fixture.settle();
    assert!(!is_ending(&fixture, "first"), "the owner is still there");
    fixture.stop("parent");
    fixture.settle();
    assert!(!exists(&fixture, Kind::Pod, "parent"));
    assert!(is_ending(&fixture, "first") && is_ending(&fixture, "second"));
    fixture.stop_ending();
    assert_eq!(fixture.pods().len(), 0);
}

#[test]
fn in_the_foreground_the_owner_goes_after_the_dependents_that_block() {
    let mut fixture = Fixture::with_node();
    family(&mut fixture);
    fixture.delete(&pod_key("parent"), Some("Foreground"));
    fixture.settle();
    assert!(is_ending(&fixture, "first") && is_ending(&fixture, "second"));
    fixture.stop("parent");
    fixture.settle();
    assert!(exists(&fixture, Kind::Pod, "parent"));
    fixture.stop("first");
    fixture.settle();
    assert!(!exists(&fixture, Kind::Pod, "parent"));
    assert!(exists(&fixture, Kind::Pod, "second"));
}

#[test]
fn orphaned_dependents_stay_without_the_owner() {
    let mut fixture = Fixture::with_node();
    family(&mut fixture);
    fixture.delete(&pod_key("parent"), Some("Orphan"));
    fixture.settle();
    fixture.stop("parent");
    fixture.settle();
    assert!(!exists(&fixture, Kind::Pod, "parent"));
    for name in ["first", "second"] {
        assert!(!is_ending(&fixture, name));
        assert!(fixture.get::<Pod>(name).metadata().owner_references.is_empty());
    }
}

#[test]
fn many_dependents_are_orphaned_in_parts() {
    let mut fixture = Fixture::with_node();
    add_pod(&mut fixture, "parent", &[]);
    let owner = reference(&fixture, Kind::Pod, "parent", true);
    let count = 2 * crate::plan::PLAN_OBJECTS_MAX;
    (0..count).for_each(|number| add_pod(&mut fixture, &format!("p{number}"), std::slice::from_ref(&owner)));
    fixture.settle();
    fixture.delete(&pod_key("parent"), Some("Orphan"));
    fixture.settle();
    let freed = fixture
        .pods()
        .iter()
        .filter(|pod| pod.metadata().owner_references.is_empty())
        .count();
    assert_eq!(freed, count + 1);
    assert!(fixture.get::<Pod>("parent").metadata().finalizers.is_empty());
}

#[test]
fn a_dependent_with_another_living_owner_only_loses_the_dead_one() {
    let mut fixture = Fixture::with_node();
    add_pod(&mut fixture, "one", &[]);
    add_pod(&mut fixture, "two", &[]);
    let owners = ["one", "two"].map(|name| reference(&fixture, Kind::Pod, name, true));
    add_pod(&mut fixture, "child", &owners);
    add_pod(&mut fixture, "cousin", &owners);
    fixture.settle();
    fixture.delete(&pod_key("one"), Some("Foreground"));
    fixture.settle();
    assert_eq!(
        fixture.get::<Pod>("child").metadata().owner_references,
        owners[1..]
    );
    assert!(!is_ending(&fixture, "cousin"));
    fixture.stop_ending();
    fixture.delete(&pod_key("two"), Some("Background"));
    fixture.settle();
    fixture.stop_ending();
    assert!(is_ending(&fixture, "child"));
}

#[test]
fn an_owner_is_missing_when_uid_kind_name_or_namespace_differ() {
    let mut fixture = Fixture::with_node();
    add_pod(&mut fixture, "owner", &[]);
    fixture.settle();
    let right = reference(&fixture, Kind::Pod, "owner", false);
    let elsewhere = fixture
        .create(bosun_proto::core_v1::Namespace {
            metadata: Some(bosun_proto::meta_v1::ObjectMeta {
                name: "other".into(),
                ..Default::default()
            }),
            ..Default::default()
        })
        .metadata()
        .uid
        .clone();
    let cases = [
        ("right", right.clone(), true),
        (
            "uid",
            OwnerReference {
                uid: "9d9c9b2e-0000-4000-8000-000000000001".into(),
                ..right.clone()
            },
            false,
        ),
        (
            "name",
            OwnerReference {
                name: "other".into(),
                ..right.clone()
            },
            false,
        ),
        (
            "kind",
            OwnerReference {
                kind: "ConfigMap".into(),
                ..right.clone()
            },
            true,
        ),
        (
            "version",
            OwnerReference {
                kind: "Node".into(),
                ..right.clone()
            },
            false,
        ),
        (
            "cluster",
            OwnerReference {
                kind: "Namespace".into(),
                name: "other".into(),
                uid: elsewhere,
                ..right
            },
            true,
        ),
    ];
    for (name, owner, _) in &cases {
        add_pod(&mut fixture, name, std::slice::from_ref(owner));
    }
    fixture.settle();
    for (name, _, lives) in &cases {
        let is_alive = exists(&fixture, Kind::Pod, name) && !is_ending(&fixture, name);
        assert_eq!(is_alive, *lives, "{name}");
    }
}

#[test]
fn owners_in_a_circle_do_not_wait_for_each_other_for_ever() {
    let mut fixture = Fixture::with_node();
    for name in ["a", "b", "c"] {
        add_pod(&mut fixture, name, &[]);
    }
    for (dependent, owner) in [("a", "b"), ("b", "c"), ("c", "a")] {
        let owner = reference(&fixture, Kind::Pod, owner, true);
        set_owners(&mut fixture, dependent, &[owner]);
    }
    fixture.settle();
    fixture.delete(&pod_key("a"), Some("Foreground"));
    fixture.settle();
    (0..3).for_each(|_| fixture.stop_ending());
    assert_eq!(fixture.pods().len(), 0);
}

#[test]
fn what_a_new_leader_finds_is_collected_too() {
    let mut fixture = Fixture::with_node();
    family(&mut fixture);
    fixture.delete(&pod_key("parent"), Some("Background"));
    fixture.stop("parent");
    fixture.change_leader();
    fixture.settle();
    fixture.stop_ending();
    assert_eq!(fixture.pods().len(), 0);
}

#[test]
fn pods_of_a_deleted_job_lose_the_finalizer_that_waits_for_its_count() {
    let mut fixture = Fixture::with_node();
    fixture.apply(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: work\nspec:\n  parallelism: 2\n  completions: 2\n  template:\n    \
         spec:\n      restartPolicy: Never\n      containers:\n      - name: main\n        image: busybox\n        command: \
         [work]\n",
    );
    fixture.settle();
    let is_tracked = |pod: &Pod| !pod.metadata().finalizers.is_empty();
    assert_eq!(fixture.pods().iter().filter(|pod| is_tracked(pod)).count(), 2);
    // Orphaned, which is the default for Jobs: the pods go on, and nobody waits for their count.
    fixture.delete(&Key::new(Kind::Job, "default", "work"), None);
    fixture.settle();
    assert!(!exists(&fixture, Kind::Job, "work"));
    assert_eq!(fixture.pods().len(), 2);
    assert!(!fixture.pods().iter().any(is_tracked));
    let name = fixture.pods()[0].metadata().name.clone();
    fixture.delete(&pod_key(&name), None);
    fixture.stop_ending();
    assert_eq!(fixture.pods().len(), 1);
}

#[test]
fn pods_of_a_node_that_was_removed_are_lost_and_counted() {
    let mut fixture = Fixture::with_node();
    // A node with fenced pods could not be removed.
    fixture.apply(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: work\nspec:\n  template:\n    metadata:\n      annotations:\n        \
         bosun.dev/on-node-loss: keep\n    spec:\n      restartPolicy: Never\n      containers:\n      - name: main\n        \
         image: busybox\n        command: [work]\n",
    );
    fixture.apply(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: ends\n  annotations:\n    bosun.dev/on-node-loss: keep\nspec:\n  \
         containers:\n  - name: main\n    image: busybox\n    command: [work]\n",
    );
    fixture.settle();
    fixture.delete(&pod_key("ends"), None);
    fixture.delete(&Key::new(Kind::Node, "", "n1"), None);
    fixture.settle();
    assert!(
        !exists(&fixture, Kind::Pod, "ends"),
        "nobody is left to confirm its end"
    );
    let lost: Vec<Pod> = fixture.pods().into_iter().filter(pod::is_finished).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(pod::status(&lost[0]).reason, "NodeLost");
    let target = pod::condition(&lost[0], "DisruptionTarget").expect("it was disturbed");
    assert_eq!(
        (target.status.as_str(), target.reason.as_str()),
        ("True", "DeletionByPodGC")
    );
    let job: Job = fixture.job("work");
    assert_eq!(job.status.map(|status| status.failed), Some(1));
}

#[test]
fn a_pod_for_a_node_that_does_not_exist_yet_waits_forty_seconds_for_it() {
    let mut fixture = Fixture::default();
    let manifest = |name: &str, node: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n  nodeName: {node}\n  containers:\n  - name: main\n    \
             image: busybox\n    command: [sleep]\n"
        )
    };
    fixture.apply(&manifest("early", "soon"));
    fixture.apply(&manifest("lost", "never"));
    fixture.advance(39);
    fixture.add_node("soon", &[("pods", "10")]);
    fixture.advance(2);
    let phase = |name| pod::status(&fixture.get::<Pod>(name)).phase.clone();
    assert_eq!([phase("early"), phase("lost")], ["Pending", "Failed"]);
}

#[test]
fn most_changes_touch_nothing() {
    let mut fixture = Fixture::with_node();
    family(&mut fixture);
    let before = fixture.snapshot().version();
    for name in ["parent", "first", "second"] {
        fixture.run(name);
    }
    fixture.update::<Node>("n1", |node| {
        drop(node.metadata_mut().labels.insert("x".into(), String::new()));
    });
    add_pod(&mut fixture, "bare", &[]);
    let snapshot = fixture.snapshot();
    let changes = snapshot.history().since(before).expect("few changes");
    let touched: Vec<Key> = changes
        .flat_map(|change| GarbageCollectionController.touched_by(change, &snapshot))
        .collect();
    assert_eq!(touched, []);
    assert_eq!(GarbageCollectionController.keys(&snapshot), []);
    assert_eq!(Object::from(fixture.get::<Pod>("bare")).key(), pod_key("bare"));
}
