//! ReplicaSets: what is refused and by which path, what may change, defaults, rows.

use crate::kinds;
use crate::kinds::fixtures::{NOW, changed, check, check_status_update, check_update, created, object};

const GOOD: &str = "
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: r, namespace: default}
spec:
  selector: {matchLabels: {app: x}}
  template:
    metadata: {labels: {app: x, tier: y}}
    spec:
      containers: [{name: a, image: busybox, command: [sh]}, {name: b, image: 'c:1', command: [sh]}]
";

#[test]
fn what_is_refused() {
    check(
        GOOD,
        r#"
        spec.replicas = 0 => fine
        spec.replicas = -1 => spec.replicas: 0 or more
        spec.minReadySeconds = -1 => spec.minReadySeconds: 0 or more
        spec.selector = - => spec.selector: name the labels
        spec.selector = {} => spec.selector: every pod
        spec.selector.matchLabels = {"app":"z"} => spec.template.metadata.labels: must match
        spec.selector.matchExpressions = [{"key":"tier","operator":"In","values":["y"]}] => fine
        spec.selector.matchExpressions = [{"key":"tier","operator":"DoesNotExist"}] => spec.template.metadata.labels: must match
        spec.template = - => spec.template: describe the pods
        spec.template.spec.restartPolicy = "Never" => spec.template.spec.restartPolicy: Always
        spec.template.spec.activeDeadlineSeconds = 5 => spec.template.spec.activeDeadlineSeconds: leave it out
        spec.template.spec.containers[0].image = - => spec.template.spec.containers[0].image: name an image
        "#,
    );
}

#[test]
fn changes() {
    let replica_set = created(object(GOOD));
    check_update(
        &replica_set,
        r#"
        spec.replicas = 7 => fine
        spec.template.spec.containers[0].image = "z" => fine
        spec.selector.matchLabels = {"tier":"y"} => spec.selector: anew
        "#,
    );
    check_status_update(
        &replica_set,
        "
        status.replicas = 2; status.readyReplicas = 2; status.availableReplicas = 1 => fine
        status.replicas = -1 => status.replicas: 0 or more
        status.fullyLabeledReplicas = 1 => status.fullyLabeledReplicas: more than replicas
        status.replicas = 2; status.availableReplicas = 1 => status.availableReplicas: readyReplicas
        ",
    );
}

#[test]
fn defaults_and_row() {
    let replica_set = created(object(GOOD));
    assert_eq!(
        replica_set
            .to_json()
            .pointer("/spec/template/spec/restartPolicy")
            .unwrap(),
        "Always"
    );
    let replica_set = changed(&replica_set, "status.replicas = 3\nstatus.readyReplicas = 2");
    let cells = kinds::cells(&replica_set, NOW.plus_seconds(5));
    assert_eq!(cells, ["1", "3", "2", "5s", "a,b", "busybox,c:1", "app=x"]);
}
