//! What was acknowledged is there after a kill and a new start.

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::manifests::{WAIT, cron_job, job, pod, replica_set, wait_for};

/// What must be the same before and after, of every object of a query.
fn identities(cluster: &Cluster, what: &str) -> Vec<Value> {
    let list = cluster.get(what);
    let items = list["items"].as_array().expect("a list");
    let identity = |item: &Value| {
        let metadata = &item["metadata"];
        json!([
            metadata["name"],
            metadata["uid"],
            metadata["creationTimestamp"],
            item["spec"]
        ])
    };
    items.iter().map(identity).collect()
}

#[test]
fn a_kill_in_the_middle_of_a_job_loses_nothing_and_the_job_completes() {
    let mut cluster = Cluster::up();
    let go = cluster.place.path("go");
    // Two indexes end at once, the third waits for a file that the test makes after the new start.
    let script = format!(
        "echo index $JOB_COMPLETION_INDEX; [ $JOB_COMPLETION_INDEX -lt 2 ] || {{ {}; }}",
        wait_for(&go)
    );
    let mut manifest = job("three", &script);
    manifest["spec"]["completions"] = json!(3);
    manifest["spec"]["parallelism"] = json!(3);
    manifest["spec"]["completionMode"] = json!("Indexed");
    manifest["spec"]["template"]["spec"]["restartPolicy"] = json!("OnFailure");
    manifest["spec"]["backoffLimit"] = json!(6);
    cluster.apply(&manifest);
    cluster.apply(job("before", "echo kept; exit 7"));
    cluster.apply(cron_job("yearly", "@yearly", "true"));
    cluster.ok("create namespace other");
    cluster.wait_field("job/three", ".status.succeeded", "2");
    cluster.wait_field("job/three", ".status.ready", "1");
    cluster.wait("job/before", "condition=Failed");
    let kinds = ["jobs", "pods", "cronjobs", "namespaces", "nodes"];
    let objects = kinds.map(|kind| identities(&cluster, kind));
    let failed = cluster.get("pods -l job-name=before");

    cluster.kill_9();
    cluster.start();

    for (kind, before) in kinds.iter().zip(&objects) {
        let after = identities(&cluster, kind);
        assert_eq!(&after, before, "{kind}");
    }
    let after = cluster.get("pods -l job-name=before");
    assert_eq!(after["items"][0]["status"], failed["items"][0]["status"]);
    assert_eq!(cluster.ok("logs job/before"), "kept\n");
    assert_eq!(cluster.get("job/before")["status"]["failed"], 1);
    assert_eq!(cluster.get("job/three")["status"]["completedIndexes"], "0,1");

    std::fs::write(&go, "").expect("a file");
    cluster.wait("job/three", "condition=Complete");
    let status = &cluster.get("job/three")["status"];
    assert_eq!(
        (&status["succeeded"], &status["failed"]),
        (&json!(3), &Value::Null),
        "{status}"
    );
    assert_eq!(status["completedIndexes"], "0-2");
    assert_eq!(cluster.names("pods -l job-name=three").len(), 3);
    let output = cluster.ok("logs job/three --all-pods");
    for index in 0..3 {
        assert!(output.contains(&format!("index {index}")), "{output}");
    }
    // Counting goes on where it was: the state's version has not begun anew.
    cluster.apply(job("later", "true"));
    cluster.wait("job/later", "condition=Complete");
}

#[test]
fn pods_of_a_replica_set_stay_the_same_pods_over_a_kill() {
    let mut cluster = Cluster::up();
    cluster.apply(replica_set("web", 2));
    cluster.wait_field("rs/web", ".status.readyReplicas", "2");
    let before = identities(&cluster, "pods");
    cluster.kill_9();
    cluster.start();
    for pod in &before {
        let pod = format!("pod/{}", pod[0].as_str().expect("a name"));
        // Its processes went on without the agent.
        let count = &cluster.get(&pod)["status"]["containerStatuses"][0]["restartCount"];
        assert_eq!(count, 0, "{pod}");
    }
    cluster.wait_field("rs/web", ".status.readyReplicas", "2");
    assert_eq!(identities(&cluster, "pods"), before);
}

#[test]
fn a_gentle_stop_ends_the_containers_and_keeps_the_rest() {
    let mut cluster = Cluster::up();
    let mark = cluster.place.path("mark");
    let script = format!("trap 'touch {}; exit 0' TERM; echo begun; {WAIT}", mark.display());
    cluster.apply(pod("polite", &script));
    cluster.wait_line("polite", "begun");
    let stopped = cluster.stop();
    assert!(stopped.stderr.contains("Stopping"), "{stopped:#?}");
    stopped.succeeded();
    assert!(mark.exists(), "the container was not asked to stop");
    cluster.start();
    assert_eq!(cluster.ok("logs polite").lines().next(), Some("begun"));
}

#[test]
fn ten_kills_in_a_row_lose_nothing() {
    let mut cluster = Cluster::up();
    for round in 0..10 {
        let mut manifest = job(&format!("round-{round}"), "true");
        // A kill may hit a container that runs: it is started again and nothing is counted twice.
        manifest["spec"]["template"]["spec"]["restartPolicy"] = json!("OnFailure");
        manifest["spec"]["backoffLimit"] = json!(100);
        cluster.apply(manifest);
        cluster.kill_9();
        cluster.start();
    }
    assert_eq!(cluster.names("jobs").len(), 10);
    cluster.wait("jobs --all", "condition=Complete");
    for job in cluster.get("jobs")["items"].as_array().expect("a list") {
        let status = &job["status"];
        let counted = (&status["succeeded"], &status["failed"]);
        assert_eq!(
            counted,
            (&json!(1), &Value::Null),
            "{}: {status}",
            job["metadata"]["name"]
        );
    }
}
