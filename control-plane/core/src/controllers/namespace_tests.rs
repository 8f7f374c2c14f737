//! Namespaces that empty themselves: order, size of a step, finalizers, latecomers.

use bosun_proto::core_v1::{Namespace, Pod};
use bosun_proto::meta_v1::ObjectMeta;
use bosun_proto::{Key, Kind, Object, Resource};

use super::*;
use crate::kinds::namespace;
use crate::stamp::Stamp;
use crate::testing::Fixture;

const MIXED: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: bare\nspec:\n  containers:\n  - name: main\n    image: busybox\n    \
                     command: [sleep]\n---\napiVersion: apps/v1\nkind: ReplicaSet\nmetadata:\n  name: web\nspec:\n  replicas: 2\n  \
                     selector:\n    matchLabels:\n      app: web\n  template:\n    metadata:\n      labels:\n        app: web\n    \
                     spec:\n      containers:\n      - name: main\n        image: busybox\n        command: [sleep]\n---\n\
                     apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: work\nspec:\n  template:\n    spec:\n      restartPolicy: \
                     Never\n      containers:\n      - name: main\n        image: busybox\n        command: [work]\n---\n\
                     apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: often\nspec:\n  schedule: '* * * * *'\n  \
                     jobTemplate:\n    spec:\n      template:\n        spec:\n          restartPolicy: Never\n          \
                     containers:\n          - name: main\n            image: busybox\n            command: [work]\n";

fn default_key() -> Key {
    Key::new(Kind::Namespace, "", "default")
}

fn count(fixture: &Fixture, kind: Kind) -> usize {
    fixture.snapshot().list(kind, Some("default")).count()
}

#[test]
fn it_empties_itself_pods_first() {
    let mut fixture = Fixture::with_node();
    fixture.apply(MIXED);
    fixture.advance(90);
    assert_eq!((count(&fixture, Kind::Pod), count(&fixture, Kind::Job)), (5, 2));
    // Nothing that clients do about the namespace of an ending pod may bring it back.
    fixture.delete(&default_key(), Some("Background"));
    fixture.settle();
    let stored = fixture.get::<Namespace>("default");
    assert_eq!(namespace::status(&stored).phase, "Terminating");
    assert!(fixture.pods().iter().all(crate::kinds::pod::is_ending));
    assert_eq!(
        (count(&fixture, Kind::ReplicaSet), count(&fixture, Kind::CronJob)),
        (1, 1),
        "pods go first"
    );
    fixture.advance(120);
    assert_eq!(count(&fixture, Kind::Pod), 5, "nothing new is made in it");
    fixture.stop_ending();
    assert!(fixture.snapshot().get(&default_key()).is_none());
    let left: usize = Kind::ALL.iter().map(|kind| count(&fixture, *kind)).sum();
    assert_eq!(left, 0);
    assert_eq!(fixture.snapshot().count(Kind::Node), 1);
}

#[test]
fn many_pods_go_in_parts_and_a_new_leader_goes_on() {
    let mut fixture = Fixture::with_node();
    let count_of_pods = 2 * PLAN_OBJECTS_MAX + 1;
    for number in 0..count_of_pods {
        let bare = MIXED
            .split("---")
            .next()
            .unwrap_or_default()
            .replace("bare", &format!("p{number}"));
        fixture.apply(&bare);
    }
    fixture.settle();
    fixture.delete(&default_key(), Some("Background"));
    fixture.change_leader();
    fixture.settle();
    assert!(fixture.pods().iter().all(crate::kinds::pod::is_ending));
    fixture.stop_ending();
    assert!(fixture.snapshot().get(&default_key()).is_none());
}

#[test]
fn an_object_with_a_foreign_finalizer_holds_it() {
    let mut fixture = Fixture::with_node();
    fixture.apply(MIXED.split("---").next().unwrap_or_default());
    fixture.update::<Pod>("bare", |pod| {
        pod.metadata_mut().finalizers.push("example.com/hold".into());
    });
    fixture.settle();
    fixture.delete(&default_key(), Some("Background"));
    fixture.settle();
    fixture.stop_ending();
    assert!(fixture.snapshot().get(&default_key()).is_some());
    fixture.update::<Pod>("bare", |pod| pod.metadata_mut().finalizers.clear());
    fixture.settle();
    assert!(fixture.snapshot().get(&default_key()).is_none());
}

#[test]
fn what_is_written_in_the_last_moment_does_not_outlive_it() {
    let mut fixture = Fixture::default();
    fixture.settle();
    fixture.delete(&default_key(), Some("Background"));
    fixture.settle();
    assert!(fixture.snapshot().get(&default_key()).is_none());
    // Only by way of a snapshot that is older than the removal; here simulated by one namespace that is removed at once.
    let gone = Key::new(Kind::Namespace, "", "gone");
    fixture.create(Namespace {
        metadata: Some(ObjectMeta {
            name: "gone".into(),
            ..ObjectMeta::default()
        }),
        ..Namespace::default()
    });
    fixture.create(Pod {
        metadata: Some(ObjectMeta {
            name: "late".into(),
            namespace: "gone".into(),
            ..ObjectMeta::default()
        }),
        spec: Some(bosun_proto::core_v1::PodSpec {
            containers: vec![bosun_proto::core_v1::Container {
                name: "main".into(),
                image: "busybox".into(),
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Pod::default()
    });
    fixture.settle();
    let snapshot = fixture.snapshot();
    let stored = snapshot.get(&gone).expect("it was just created");
    assert!(fixture.execute(vec![Write::delete(stored)]).is_ok());
    fixture.settle();
    assert_eq!(fixture.snapshot().count(Kind::Pod), 0);
}

#[test]
fn the_built_in_ones_are_made_once() {
    let mut fixture = Fixture::default();
    let mut number = 0;
    let mut entropy = || {
        number += 1;
        number
    };
    let now = fixture.now();
    let mut writes = bootstrap(&fixture.snapshot(), now);
    for write in &mut writes {
        if let Write::Create(object) = write {
            Stamp {
                now,
                entropy: &mut entropy,
            }
            .complete(object);
        }
    }
    assert!(fixture.execute(writes).is_ok());
    let names: Vec<String> = fixture
        .snapshot()
        .list(Kind::Namespace, None)
        .map(|object| object.metadata().name.clone())
        .collect();
    assert_eq!(
        names,
        ["default", "kube-node-lease", "kube-public", "kube-system"]
    );
    assert_eq!(bootstrap(&fixture.snapshot(), now), []);
    let system = fixture.get::<Namespace>("kube-system");
    assert_eq!(namespace::status(&system).phase, "Active");
    assert_eq!(namespace::spec(&system).finalizers, [FINALIZER]);
    let label = system.metadata().labels.get("kubernetes.io/metadata.name");
    assert_eq!(label.map(String::as_str), Some("kube-system"));
    assert!(Object::from(system).metadata().creation_timestamp.is_some());
}
