//! Pods: defaults, classes, what may change, phases, conditions.

use bosun_proto::core_v1::{Pod, PodCondition, PodStatus, PodTemplateSpec};
use bosun_proto::meta_v1::{ObjectMeta, OwnerReference};
use bosun_proto::scalars::Time;
use bosun_proto::{Object, Resource};

use super::{finished_at, from_template, is_active, is_ready, set_condition};
use crate::kinds;
use crate::kinds::fixtures::{
    NOW, changed, check_rows, check_status_update, check_update, created, errors, object,
};

const GOOD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: default}
spec:
  containers:
  - {name: a, image: busybox, command: [sh]}
  - {name: b, image: busybox, command: [sh]}
";

const SPARSE: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: default}
spec:
  hostNetwork: true
  serviceAccountName: robot
  volumes:
  - {name: empty}
  - {name: host, hostPath: {path: /x}}
  - {name: secret, secret: {secretName: s}}
  - {name: downward, downwardAPI: {items: [{path: p, fieldRef: {fieldPath: metadata.name}}]}}
  tolerations: [{key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 5}]
  containers:
  - name: a
    image: registry:5000/busybox
    ports: [{containerPort: 80}]
    env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
    resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m}}
    livenessProbe: {httpGet: {port: 80}, failureThreshold: 9}
  - {name: b, image: 'busybox:1@sha256:0'}
status: {phase: Running, podIP: 10.0.0.1}
";
const COMPLETED: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: p
  namespace: default
  uid: 9d9c9b2e-0000-4000-8000-000000000001
  creationTimestamp: '2027-01-15T08:00:00Z'
  generation: 1
spec:
  hostNetwork: true
  serviceAccountName: robot
  serviceAccount: robot
  restartPolicy: Always
  terminationGracePeriodSeconds: 30
  dnsPolicy: ClusterFirst
  schedulerName: default-scheduler
  securityContext: {}
  enableServiceLinks: true
  priority: 0
  preemptionPolicy: PreemptLowerPriority
  volumes:
  - {name: empty, emptyDir: {}}
  - {name: host, hostPath: {path: /x, type: ''}}
  - {name: secret, secret: {secretName: s, defaultMode: 420}}
  - name: downward
    downwardAPI: {defaultMode: 420, items: [{path: p, fieldRef: {apiVersion: v1, fieldPath: metadata.name}}]}
  tolerations:
  - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 5}
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
  containers:
  - name: a
    image: registry:5000/busybox
    imagePullPolicy: Always
    terminationMessagePath: /dev/termination-log
    terminationMessagePolicy: File
    ports: [{containerPort: 80, hostPort: 80, protocol: TCP}]
    env: [{name: A, valueFrom: {fieldRef: {apiVersion: v1, fieldPath: spec.nodeName}}}]
    resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: 500m, memory: 1Gi}}
    livenessProbe:
      httpGet: {path: /, port: 80, scheme: HTTP}
      timeoutSeconds: 1
      periodSeconds: 10
      successThreshold: 1
      failureThreshold: 9
  - name: b
    image: 'busybox:1@sha256:0'
    imagePullPolicy: IfNotPresent
    terminationMessagePath: /dev/termination-log
    terminationMessagePolicy: File
    resources: {}
status: {phase: Pending, qosClass: Burstable}
";

#[test]
fn a_created_pod_has_defaults() {
    let pod = created(object(SPARSE));
    let expected = object(COMPLETED);
    assert_eq!(pod.to_json(), expected.to_json());
    let mut again = pod.clone();
    kinds::fill_defaults(&mut again);
    assert_eq!(again, pod, "filling in defaults twice changes nothing");
}

#[test]
fn pull_policies_and_classes() {
    let cases = [
        ("busybox", "Always"),
        ("busybox:latest", "Always"),
        ("a:5000/busybox", "Always"),
        ("busybox:1", "IfNotPresent"),
        ("busybox@sha256:0", "IfNotPresent"),
    ];
    for (image, policy) in cases {
        let pod = created(changed(
            &object(GOOD),
            &format!("spec.containers[0].image = \"{image}\""),
        ));
        assert_eq!(
            pod.to_json()
                .pointer("/spec/containers/0/imagePullPolicy")
                .unwrap(),
            policy,
            "{image}"
        );
    }
    let full = "{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}";
    let cases = [
        ("{}", "{}", "BestEffort"),
        (full, "{}", "Burstable"),
        ("{\"requests\":{\"cpu\":\"1\"}}", full, "Burstable"),
        ("{\"limits\":{\"example.com/x\":\"1\"}}", "{}", "BestEffort"),
        (full, full, "Guaranteed"),
    ];
    for (first, second, class) in cases {
        let changes =
            format!("spec.containers[0].resources = {first}\nspec.containers[1].resources = {second}");
        let pod = created(changed(&object(GOOD), &changes));
        assert_eq!(
            pod.to_json().pointer("/status/qosClass").unwrap(),
            class,
            "{changes}"
        );
    }
}

#[test]
fn a_gated_pod_says_so_from_the_start() {
    let pod = created(changed(
        &object(GOOD),
        "spec.schedulingGates = [{\"name\":\"g\"}]",
    ));
    assert_eq!(kinds::cells(&pod, NOW)[1], "SchedulingGated");
    check_update(
        &pod,
        r#"
        spec.schedulingGates = [] => fine
        spec.schedulingGates[1].name = "h" => spec.schedulingGates: taken away
        "#,
    );
}

#[test]
fn what_may_change() {
    let pod = created(changed(&object(GOOD), "spec.activeDeadlineSeconds = 10"));
    check_update(
        &pod,
        r#"
        spec.containers[1].image = "x" => fine
        spec.activeDeadlineSeconds = 9 => fine
        spec.activeDeadlineSeconds = 11 => spec.activeDeadlineSeconds: 10 at most
        spec.activeDeadlineSeconds = - => spec.activeDeadlineSeconds: taken away
        spec.tolerations[2].operator = "Exists" => fine
        spec.tolerations[0].tolerationSeconds = 1 => fine
        spec.tolerations[0].operator = "Equal" => spec.tolerations: only be added
        spec.containers[0].command[0] = "ash" => spec.containers[0].command[0]: anew
        spec.containers[1] = - => spec.containers: anew
        spec.nodeName = "n" => spec.nodeName: anew
        spec.restartPolicy = "Never" => spec.restartPolicy: anew
        "#,
    );
}

#[test]
fn phases_only_go_forward() {
    let pod = |phase: &str| changed(&created(object(GOOD)), &format!("status.phase = \"{phase}\""));
    check_status_update(
        &pod("Pending"),
        r#"
        status.phase = "Running" => fine
        status.phase = "Done" => status.phase: Succeeded
        "#,
    );
    check_status_update(
        &pod("Running"),
        r#"
        status.phase = "Failed" => fine
        status.phase = "Pending" => status.phase: again
        "#,
    );
    check_status_update(
        &pod("Failed"),
        r#"
        status.reason = "x" => fine
        status.phase = "Running" => status.phase: stays so
        "#,
    );
}

#[test]
fn a_pod_from_a_template_is_as_if_created() {
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: [("a".into(), "b".into())].into(),
            ..ObjectMeta::default()
        }),
        spec: Pod::from_object(&object(GOOD)).and_then(|pod| pod.spec.clone()),
    };
    let owner = OwnerReference {
        api_version: "apps/v1".into(),
        kind: "ReplicaSet".into(),
        name: "r".into(),
        uid: "u".into(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    let made = from_template(&template, owner, "r-", "default");
    assert_eq!(errors(&Object::from(made.clone())), []);
    let mut as_created = created(object(GOOD));
    *as_created.metadata_mut() = made.metadata().clone();
    assert_eq!(Object::from(made.clone()), as_created);
    assert!(is_active(&made));
    assert_eq!(made.metadata().generate_name, "r-");
}

#[test]
fn a_condition_keeps_its_time_while_its_status_stays() {
    let ready = |status: &str, seconds| PodCondition {
        r#type: "Ready".into(),
        status: status.into(),
        last_transition_time: Some(Time::from_seconds(seconds)),
        ..PodCondition::default()
    };
    let mut pod = Pod {
        status: Some(PodStatus::default()),
        ..Pod::default()
    };
    for (status, at, since) in [("False", 1, 1), ("True", 2, 2), ("True", 3, 2), ("False", 4, 4)] {
        set_condition(pod.status.as_mut().unwrap(), ready(status, at));
        assert_eq!(kinds::pod::status(&pod).conditions, [ready(status, since)]);
        assert_eq!(is_ready(&pod), status == "True");
    }
}

#[test]
fn a_pod_ended_when_its_last_container_did_or_else_as_well_as_can_be_told() {
    let at = |seconds: i64| NOW.plus_seconds(seconds).to_string();
    let end = |seconds| {
        format!(
            "{{\"name\":\"a\",\"state\":{{\"terminated\":{{\"finishedAt\":\"{}\"}}}}}}",
            at(seconds)
        )
    };
    let cases = [
        (String::new(), 0),
        (
            format!(
                "metadata.deletionTimestamp = \"{}\"\nmetadata.deletionGracePeriodSeconds = 30",
                at(40)
            ),
            10,
        ),
        (
            format!(
                "status.conditions[0] = {{\"type\":\"Ready\",\"status\":\"False\",\"lastTransitionTime\":\"{}\"}}",
                at(5)
            ),
            5,
        ),
        (format!("status.containerStatuses = [{},{}]", end(9), end(8)), 9),
    ];
    let mut changes = String::new();
    for (change, seconds) in cases {
        changes += &change;
        changes.push('\n');
        let pod = changed(&created(object(GOOD)), &changes);
        assert_eq!(
            Pod::from_object(&pod).and_then(|pod| finished_at(pod)),
            Some(NOW.plus_seconds(seconds)),
            "{changes}"
        );
    }
}

#[test]
fn rows() {
    let ended = r#""terminated":{"exitCode":0,"reason":"Completed"}"#;
    let table = r#"
        nothing => 0/2 | Pending | 0 | 10m
        BOTH(RUNS, RUNS) => 2/2 | Running | 4 (5m ago) | 10m
        BOTH(RUNS, WAITS) => 1/2 | CrashLoopBackOff | 4 (5m ago) | 10m
        BOTH(ENDED, WAITS) => 0/2 | Completed | 4 (5m ago) | 10m
        BOTH(ENDED, RUNS) => 1/2 | NotReady | 4 (5m ago) | 10m
        BOTH(ENDED, RUNS); status.conditions[0] = {"type":"Ready","status":"True"} => 1/2 | Running | 4 (5m ago) | 10m
        BOTH("terminated":{"exitCode":3}, RUNS) => 1/2 | ExitCode:3 | 4 (5m ago) | 10m
        BOTH("terminated":{"exitCode":137,"signal":9}, RUNS) => 1/2 | Signal:9 | 4 (5m ago) | 10m
        BOTH("terminated":{"exitCode":1,"reason":"Error"}, RUNS) => 1/2 | Error | 4 (5m ago) | 10m
        status.phase = "Failed"; status.reason = "NodeLost" => 0/2 | NodeLost
        DELETED => 0/2 | Terminating
        DELETED; status.phase = "Succeeded" => 0/2 | Succeeded
        DELETED; status.reason = "NodeLost" => 0/2 | Unknown
        "#
    .replace("BOTH(", r#"status.phase = "Running"; status.containerStatuses = [{"name":"b",B,"state":{"#)
    .replace(", RUNS)", r#"}},{"name":"a",A,"state":{RUNS}}]"#)
    .replace(", WAITS)", r#"}},{"name":"a",A,"state":{WAITS}}]"#)
    .replace("A,", r#""ready":true,"restartCount":3,"#)
    .replace("B,", r#""ready":true,"restartCount":1,"lastState":{"terminated":{"finishedAt":"2027-01-15T08:05:00Z"}},"#)
    .replace("RUNS", r#""running":{}"#)
    .replace("WAITS", r#""waiting":{"reason":"CrashLoopBackOff"}"#)
    .replace("ENDED", ended)
    .replace("DELETED", r#"metadata.deletionTimestamp = "2027-01-15T08:00:00Z""#);
    check_rows(&created(object(GOOD)), NOW.plus_seconds(600), &table);
}

#[test]
fn rows_while_init_containers_run() {
    let table = r#"
        INIT {"waiting":{"reason":"PodInitializing"}}}] => 0/2 | Init:0/2 | 1 (5m ago) | 10m
        INIT {"waiting":{"reason":"CrashLoopBackOff"}}}] => 0/2 | Init:CrashLoopBackOff | 1 (5m ago) | 10m
        INIT {"terminated":{"exitCode":2}}}] => 0/2 | Init:ExitCode:2 | 1 (5m ago) | 10m
        INIT {"terminated":{"exitCode":2,"reason":"Error"}}}] => 0/2 | Init:Error | 1 (5m ago) | 10m
        INIT {"terminated":{"exitCode":0}}}] => 0/2 | Pending | 0 | 10m
        "#
    .replace(
        "INIT",
        r#"status.initContainerStatuses = [{"name":"i","restartCount":1,"lastState":{"terminated":{"finishedAt":"2027-01-15T08:05:00Z"}},"state":"#,
    );
    let init = r#"spec.initContainers = [{"name":"i","image":"x"},{"name":"k","image":"x"}]"#;
    check_rows(
        &changed(&created(object(GOOD)), init),
        NOW.plus_seconds(600),
        &table,
    );
}

#[test]
fn the_wide_row_and_the_selectable_fields() {
    let pod = changed(
        &created(object(GOOD)),
        "status.podIPs = [{\"ip\":\"10.0.0.1\"}]
         status.podIP = \"10.0.0.1\"
         spec.nodeName = \"n1\"
         spec.readinessGates = [{\"conditionType\":\"a\"},{\"conditionType\":\"b\"}]
         status.conditions[0] = {\"type\":\"a\",\"status\":\"True\"}",
    );
    assert_eq!(kinds::cells(&pod, NOW)[4..], ["10.0.0.1", "n1", "<none>", "1/2"]);
    assert_eq!(kinds::cells(&pod, NOW).len(), kinds::columns(pod.kind()).len());
    let fields = kinds::selectable_fields(pod.kind()).iter();
    let values: Vec<String> = fields
        .map(|field| kinds::selectable_field(&pod, field).unwrap())
        .collect();
    assert_eq!(
        values,
        [
            "n1",
            "Always",
            "default-scheduler",
            "",
            "false",
            "Pending",
            "10.0.0.1",
            ""
        ]
    );
    assert_eq!(
        kinds::selectable_field(&pod, "metadata.name").as_deref(),
        Some("p")
    );
    assert_eq!(kinds::selectable_field(&pod, "spec.hostname"), None);
}
