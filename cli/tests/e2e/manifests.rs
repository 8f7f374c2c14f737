//! Small manifests as JSON values, to be changed by the tests that need something else.

use std::path::Path;

use serde_json::{Value, json};

/// A pod of one container that runs a shell script once. At its end nothing is started again.
pub(crate) fn pod(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": pod_spec(script),
    })
}

/// What runs a shell script once.
pub(crate) fn pod_spec(script: &str) -> Value {
    json!({
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 5,
        "containers": [{"name": "main", "image": "busybox", "command": ["sh", "-c", script]}],
    })
}

/// A Job of one pod that may not fail.
pub(crate) fn job(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": pod_spec(script)}},
    })
}

/// A CronJob that runs a script.
pub(crate) fn cron_job(name: &str, schedule: &str, script: &str) -> Value {
    json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {"schedule": schedule, "jobTemplate": {"spec": job(name, script)["spec"]}},
    })
}

/// A ReplicaSet whose pods say that they serve and run until they are stopped.
pub(crate) fn replica_set(name: &str, replicas: u32) -> Value {
    let script = format!("trap 'exit 0' TERM; echo serving; {WAIT}");
    let mut spec = pod_spec(&script);
    spec["restartPolicy"] = json!("Always");
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    })
}

/// Shell that does nothing for long, but hears signals at once. Should a test's machine be switched off in the middle, what
/// it leaves ends by itself.
pub(crate) const WAIT: &str = "sleep 300 & wait";

/// Shell that waits until a file is there, for a few minutes at most. $$ stands for one $ in a container's command.
pub(crate) fn wait_for(file: &Path) -> String {
    format!(
        "for i in $$(seq 6000); do [ -e {} ] && break; sleep 0.05; done",
        file.display()
    )
}
