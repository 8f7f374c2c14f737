//! Owns how a run is told: a line per root while it runs, a table at the end. Pure text; where it goes is `show`'s part.

use super::board::{self, Board, End, job_condition};
use super::output::LastLines;
use super::pods;
use crate::output::age;
use crate::output::table::{Table, one_line};
use crate::target::reference;
use bosun_core::kinds;
use bosun_proto::apps_v1::ReplicaSet;
use bosun_proto::batch_v1::{CronJob, Job};
use bosun_proto::core_v1::Pod;
use bosun_proto::{Object, Resource as _, Time};
use std::sync::Arc;

/// How many failed pods of one root are told in full.
const FAILED_PODS_SHOWN_MAX: usize = 3;

/// One line on how an object is, without its duration: it changes only when something happened.
pub(super) fn line(board: &Board, object: &Object) -> String {
    let name = reference(object.kind(), &object.metadata().name);
    let text = match (board.end(object), object) {
        (Some(End::Succeeded), _) => "completed".to_owned(),
        (Some(End::Failed(why)), _) => format!("failed: {why}"),
        (None, Object::Job(job)) => job_line(job),
        (None, Object::ReplicaSet(set)) => replica_set_line(set),
        (None, Object::CronJob(cron_job)) => cron_job_line(cron_job),
        (None, Object::Pod(pod)) => kinds::pod::status(pod).phase.to_lowercase(),
        (None, Object::Namespace(_) | Object::Node(_) | Object::Event(_)) => "there".to_owned(),
    };
    format!("{name}: {}", one_line(&text))
}

/// The line with how long it has taken.
pub(super) fn timed_line(board: &Board, object: &Object, now: Time) -> String {
    let seconds = board::seconds(object, now);
    let time = seconds.map_or_else(String::new, |seconds| format!("  {}", age::short(seconds)));
    format!("{}{time}", line(board, object))
}

fn job_line(job: &Job) -> String {
    let status = job.status.clone().unwrap_or_default();
    if job_condition(job, "Suspended").is_some() {
        return "suspended".to_owned();
    }
    let wanted = job.spec.as_ref().and_then(|spec| spec.completions);
    let succeeded = wanted.map_or_else(
        || status.succeeded.to_string(),
        |wanted| format!("{}/{wanted}", status.succeeded),
    );
    let mut parts = vec![format!("{succeeded} succeeded")];
    parts.extend((status.failed > 0).then(|| format!("{} failed", status.failed)));
    parts.extend((status.active > 0).then(|| format!("{} active", status.active)));
    parts.extend(
        status
            .terminating
            .filter(|count| *count > 0)
            .map(|count| format!("{count} ending")),
    );
    parts.join(", ")
}

fn replica_set_line(set: &ReplicaSet) -> String {
    let status = set.status.clone().unwrap_or_default();
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    format!("{}/{wanted} ready", status.ready_replicas)
}

fn cron_job_line(cron_job: &CronJob) -> String {
    let status = cron_job.status.clone().unwrap_or_default();
    let schedule = cron_job
        .spec
        .as_ref()
        .map(|spec| spec.schedule.clone())
        .unwrap_or_default();
    let last = status
        .last_schedule_time
        .and_then(|time| serde_json::to_value(time).ok());
    let last = last
        .and_then(|time| time.as_str().map(|time| format!(", last {time}")))
        .unwrap_or_default();
    format!("schedule {schedule}, {} active{last}", status.active.len())
}

/// What is worth a line about the pods of a root: those in trouble, with the cause.
pub(super) fn troubles(board: &Board, root: &Object) -> Vec<(String, String)> {
    let pods = board.pods_of(root).into_iter();
    let told = pods.filter_map(|pod| Some((pod.metadata().name.clone(), one_line(&pods::trouble(pod)?))));
    told.collect()
}

/// What is told at the end of a run.
#[derive(Debug)]
pub(super) struct Account {
    /// How each root ended, as the lines of a table.
    pub(super) table: Vec<String>,
    /// Each piece of work that failed or did not end: which, why, by which pods, with their last lines.
    pub(super) failures: Vec<String>,
}

/// Draws up the account of a run.
pub(super) fn account(board: &Board, last_lines: &LastLines, now: Time) -> Account {
    let failure = |root: &Object| {
        let name = reference(root.kind(), &root.metadata().name);
        match board.end(root) {
            Some(End::Succeeded) => None,
            Some(End::Failed(why)) => Some(format!(
                "{name} failed: {why}{}",
                told_culprits(board, root, last_lines)
            )),
            None => Some(format!("{name} had not ended when the run did")),
        }
    };
    Account {
        table: table(board, now).lines(true),
        failures: board.work().filter_map(failure).collect(),
    }
}

/// The pods that made a root fail, each with its cause and last lines.
fn told_culprits(board: &Board, root: &Object, last_lines: &LastLines) -> String {
    let (pods, more) = culprits(board, root);
    let mut lines = Vec::new();
    for pod in pods {
        lines.push(format!("  {}", why(pod)));
        lines.extend(
            last_lines
                .of(&pod.metadata().name)
                .map(|line| format!("    | {}", one_line(line))),
        );
    }
    lines.extend((more > 0).then(|| format!("  ... and {more} more pods")));
    lines
        .iter()
        .map(|line| format!("\n{line}"))
        .collect::<Vec<_>>()
        .concat()
}

/// The final table: how each root ended.
fn table(board: &Board, now: Time) -> Table {
    let mut table = Table::new(["Kind", "Name", "Result", "Succeeded", "Failed", "Duration"]);
    for object in board.roots() {
        let (succeeded, failed) = counts(board, object);
        let duration = board::seconds(object, now).map_or_else(|| "-".to_owned(), age::short);
        table.push(vec![
            object.kind().to_string(),
            object.metadata().name.clone(),
            result(board, object),
            succeeded.to_string(),
            failed.to_string(),
            duration,
        ]);
    }
    table
}

fn result(board: &Board, object: &Object) -> String {
    match (board.end(object), object) {
        (Some(End::Succeeded), _) => "Completed".to_owned(),
        (Some(End::Failed(_)), Object::Job(job)) => {
            let reason = job_condition(job, "Failed").map(|failed| format!("Failed ({})", failed.reason));
            reason.unwrap_or_else(|| "Failed".to_owned())
        }
        (Some(End::Failed(_)), _) => "Failed".to_owned(),
        (None, Object::Job(_) | Object::Pod(_)) => "Unfinished".to_owned(),
        (None, Object::ReplicaSet(set)) => replica_set_line(set),
        (None, Object::CronJob(_) | Object::Namespace(_) | Object::Node(_) | Object::Event(_)) => {
            "-".to_owned()
        }
    }
}

/// How many pods of an object ended well and badly: the Job's own counters where it has them.
fn counts(board: &Board, object: &Object) -> (i64, i64) {
    if let Object::Job(job) = object {
        let status = job.status.clone().unwrap_or_default();
        return (status.succeeded.into(), status.failed.into());
    }
    let count = |phase: &str| {
        let pods = board.pods_of(object).into_iter();
        let fitting = pods.filter(|pod| kinds::pod::status(pod).phase == phase).count();
        i64::try_from(fitting).unwrap_or(i64::MAX)
    };
    (
        count(kinds::pod::phase::SUCCEEDED),
        count(kinds::pod::phase::FAILED),
    )
}

/// The pods of a failed root that tell why it failed, the latest first, and how many more there are.
fn culprits<'board>(board: &'board Board, root: &Object) -> (Vec<&'board Arc<Pod>>, usize) {
    let mut bad: Vec<&Arc<Pod>> = board
        .pods_of(root)
        .into_iter()
        .filter(|pod| pods::failure(pod).is_some() || pods::bad_container(pod).is_some())
        .collect();
    bad.sort_by_key(|pod| std::cmp::Reverse(kinds::pod::finished_at(pod)));
    let more = bad.len().saturating_sub(FAILED_PODS_SHOWN_MAX);
    bad.truncate(FAILED_PODS_SHOWN_MAX);
    (bad, more)
}

/// Why a pod of a failed root failed.
fn why(pod: &Pod) -> String {
    let of_container = || {
        let (name, end) = pods::bad_container(pod)?;
        Some(format!("container {name}: {}", pods::terminated(end)))
    };
    let node = kinds::pod::spec(pod).node_name.as_str();
    let place = if node.is_empty() {
        String::new()
    } else {
        format!(" (on node {node})")
    };
    let why = pods::failure(pod)
        .or_else(of_container)
        .unwrap_or_else(|| "failed".to_owned());
    format!("pod {}{place}: {}", pod.metadata().name, one_line(&why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bosun_client::{Change, ChangeKind};
    use serde_json::{Value, json};

    fn board(objects: Vec<Value>) -> Board {
        let mut board = Board::default();
        for value in objects {
            let is_pod = value["kind"] == "Pod";
            let object = Object::from_json(value).unwrap().0;
            if !is_pod {
                board.add_root(&object);
            }
            board.observe(&Change {
                kind: ChangeKind::Modified,
                object,
            });
        }
        board
    }

    fn job(status: Value) -> Value {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "uid": "j", "namespace": "default"}, "spec": {"completions": 6}, "status": status})
    }

    fn pod(name: &str, status: Value) -> Value {
        let owner =
            json!({"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "j", "controller": true});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "uid": name, "namespace": "default", "ownerReferences": [owner]}, "status": status})
    }

    #[test]
    fn a_running_job() {
        let board = board(vec![job(
            json!({"succeeded": 2, "failed": 1, "active": 2, "startTime": "1970-01-01T00:00:00Z"}),
        )]);
        let root = board.roots().next().unwrap();
        assert_eq!(
            timed_line(&board, root, Time::from_seconds(75)),
            "job.batch/j: 2/6 succeeded, 1 failed, 2 active  75s"
        );
    }

    #[test]
    fn a_failed_job_names_its_pod_and_the_cause() {
        let failed = json!({"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m", "lastTransitionTime": "1970-01-01T00:00:09Z"});
        let container = json!({"name": "main", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}});
        let board = board(vec![
            job(json!({"failed": 1, "conditions": [failed], "startTime": "1970-01-01T00:00:00Z"})),
            pod(
                "j-x",
                json!({"phase": "Failed", "containerStatuses": [container]}),
            ),
            pod("j-y", json!({"phase": "Succeeded"})),
        ]);
        let root = board.roots().next().unwrap();
        assert_eq!(line(&board, root), "job.batch/j: failed: BackoffLimitExceeded: m");
        let (pods, more) = culprits(&board, root);
        assert_eq!((pods.len(), more), (1, 0));
        assert_eq!(why(pods[0]), "pod j-x: container main: Error, exit code 3");
        let table = table(&board, Time::from_seconds(60)).lines(true);
        assert_eq!(
            table[1],
            "Job    j      Failed (BackoffLimitExceeded)   0           1        9s"
        );
    }

    #[test]
    fn trouble_is_told_before_the_end() {
        let unschedulable = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes fit"});
        let crash = json!({"name": "main", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}});
        let creating = json!({"name": "main", "state": {"waiting": {"reason": "ContainerCreating"}}});
        let board = board(vec![
            job(json!({})),
            pod("a", json!({"phase": "Pending", "conditions": [unschedulable]})),
            pod("b", json!({"phase": "Running", "containerStatuses": [crash]})),
            pod("c", json!({"phase": "Pending", "containerStatuses": [creating]})),
        ]);
        let told = troubles(&board, board.roots().next().unwrap());
        let told: Vec<String> = told
            .into_iter()
            .map(|(pod, why)| format!("{pod}: {why}"))
            .collect();
        assert_eq!(
            told,
            [
                "a: Unschedulable: 0/1 nodes fit",
                "b: container main: CrashLoopBackOff; last run: Error, exit code 1",
            ]
        );
    }
}
