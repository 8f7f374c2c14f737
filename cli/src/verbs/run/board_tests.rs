//! The board over the life of Jobs, pods and what owns them.

use super::*;
use bosun_client::ChangeKind;
use serde_json::{Value, json};

fn object(value: Value) -> Object {
    Object::from_json(value).unwrap().0
}

fn job(uid: &str, owner: Option<&str>, status: Value) -> Object {
    object(
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata(uid, "CronJob", owner), "status": status}),
    )
}

fn pod(uid: &str, owner: Option<&str>, status: Value) -> Object {
    let spec = json!({"restartPolicy": "Never", "containers": [{"name": "main"}]});
    object(
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata(uid, "Job", owner), "spec": spec, "status": status}),
    )
}

fn metadata(uid: &str, owner_kind: &str, owner: Option<&str>) -> Value {
    let owners: Vec<Value> = owner
        .map(|uid| json!({"apiVersion": "batch/v1", "kind": owner_kind, "name": uid, "uid": uid, "controller": true}))
        .into_iter()
        .collect();
    json!({"name": uid, "namespace": "default", "uid": uid, "ownerReferences": owners})
}

fn change(board: &mut Board, object: Object) {
    board.observe(&Change {
        kind: ChangeKind::Modified,
        object,
    });
}

fn names(pods: &[&Arc<Pod>]) -> String {
    pods.iter()
        .map(|pod| pod.metadata().name.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn pods_belong_to_roots_through_their_owners_in_whatever_order_they_are_seen() {
    let mut board = Board::default();
    let cron =
        object(json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata("cron", "", None)}));
    board.add_root(&cron);
    change(&mut board, pod("p1", Some("j1"), json!({})));
    assert_eq!(names(&board.pods_of(&cron)), "");
    change(&mut board, job("j1", Some("cron"), json!({})));
    change(&mut board, pod("foreign", Some("other"), json!({})));
    assert_eq!(names(&board.pods_of(&cron)), "p1");
    assert!(!board.is_done(), "a CronJob has no end");
}

#[test]
fn done_when_every_job_has_ended() {
    let mut board = Board::default();
    for name in ["a", "b"] {
        board.add_root(&job(name, None, json!({})));
    }
    change(
        &mut board,
        job(
            "a",
            None,
            json!({"conditions": [{"type": "Complete", "status": "True"}]}),
        ),
    );
    assert!(!board.is_done());
    change(
        &mut board,
        job(
            "b",
            None,
            json!({"conditions": [{"type": "FailureTarget", "status": "True"}, {"type": "Failed", "status": "False"}]}),
        ),
    );
    assert!(!board.is_done());
    let failed = json!({"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}]});
    change(&mut board, job("b", None, failed));
    assert!(board.is_done() && !board.has_succeeded());
    let ends: Vec<_> = board.work().map(|object| board.end(object).unwrap()).collect();
    assert_eq!(
        ends,
        [
            End::Succeeded,
            End::Failed("BackoffLimitExceeded: too often".into())
        ]
    );
}

#[test]
fn a_finished_job_that_is_removed_counts_as_it_ended_an_unfinished_one_as_failed() {
    for (status, succeeded) in [
        (
            json!({"conditions": [{"type": "Complete", "status": "True"}]}),
            true,
        ),
        (json!({}), false),
    ] {
        let mut board = Board::default();
        board.add_root(&job("a", None, json!({})));
        board.observe(&Change {
            kind: ChangeKind::Deleted,
            object: job("a", None, status),
        });
        assert!(board.is_done());
        assert_eq!(board.has_succeeded(), succeeded);
    }
}

#[test]
fn a_bare_pod_that_ends_is_work() {
    let mut board = Board::default();
    board.add_root(&pod("p", None, json!({"phase": "Running"})));
    assert!(!board.is_done());
    let container = json!({"name": "main", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}});
    change(
        &mut board,
        pod(
            "p",
            None,
            json!({"phase": "Failed", "containerStatuses": [container]}),
        ),
    );
    let end = board.work().find_map(|object| board.end(object));
    assert_eq!(
        end,
        Some(End::Failed("container main: Error, exit code 3".into()))
    );
}

#[test]
fn each_run_of_a_container_is_shown_once() {
    let mut board = Board::default();
    board.add_root(&job("j", None, json!({})));
    let status = |state: &str, restarts: i32| json!({"containerStatuses": [{"name": "main", "restartCount": restarts, "state": {state: {}}}]});
    let mut shown = |object: Object| {
        let sources = board.observe(&Change {
            kind: ChangeKind::Modified,
            object,
        });
        sources
            .iter()
            .map(|source| format!("{}{}", source.run, if source.previous { "p" } else { "" }))
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(shown(pod("p", Some("j"), status("waiting", 0))), "");
    assert_eq!(shown(pod("p", Some("j"), status("running", 0))), "0");
    assert_eq!(shown(pod("p", Some("j"), status("terminated", 0))), "");
    assert_eq!(shown(pod("p", Some("j"), status("waiting", 1))), "");
    assert_eq!(shown(pod("p", Some("j"), status("running", 1))), "1");
    // Two restarts between two looks: the last run is read, and the one before it.
    assert_eq!(shown(pod("p", Some("j"), status("running", 3))), "2p 3");
    assert_eq!(shown(pod("other", None, status("running", 0))), "");
}

#[test]
fn what_grows_without_end_is_forgotten_when_it_is_gone() {
    let mut board = Board::default();
    let cron =
        object(json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata("cron", "", None)}));
    board.add_root(&cron);
    board.add_root(&job("work", None, json!({})));
    let mut forgets = |object: Object| {
        board.observe(&Change {
            kind: ChangeKind::Modified,
            object: object.clone(),
        });
        board.observe(&Change {
            kind: ChangeKind::Deleted,
            object: object.clone(),
        });
        board.forget(&object)
    };
    assert!(
        !forgets(pod("of-work", Some("work"), json!({}))),
        "its failure may have to be told"
    );
    assert!(!forgets(cron));
    assert!(forgets(job("cron-1", Some("cron"), json!({}))));
    assert!(forgets(pod("foreign", Some("other"), json!({}))));
}
