//! Jobs: counted exactly, kept until deleted, deleted with what they own.

use serde_json::json;

use crate::cluster::Cluster;
use crate::manifests::{WAIT, job};

#[test]
fn successes_and_failures_are_counted_and_finished_pods_stay() {
    let cluster = Cluster::up();
    let marks = cluster.place.path("marks");
    std::fs::create_dir(&marks).expect("a directory");
    // Each index fails once: the directory is the memory that its next pod finds.
    let script = format!(
        "echo try $JOB_COMPLETION_INDEX; ! mkdir {}/$JOB_COMPLETION_INDEX",
        marks.display()
    );
    let mut manifest = job("counted", &script);
    manifest["spec"]["completions"] = json!(2);
    manifest["spec"]["parallelism"] = json!(2);
    manifest["spec"]["completionMode"] = json!("Indexed");
    manifest["spec"]["backoffLimit"] = json!(2);
    cluster.apply(&manifest);
    cluster.wait("job/counted", "condition=Complete");
    let job = cluster.get("job/counted");
    let status = &job["status"];
    assert_eq!(
        (&status["succeeded"], &status["failed"]),
        (&json!(2), &json!(2)),
        "{status}"
    );
    assert_eq!(status["completedIndexes"], "0,1");
    let pods = cluster.get("pods -l job-name=counted");
    let phases = pods["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|pod| &pod["status"]["phase"]);
    let (succeeded, failed): (Vec<_>, Vec<_>) = phases.partition(|phase| **phase == "Succeeded");
    assert_eq!((succeeded.len(), failed.len()), (2, 2));
    let output = cluster.ok("logs job/counted --all-pods");
    assert_eq!(output.matches("try 0").count(), 2, "{output}");
    let never = cluster.bosun("wait job/counted --for=condition=Failed --timeout=60s");
    never.refused(&["job.batch/counted", "never"]);
}

#[test]
fn deleting_a_job_deletes_its_pods_unless_they_shall_stay() {
    let cluster = Cluster::up();
    for name in ["gone", "orphaning"] {
        cluster.apply(job(name, "echo kept"));
        cluster.wait(&format!("job/{name}"), "condition=Complete");
    }
    let gone = cluster.name("pods -l job-name=gone");
    let kept = cluster.name("pods -l job-name=orphaning");
    cluster.ok("delete job gone --cascade=foreground");
    cluster.bosun(&format!("get pod {gone}")).refused(&["not found"]);
    cluster.ok("delete job orphaning --cascade=orphan");
    cluster.wait("job/orphaning", "delete");
    let pod = cluster.get(&format!("pod/{kept}"));
    assert_eq!(
        pod["metadata"]["ownerReferences"].as_array().map_or(0, Vec::len),
        0
    );
    assert_eq!(cluster.ok(&format!("logs {kept}")), "kept\n");
}

#[test]
fn a_job_deleted_in_the_middle_stops_its_pods() {
    let cluster = Cluster::up();
    cluster.apply(job("long", &format!("trap 'exit 0' TERM; echo begun; {WAIT}")));
    cluster.wait_field("job/long", ".status.ready", "1");
    let pod = cluster.name("pods -l job-name=long");
    cluster.ok("delete job long");
    cluster.wait(&format!("pod/{pod}"), "delete");
}

#[test]
fn a_deadline_ends_a_job_and_its_pods() {
    let cluster = Cluster::up();
    let mut manifest = job("late", &format!("trap 'exit 0' TERM; {WAIT}"));
    manifest["spec"]["activeDeadlineSeconds"] = json!(1);
    cluster.apply(&manifest);
    cluster.wait("job/late", "condition=Failed");
    let job = cluster.get("job/late");
    assert!(
        job["status"]["conditions"]
            .to_string()
            .contains("DeadlineExceeded")
    );
    assert!(job["status"]["succeeded"].is_null(), "{}", job["status"]);
}

#[test]
fn a_finished_job_with_a_time_to_live_goes_away() {
    let cluster = Cluster::up();
    let mut manifest = job("brief", "true");
    manifest["spec"]["ttlSecondsAfterFinished"] = json!(0);
    let mut watch = cluster.begin("get jobs -w -o name");
    cluster.apply(&manifest);
    watch.until("job.batch/brief");
    cluster.wait("job/brief", "delete");
    assert_eq!(cluster.names("pods -l job-name=brief"), [""; 0]);
}
