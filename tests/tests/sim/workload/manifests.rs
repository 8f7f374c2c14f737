//! The objects that clients create.

use bosun_proto::Object;
use serde_json::{Value, json};

use crate::evidence::Submitted;
use crate::world::JOB;

/// The label of a register that holds its value.
const VALUE: &str = "value";

fn object(value: Value) -> Object {
    Object::from_json(value).expect("a manifest").0
}

/// A namespace, the smallest object there is.
pub(super) fn namespace(name: &str) -> Object {
    object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
}

/// A register is a namespace with a label.
pub(super) fn register(name: &str, value: u64) -> Object {
    let labels = json!({VALUE: value.to_string()});
    object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}))
}

/// A patch that replaces a register's value if it is as expected.
pub(super) fn compare_and_set(expected: u64, new: u64) -> Value {
    let path = format!("/metadata/labels/{VALUE}");
    json!([
        {"op": "test", "path": path, "value": expected.to_string()},
        {"op": "replace", "path": path, "value": new.to_string()},
    ])
}

/// What a register holds.
pub(crate) fn value_of(register: &Object) -> Option<u64> {
    register.metadata().labels.get(VALUE)?.parse().ok()
}

fn template(app: &str, restart_policy: &str, command: &Value, environment: &Value) -> Value {
    json!({
        "metadata": {"labels": {"app": app}},
        "spec": {
            "restartPolicy": restart_policy,
            "containers": [{
                "name": "main",
                "image": "played",
                "command": command,
                "env": environment,
                "resources": {"requests": {"cpu": "100m"}},
            }],
        },
    })
}

/// A Job whose pods work for some milliseconds each.
pub(super) fn job(name: &str, submitted: &Submitted, milliseconds: u64) -> Object {
    let command = json!(["work", milliseconds.to_string(), "0"]);
    object(json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "completions": submitted.completions,
            "parallelism": submitted.parallelism,
            "completionMode": if submitted.indexed { "Indexed" } else { "NonIndexed" },
            // Lost nodes count against it.
            "backoffLimit": 1_000,
            "template": template(name, "Never", &command, &json!([{"name": JOB, "value": name}])),
        },
    }))
}

/// A ReplicaSet whose pods run until they are told to stop.
pub(super) fn replica_set(name: &str, replicas: u64) -> Object {
    object(json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, "Always", &json!(["serve"]), &json!([])),
        },
    }))
}

/// A CronJob that is due every few seconds.
pub(super) fn cron_job(name: &str, seconds: u64) -> Object {
    let command = json!(["work", "100", "0"]);
    object(json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "schedule": format!("@every {seconds}s"),
            "successfulJobsHistoryLimit": 1_000,
            "failedJobsHistoryLimit": 1_000,
            "jobTemplate": {"spec": {
                "template": template(name, "Never", &command, &json!([])),
                "backoffLimit": 1_000,
            }},
        },
    }))
}
