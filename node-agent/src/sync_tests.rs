//! Assignments, runtime events and reports in every order that can come: what the agent then wants done.

use super::*;
use crate::pod::testing::{at, node, pod};
use crate::runtime::{Ended, RuntimeEvent};

fn make(uid: &str) -> Pod {
    pod(&format!(
        r#"{{"metadata": {{"name": "{uid}", "uid": "{uid}"}}, "spec": {{"restartPolicy": "Never",
            "containers": [{{"name": "a", "command": ["x"]}}]}}}}"#
    ))
}

fn uids(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn full(pods: &[&str], finished: &[&str], complete: bool) -> FullSet {
    FullSet {
        pods: pods.iter().map(|uid| make(uid)).collect(),
        finished_uids: finished.iter().map(ToString::to_string).collect(),
        complete,
    }
}

fn added(pods: &[&str], removed: &[&str]) -> Assignments {
    Assignments {
        pods: pods.iter().map(|uid| make(uid)).collect(),
        removed_uids: removed.iter().map(ToString::to_string).collect(),
    }
}

/// Starts the pod's container and lets it run.
fn run(pods: &mut Pods, uid: &str) {
    let record = pods.records.get_mut(uid).unwrap();
    life::advance(record, &node(), at(0));
    let id = record.container_id(&record.containers[0]);
    record.observe(&RuntimeEvent::Started { id, at: at(0) });
}

/// Ends the pod's container and lets the record see it.
fn end(pods: &mut Pods, uid: &str) {
    let record = pods.records.get_mut(uid).unwrap();
    let id = record.container_id(&record.containers[0]);
    let ended = Ended {
        exit_code: 0,
        signal: 0,
        reason: "Completed".to_owned(),
        message: String::new(),
        started_at: Some(at(0)),
        finished_at: at(1),
    };
    record.observe(&RuntimeEvent::Ended { id, ended });
    life::advance(record, &node(), at(1));
}

#[test]
fn a_full_set_in_parts_makes_the_rest_surplus() {
    let mut pods = Pods::default();
    pods.full_set(full(&["a", "b", "c"], &[], true), at(0));
    for uid in ["a", "b", "c"] {
        run(&mut pods, uid);
    }
    pods.session_opened();
    let first = pods.full_set(full(&["a"], &[], false), at(1));
    assert_eq!((first.touched, first.retain), (uids(&["a"]), None));
    let last = pods.full_set(full(&["d"], &["c", "old"], true), at(1));
    assert_eq!(
        last.touched,
        uids(&["a", "b", "c", "d"]),
        "everything is told again"
    );
    assert_eq!(last.retain, Some(uids(&["a", "b", "c", "d", "old"])));
    let cause = |uid: &str| pods.records[uid].ending.map(|ending| ending.cause);
    assert_eq!((cause("a"), cause("d")), (None, None));
    assert_eq!(
        (cause("b"), cause("c")),
        (Some(Cause::Removed), Some(Cause::Removed))
    );
    end(&mut pods, "b");
    end(&mut pods, "c");
    assert_eq!(pods.drop_if_removed(&"b".into()), (true, false));
    assert_eq!(
        pods.drop_if_removed(&"c".into()),
        (true, true),
        "its output is kept"
    );
    assert!(!pods.drop_if_removed(&"a".into()).0);
}

#[test]
fn an_interrupted_full_set_is_forgotten() {
    let mut pods = Pods::default();
    pods.full_set(full(&["a", "b"], &[], false), at(0));
    pods.session_opened();
    pods.full_set(full(&["a"], &[], true), at(0));
    assert_eq!(
        pods.records["b"].ending.map(|ending| ending.cause),
        Some(Cause::Removed)
    );
}

#[test]
fn a_late_message_does_not_start_a_finished_pod_again() {
    let mut pods = Pods::default();
    pods.assignments(added(&["a"], &[]), at(0));
    run(&mut pods, "a");
    assert!(!pods.end_acknowledged(&"a".into()), "it is not over");
    end(&mut pods, "a");
    assert!(pods.end_acknowledged(&"a".into()));
    assert_eq!(pods.assignments(added(&["a"], &[]), at(2)), Changes::default());
    // Nor does a full set that was made before the end arrived.
    let changes = pods.full_set(full(&["a"], &[], true), at(2));
    assert_eq!((changes.touched, changes.retain), (uids(&[]), Some(uids(&["a"]))));
    assert!(pods.records.is_empty());
    assert_eq!(pods.assignments(added(&[], &["a"]), at(3)).gone, [Arc::from("a")]);
}

#[test]
fn removed_and_unknown_pods_are_ended_at_once() {
    let mut pods = Pods::default();
    pods.assignments(added(&["a", "b"], &[]), at(0));
    run(&mut pods, "a");
    run(&mut pods, "b");
    assert_eq!(
        pods.assignments(added(&[], &["a", "x"]), at(1)).gone,
        [Arc::from("x")]
    );
    let changes = pods.unknown(vec!["b".to_owned()], at(1));
    assert_eq!(changes.touched, uids(&["b"]));
    for uid in ["a", "b"] {
        assert_eq!(
            pods.records[uid].ending.map(|ending| ending.cause),
            Some(Cause::Removed)
        );
    }
}

#[test]
fn what_the_runtime_kept_belongs_to_the_pod_that_is_assigned_again() {
    let id = ContainerId {
        pod_uid: "a".into(),
        container: "a".into(),
        run: 0,
    };
    let ended = Ended {
        exit_code: 5,
        signal: 0,
        reason: "Error".to_owned(),
        message: String::new(),
        started_at: Some(at(0)),
        finished_at: at(1),
    };
    let recovery = Recovery {
        containers: vec![(id, Found::Ended(ended))],
        finished: uids(&["f"]),
    };
    let mut pods = Pods::recovered(recovery);
    pods.full_set(full(&["a", "f"], &[], true), at(2));
    assert!(!pods.records.contains_key("f"));
    let record = pods.records.get_mut("a").unwrap();
    assert!(life::advance(record, &node(), at(2)).steps.is_empty());
    assert!(record.stopped && record.phase == crate::pod::Phase::Failed);
}

#[test]
fn a_pod_that_others_declared_finished_is_ended_and_keeps_its_output() {
    let declared = |uid: &str| {
        let mut pod = make(uid);
        pod.status = Some(bosun_proto::core_v1::PodStatus {
            phase: "Failed".to_owned(),
            ..Default::default()
        });
        Assignments {
            pods: vec![pod],
            removed_uids: Vec::new(),
        }
    };
    let mut pods = Pods::default();
    pods.assignments(added(&["a", "b"], &[]), at(0));
    run(&mut pods, "a");
    run(&mut pods, "b");
    assert_eq!(pods.assignments(declared("a"), at(1)).touched, uids(&["a"]));
    end(&mut pods, "a");
    assert_eq!(pods.drop_if_removed(&"a".into()), (true, true));
    // Over already: its report is under way and stays.
    end(&mut pods, "b");
    pods.assignments(declared("b"), at(1));
    assert!(!pods.drop_if_removed(&"b".into()).0);
    // Never heard of: not to be started.
    assert_eq!(pods.assignments(declared("c"), at(1)), Changes::default());
    assert_eq!(pods.assignments(added(&["c"], &[]), at(1)), Changes::default());
}
