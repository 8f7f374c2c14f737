//! ReplicaSets with scripted agents: how many pods there are, which go, and what the status says.

use bosun_proto::core_v1::{Pod, PodCondition};
use bosun_proto::{Key, Kind, Resource};

use super::*;
use crate::kinds::{pod, replica_set};
use crate::testing::Fixture;

const WEB: &str = "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata:\n  name: web\nspec:\n  replicas: 3\n  selector:\n    \
                   matchLabels:\n      app: web\n  template:\n    metadata:\n      labels:\n        app: web\n        \
                   tier: front\n    spec:\n      containers:\n      - name: main\n        image: busybox\n        command: \
                   [sleep]\n";

fn settled() -> Fixture {
    let mut fixture = Fixture::with_node();
    fixture.apply(WEB);
    fixture.settle();
    fixture
}

fn settled_and_running() -> Fixture {
    let mut fixture = settled();
    for name in names(&fixture) {
        fixture.run(&name);
    }
    fixture.settle();
    fixture
}

fn set_key() -> Key {
    Key::new(Kind::ReplicaSet, "default", "web")
}

fn pod_key(name: &str) -> Key {
    Key::new(Kind::Pod, "default", name)
}

/// Its pods that count.
fn names(fixture: &Fixture) -> Vec<String> {
    let pods = fixture.pods_of(Kind::ReplicaSet, "web");
    pods.iter()
        .filter(|pod| pod::is_active(pod))
        .map(|pod| pod.metadata().name.clone())
        .collect()
}

fn scale(fixture: &mut Fixture, replicas: i32) {
    fixture.update::<ReplicaSet>("web", |set| {
        set.spec.get_or_insert_default().replicas = Some(replicas);
    });
    fixture.settle();
}

/// replicas, fully labelled, ready, available, terminating
fn status(fixture: &Fixture) -> [i32; 5] {
    let set = fixture.replica_set("web");
    let status = replica_set::status(&set);
    assert_eq!(status.observed_generation, set.metadata().generation);
    [
        status.replicas,
        status.fully_labeled_replicas,
        status.ready_replicas,
        status.available_replicas,
        status.terminating_replicas.unwrap_or(-1),
    ]
}

fn bare_pod(fixture: &mut Fixture, name: &str) {
    fixture.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  labels:\n    app: web\nspec:\n  containers:\n  - name: main\n    \
         image: busybox\n    command: [sleep]\n"
    ));
}

#[test]
fn it_creates_what_is_missing_and_counts_exactly() {
    let mut fixture = settled();
    assert_eq!(names(&fixture).len(), 3);
    assert!(
        names(&fixture)
            .iter()
            .all(|name| name.starts_with("web-") && name.len() == 9)
    );
    assert_eq!(status(&fixture), [3, 3, 0, 0, 0]);
    let first = names(&fixture)[0].clone();
    fixture.run(&first);
    fixture.settle();
    assert_eq!(status(&fixture), [3, 3, 1, 1, 0]);
    let said = &fixture.events(Kind::ReplicaSet, "web")[0];
    assert_eq!(said.reason, "SuccessfulCreate");
    assert!(
        said.message.starts_with("Created 3 pods: web-") && said.message.contains(&first),
        "{}",
        said.message
    );
    assert_eq!(fixture.reasons(Kind::ReplicaSet, "web").len(), 1);
}

#[test]
fn failed_and_deleted_pods_are_replaced_by_new_ones_at_once() {
    let mut fixture = settled_and_running();
    fixture.advance(60);
    let before = names(&fixture);
    fixture.fail(&before[0]);
    fixture.delete(&pod_key(&before[1]), None);
    fixture.settle();
    let after = names(&fixture);
    assert_eq!(after.len(), 3);
    assert!(after.contains(&before[2]) && !after.contains(&before[0]) && !after.contains(&before[1]));
    assert_eq!(status(&fixture), [3, 3, 1, 1, 1]);
    fixture.stop(&before[1]);
    fixture.settle();
    assert_eq!(status(&fixture), [3, 3, 1, 1, 0]);
    // The failed one stays to be looked at.
    assert_eq!(fixture.pods().len(), 4);
}

#[test]
fn a_pod_that_fails_right_after_it_was_made_keeps_its_place_for_ten_seconds() {
    let mut fixture = settled();
    let first = names(&fixture)[0].clone();
    fixture.advance(2);
    fixture.fail(&first);
    fixture.advance(7);
    assert_eq!(names(&fixture).len(), 2);
    fixture.advance(1);
    assert_eq!(names(&fixture).len(), 3);
}

#[test]
fn of_many_failed_pods_the_newest_ten_are_kept() {
    let mut fixture = settled();
    for _ in 0..6 {
        for name in names(&fixture) {
            fixture.fail(&name);
        }
        fixture.advance(11);
    }
    let failed = fixture.pods().iter().filter(|pod| pod::is_finished(pod)).count();
    assert_eq!((failed, names(&fixture).len()), (10, 3));
}

#[test]
fn it_scales_up_and_down_and_the_least_loss_goes_first() {
    let mut fixture = settled_and_running();
    let running = names(&fixture);
    scale(&mut fixture, 5);
    assert_eq!(status(&fixture), [5, 5, 3, 3, 0]);
    scale(&mut fixture, 3);
    assert_eq!(names(&fixture), running);
    assert_eq!(status(&fixture), [3, 3, 3, 3, 2]);
    assert_eq!(
        fixture.reasons(Kind::ReplicaSet, "web").last(),
        Some(&"SuccessfulDelete")
    );
    scale(&mut fixture, 0);
    fixture.stop_ending();
    assert_eq!(status(&fixture), [0, 0, 0, 0, 0]);
    assert_eq!(fixture.pods().len(), 0);
}

#[test]
fn a_large_one_is_reached_in_parts() {
    let mut fixture = settled();
    scale(&mut fixture, 450);
    assert_eq!(status(&fixture), [450, 450, 0, 0, 0]);
    let last = fixture
        .events(Kind::ReplicaSet, "web")
        .into_iter()
        .find(|event| event.message.contains("and 189 more"));
    assert!(last.is_some());
    scale(&mut fixture, 1);
    fixture.stop_ending();
    assert_eq!((fixture.pods().len(), status(&fixture)), (1, [1, 1, 0, 0, 0]));
}

#[test]
fn a_pod_is_available_once_it_has_been_ready_for_long_enough() {
    let mut fixture = Fixture::with_node();
    fixture.apply(&WEB.replace("  replicas: 3\n", "  replicas: 1\n  minReadySeconds: 30\n"));
    fixture.settle();
    fixture.run(&names(&fixture)[0]);
    fixture.advance(29);
    assert_eq!(status(&fixture), [1, 1, 1, 0, 0]);
    fixture.advance(1);
    assert_eq!(status(&fixture), [1, 1, 1, 1, 0]);
}

#[test]
fn it_adopts_matching_pods_before_it_creates_any() {
    let mut fixture = Fixture::with_node();
    bare_pod(&mut fixture, "mine");
    fixture.settle();
    fixture.apply(WEB);
    fixture.settle();
    assert_eq!((names(&fixture).len(), fixture.pods().len()), (3, 3));
    assert!(names(&fixture).contains(&"mine".to_owned()));
    assert_eq!(
        status(&fixture)[..2],
        [3, 2],
        "the adopted one lacks a label of the template"
    );
    // One too many is adopted as well, and then one goes: what was never ready, newest first.
    fixture.advance(60);
    for name in names(&fixture) {
        fixture.run(&name);
    }
    bare_pod(&mut fixture, "surplus");
    fixture.settle();
    assert!(!names(&fixture).contains(&"surplus".to_owned()));
    assert_eq!(names(&fixture).len(), 3);
}

#[test]
fn it_releases_what_matches_no_more_and_touches_no_pod_of_others() {
    let mut fixture = settled();
    let first = names(&fixture)[0].clone();
    fixture.update::<Pod>(&first, |pod| {
        drop(pod.metadata_mut().labels.insert("app".into(), "debug".into()));
    });
    fixture.settle();
    assert!(fixture.get::<Pod>(&first).metadata().owner_references.is_empty());
    assert_eq!(names(&fixture).len(), 3);
    // Back again: it is adopted, and one goes.
    fixture.update::<Pod>(&first, |pod| {
        drop(pod.metadata_mut().labels.insert("app".into(), "web".into()));
    });
    fixture.settle();
    assert_eq!(names(&fixture).len(), 3);
    let owned = |pod: &Pod| owner(pod) == Some(set_key());
    assert!(fixture.pods().iter().all(owned));
    // A second ReplicaSet with the same selector makes its own pods and leaves those of the first alone.
    fixture.apply(&WEB.replace("name: web", "name: twin"));
    fixture.settle();
    assert_eq!(names(&fixture).len(), 3);
    assert_eq!(fixture.pods_of(Kind::ReplicaSet, "twin").len(), 3);
}

#[test]
fn one_that_is_being_deleted_makes_no_pods_and_adopts_none() {
    let mut fixture = settled();
    fixture.delete(&set_key(), Some("Foreground"));
    fixture.settle();
    bare_pod(&mut fixture, "late");
    fixture.settle();
    assert!(fixture.get::<Pod>("late").metadata().owner_references.is_empty());
    fixture.stop_ending();
    assert_eq!(fixture.pods().len(), 1);
    assert!(fixture.snapshot().get(&set_key()).is_none());
}

#[test]
fn pods_lost_with_their_node_are_replaced_at_once() {
    let mut fixture = settled();
    let first = names(&fixture)[0].clone();
    let lost = |pod: &Pod| {
        let mut lost = pod.clone();
        let status = lost.status.get_or_insert_default();
        status.phase = pod::phase::FAILED.into();
        let condition = PodCondition {
            r#type: "DisruptionTarget".into(),
            status: "True".into(),
            ..PodCondition::default()
        };
        pod::set_condition(status, condition);
        lost
    };
    let snapshot = fixture.snapshot();
    let stored = snapshot
        .find_key::<Pod>(&pod_key(&first))
        .expect("it was just listed");
    let writes = crate::admission::pod_status::transition(&snapshot, stored, lost(stored), fixture.now());
    assert!(fixture.execute(writes).is_ok());
    fixture.settle();
    assert_eq!(names(&fixture).len(), 3);
}

#[test]
fn a_settled_one_has_nothing_to_do_and_a_new_leader_finds_it_so() {
    let mut fixture = settled_and_running();
    let before = fixture.snapshot().version();
    fixture.change_leader();
    fixture.advance(600);
    assert_eq!(fixture.snapshot().version(), before);
    let plan = ReplicaSetController.reconcile(&fixture.snapshot(), &set_key(), fixture.now());
    assert_eq!(plan, Plan::default());
}

#[test]
fn the_same_decision_gives_the_same_plan_and_is_void_on_another_version() {
    let mut fixture = Fixture::with_node();
    fixture.apply(WEB);
    let (snapshot, now) = (fixture.snapshot(), fixture.now());
    let decide = || ReplicaSetController.reconcile(&snapshot, &set_key(), now);
    assert_eq!(decide(), decide());
    assert!(fixture.execute(decide().writes).is_ok());
    assert!(
        fixture.execute(decide().writes).is_err(),
        "nothing is created twice"
    );
    assert_eq!(fixture.pods().len(), 3);
}

#[test]
fn no_two_pods_of_one_plan_have_the_same_name() {
    let mut fixture = Fixture::with_node();
    fixture.apply(WEB);
    let set = fixture.replica_set("web");
    let (generate_name, uid) = ("web-", set.metadata().uid.clone());
    let derived = |version: u64, number: u32| {
        crate::stamp::derived_name(generate_name, &uid, &format!("{version}/{number}/0"))
    };
    let collides = |version: &u64| {
        let names: std::collections::BTreeSet<String> =
            (0..150).map(|number| derived(*version, number)).collect();
        names.len() < 150
    };
    let version = (1..100_000)
        .find(collides)
        .expect("chance has it within thousands");
    let mut set = set;
    set.metadata.get_or_insert_default().resource_version = version.to_string();
    set.spec.get_or_insert_default().replicas = Some(150);
    let plan = replicas::reconcile(&fixture.snapshot(), &std::sync::Arc::new(set), fixture.now());
    let created = plan
        .writes
        .iter()
        .filter(|write| matches!(write, crate::state::Write::Create(_)));
    let keys: Vec<Key> = created.map(crate::state::Write::key).collect();
    let different: std::collections::BTreeSet<&Key> = keys.iter().collect();
    assert_eq!((keys.len(), different.len()), (150, 150));
}
