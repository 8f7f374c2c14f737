//! Jobs: what is refused and by which path, what is filled in, what may change.

use bosun_proto::batch_v1::{Job, JobStatus, JobTemplateSpec};
use bosun_proto::log::Count;
use bosun_proto::meta_v1::{ObjectMeta, OwnerReference};
use bosun_proto::{Object, Resource};

use super::{add_count, from_template};
use crate::kinds;
use crate::kinds::fixtures::{
    NOW, changed, check, check_rows, check_status_update, check_update, created, errors, object,
};

const GOOD: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: j, namespace: default}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: a, image: busybox, command: [sh]}]
";
const INDEXED: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: j, namespace: default}
spec:
  completionMode: Indexed
  completions: 5
  parallelism: 2
  template:
    spec:
      restartPolicy: Never
      containers: [{name: a, image: busybox, command: [sh]}]
";

#[test]
fn numbers_and_modes() {
    check(
        GOOD,
        r#"
        spec.parallelism = 0 => fine
        spec.parallelism = -1 => spec.parallelism: 0 or more
        spec.completions = -1 => spec.completions: 0 or more
        spec.completions = 2147483647 => fine
        spec.backoffLimit = -1 => spec.backoffLimit: 0 or more
        spec.activeDeadlineSeconds = -5 => spec.activeDeadlineSeconds: 0 or more
        spec.ttlSecondsAfterFinished = -1 => spec.ttlSecondsAfterFinished: 0 or more
        spec.completionMode = "Random" => spec.completionMode: Indexed
        spec.backoffLimitPerIndex = 1 => spec.backoffLimitPerIndex: Indexed
        spec.podReplacementPolicy = "Now" => spec.podReplacementPolicy: TerminatingOrFailed
        spec.managedBy = "example.com/x" => fine
        spec.managedBy = "x" => spec.managedBy: domain
        spec.successPolicy.rules = [{"succeededCount":1}] => spec.successPolicy: Indexed
        spec.template = - => spec.template: describe the pods
        spec.template.spec.restartPolicy = - => spec.template.spec.restartPolicy: Never or OnFailure
        spec.template.spec.restartPolicy = "Always" => spec.template.spec.restartPolicy: Never or OnFailure
        spec.template.spec.containers[0].name = "A" => spec.template.spec.containers[0].name: lower-case
        metadata.labels = {"a":"b"}; spec.template.metadata.labels = {"a":"-"} => spec.template.metadata.labels[a]: label value
        "#,
    );
}

#[test]
fn indexed_jobs() {
    check(
        INDEXED,
        r#"
        spec.completions = - => spec.completions: how many indexes
        spec.parallelism = 100001 => spec.parallelism: 100000
        spec.backoffLimitPerIndex = 1; spec.maxFailedIndexes = 5 => fine
        spec.backoffLimitPerIndex = 1; spec.template.spec.restartPolicy = "OnFailure" => spec.template.spec.restartPolicy: must be Never
        spec.maxFailedIndexes = 5 => spec.backoffLimitPerIndex: maxFailedIndexes needs it
        spec.backoffLimitPerIndex = 1; spec.maxFailedIndexes = 6 => spec.maxFailedIndexes: more than there are
        spec.backoffLimitPerIndex = 1; spec.completions = 100001 => spec.maxFailedIndexes: needed
        spec.backoffLimitPerIndex = 1; spec.completions = 100001; spec.maxFailedIndexes = 10001 => spec.maxFailedIndexes: 10000 at most
        spec.completions = 1000000000; metadata.name = "a23456789-123456789-123456789-123456789-123456789-123" => fine
        spec.completions = 1000000001; metadata.name = "a23456789-123456789-123456789-123456789-123456789-123" => spec.completions: shorten metadata.name
        spec.successPolicy.rules = [{"succeededIndexes":"0-2","succeededCount":2}] => fine
        spec.successPolicy.rules = [] => spec.successPolicy.rules: at least one
        spec.successPolicy.rules = [{}] => spec.successPolicy.rules[0]: at least one of
        spec.successPolicy.rules = [{"succeededIndexes":"3-5"}] => spec.successPolicy.rules[0].succeededIndexes: no index 5
        spec.successPolicy.rules = [{"succeededIndexes":"2-1"}] => spec.successPolicy.rules[0].succeededIndexes: 1,3-5,7
        spec.successPolicy.rules = [{"succeededIndexes":"1","succeededCount":2}] => spec.successPolicy.rules[0].succeededCount: more than the 1
        "#,
    );
}

#[test]
fn failure_policies() {
    let many = vec![r#"{"action":"Count","onPodConditions":[{"type":"A"}]}"#; 21].join(",");
    check(
        GOOD,
        &r#"
        RULES = [{"action":"Ignore","onExitCodes":{"operator":"In","values":[1,2]}}] => fine
        RULES = [{"action":"Ignore","onPodConditions":[{"type":"DisruptionTarget"}]}] => fine
        RULES = [{"action":"Ignore","onExitCodes":{"operator":"In","values":[0,1]}}] => RULES[0].onExitCodes.values[0]: success
        RULES = [{"action":"Ignore","onExitCodes":{"operator":"NotIn","values":[0]}}] => fine
        RULES = [{"action":"Ignore","onExitCodes":{"operator":"In","values":[2,1]}}] => RULES[0].onExitCodes.values: ascending
        RULES = [{"action":"Ignore","onExitCodes":{"operator":"In","values":[1,1]}}] => RULES[0].onExitCodes.values: once
        RULES = [{"action":"Ignore","onExitCodes":{"operator":"In","values":[]}}] => RULES[0].onExitCodes.values: at least one
        RULES = [{"action":"Ignore","onExitCodes":{"operator":"In","values":[1],"containerName":"z"}}] => RULES[0].onExitCodes.containerName: no container "z"
        RULES = [{"action":"Ignore"}] => RULES[0]: say when
        RULES = [{"action":"Stop","onPodConditions":[{"type":"A"}]}] => RULES[0].action: FailJob
        RULES = [{"action":"FailIndex","onPodConditions":[{"type":"A"}]}] => RULES[0].action: backoffLimitPerIndex
        RULES = [{"action":"Ignore","onExitCodes":{"operator":"In","values":[1]}}]; spec.podReplacementPolicy = "TerminatingOrFailed" => spec.podReplacementPolicy: must be Failed
        RULES = [{"action":"Ignore","onExitCodes":{"operator":"In","values":[1]}}]; spec.template.spec.restartPolicy = "OnFailure" => spec.podFailurePolicy: Never
        RULES = [MANY] => RULES: 20 at most
        "#
            .replace("RULES", "spec.podFailurePolicy.rules")
            .replace("MANY", &many),
    );
}

#[test]
fn selectors() {
    check(
        GOOD,
        r#"
        spec.selector.matchLabels = {"a":"b"} => spec.selector: manualSelector
        spec.template.metadata.labels = {"job-name":"other"} => spec.template.metadata.labels[job-name]: must be "j"
        spec.template.metadata.labels = {"controller-uid":"other"} => spec.template.metadata.labels[controller-uid]: set by the server
        spec.template.metadata.labels = {"job-name":"j"} => fine
        spec.manualSelector = true => spec.selector: which pods
        spec.manualSelector = true; spec.selector.matchLabels = {"a":"b"} => spec.template.metadata.labels: must match
        spec.manualSelector = true; spec.selector = {} => spec.selector: every pod
        spec.manualSelector = true; spec.selector.matchLabels = {"a":"b"}; spec.template.metadata.labels = {"a":"b"} => fine
        "#,
    );
}

#[test]
fn a_created_job_has_defaults_and_the_generated_selector() {
    let job = created(changed(
        &object(GOOD),
        "spec.template.metadata.labels = {\"app\":\"x\"}",
    ));
    let uid = "9d9c9b2e-0000-4000-8000-000000000001";
    let expected = object(&format!(
        "
apiVersion: batch/v1
kind: Job
metadata:
  name: j
  namespace: default
  labels: {{app: x}}
  uid: {uid}
  creationTimestamp: '2027-01-15T08:00:00Z'
  generation: 1
spec:
  parallelism: 1
  completions: 1
  backoffLimit: 6
  completionMode: NonIndexed
  suspend: false
  manualSelector: false
  podReplacementPolicy: TerminatingOrFailed
  selector: {{matchLabels: {{batch.kubernetes.io/controller-uid: {uid}}}}}
  template:
    metadata:
      labels:
        app: x
        batch.kubernetes.io/controller-uid: {uid}
        controller-uid: {uid}
        batch.kubernetes.io/job-name: j
        job-name: j
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 30
      dnsPolicy: ClusterFirst
      schedulerName: default-scheduler
      securityContext: {{}}
      containers:
      - name: a
        image: busybox
        command: [sh]
        imagePullPolicy: Always
        terminationMessagePath: /dev/termination-log
        terminationMessagePolicy: File
        resources: {{}}
status: {{}}
"
    ));
    assert_eq!(job.to_json(), expected.to_json());
    assert_eq!(errors(&job), []);
}

#[test]
fn defaults_that_depend_on_others() {
    let cases = [
        ("spec.parallelism = 3", "spec/completions", "null"),
        ("spec.completions = 3", "spec/parallelism", "1"),
        (
            "spec.completionMode = \"Indexed\"\nspec.completions = 2\nspec.backoffLimitPerIndex = 1",
            "spec/backoffLimit",
            "2147483647",
        ),
        (
            "spec.podFailurePolicy.rules = [{\"action\":\"Count\",\"onPodConditions\":[{\"type\":\"A\"}]}]",
            "spec/podReplacementPolicy",
            "\"Failed\"",
        ),
        (
            "spec.podFailurePolicy.rules = [{\"action\":\"Count\",\"onPodConditions\":[{\"type\":\"A\"}]}]",
            "spec/podFailurePolicy/rules/0/onPodConditions/0/status",
            "\"True\"",
        ),
        (
            "metadata.labels = {\"mine\":\"1\"}",
            "metadata/labels",
            "{\"mine\":\"1\"}",
        ),
    ];
    for (changes, path, value) in cases {
        let json = created(changed(&object(GOOD), changes)).to_json();
        let found = json.pointer(&format!("/{path}")).cloned().unwrap_or_default();
        assert_eq!(found.to_string(), value, "{changes}");
    }
}

#[test]
fn what_may_change() {
    let job = created(object(INDEXED));
    check_update(
        &job,
        r#"
        spec.parallelism = 4 => fine
        spec.backoffLimit = 1 => fine
        spec.ttlSecondsAfterFinished = 1 => fine
        spec.suspend = true => fine
        spec.completions = 4 => spec.completions: together with parallelism
        spec.completions = 4; spec.parallelism = 4 => fine
        spec.completionMode = "NonIndexed" => spec.completionMode: anew
        spec.selector.matchLabels = {} => spec.selector: anew
        spec.backoffLimitPerIndex = 1 => spec.backoffLimitPerIndex: anew
        spec.managedBy = "a.b/c" => spec.managedBy: anew
        spec.template.spec.containers[0].command = ["true"] => spec.template.spec.containers[0].command[0]: anew
        spec.template.spec.nodeSelector = {"a":"b"} => spec.template.spec.nodeSelector: suspended
        "#,
    );
    check_update(
        &created(object(GOOD)),
        "
        spec.completions = 2; spec.parallelism = 2 => spec.completions: anew
        ",
    );
}

#[test]
fn a_suspended_job_that_has_not_started_may_be_placed_anew() {
    let job = created(changed(&object(GOOD), "spec.suspend = true"));
    check_update(
        &job,
        r#"
        spec.template.spec.nodeSelector = {"a":"b"} => fine
        spec.template.metadata.labels = {"c":"d"} => fine
        spec.template.spec.tolerations = [{"operator":"Exists"}] => fine
        spec.template.spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution = [] => fine
        spec.template.spec.containers[0].image = "x" => spec.template.spec.containers[0].image: anew
        spec.template.spec.affinity.podAffinity = {} => spec.template.spec.affinity: anew
        "#,
    );
    let started = changed(&job, "status.startTime = \"2027-01-15T08:00:00Z\"");
    check_update(
        &started,
        r#"
        spec.template.spec.nodeSelector = {"a":"b"} => spec.template.spec.nodeSelector: suspended
        "#,
    );
}

#[test]
fn status_only_goes_forward() {
    let job = created(object(GOOD));
    check_status_update(
        &changed(&job, "status.failed = 2"),
        r#"
        status.failed = 3 => fine
        status.failed = 1 => status.failed: counted already
        status.active = -1 => status.active: 0 or more
        status.completedIndexes = "1-" => status.completedIndexes: 1,3-5,7
        status.completionTime = "2027-01-15T08:00:00Z" => status.completionTime: Complete
        status.conditions = [{"type":"FailureTarget","status":"True"},{"type":"Failed","status":"True"}] => fine
        status.conditions = [{"type":"Failed","status":"True"}] => status.conditions: FailureTarget
        status.conditions = [{"type":"FailureTarget","status":"True"},{"type":"Failed","status":"True"}]; status.conditions[2] = {"type":"Complete","status":"True"} => status.conditions: cannot be
        "#,
    );
    let complete = changed(
        &job,
        r#"status.conditions = [{"type":"Complete","status":"True"}]
           status.completionTime = "2027-01-15T08:00:00Z""#,
    );
    check_status_update(
        &complete,
        r#"
        status.completionTime = "2027-01-15T08:00:01Z" => status.completionTime: once it is set
        status.conditions = [{"type":"Complete","status":"False"}] => status.conditions: stays so
        "#,
    );
}

#[test]
fn counters_add_pods_and_count_an_index_once() {
    let mut status = JobStatus::default();
    let count = |succeeded, failed, completed_index, failed_index| Count {
        succeeded,
        failed,
        completed_index,
        failed_index,
        ..Count::default()
    };
    add_count(&mut status, &count(2, 1, None, None));
    assert_eq!((status.succeeded, status.failed), (2, 1));
    let mut status = JobStatus::default();
    for index in [3, 0, 3, 1] {
        add_count(&mut status, &count(1, 0, Some(index), None));
    }
    add_count(&mut status, &count(0, 1, None, Some(2)));
    add_count(&mut status, &count(0, 1, None, None));
    assert_eq!(
        (status.succeeded, status.completed_indexes.as_str()),
        (3, "0,1,3")
    );
    assert_eq!((status.failed, status.failed_indexes.as_deref()), (2, Some("2")));
}

#[test]
fn a_job_from_a_template_is_complete() {
    let template = JobTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: [("a".into(), "b".into())].into(),
            ..ObjectMeta::default()
        }),
        spec: Job::from_object(&object(GOOD)).and_then(|job| job.spec.clone()),
    };
    let owner = OwnerReference {
        uid: "o".into(),
        controller: Some(true),
        ..OwnerReference::default()
    };
    let mut job = from_template(
        &template,
        owner,
        "c-1",
        "default",
        "9d9c9b2e-0000-4000-8000-000000000002",
    );
    assert_eq!(job.metadata().labels.len(), 1);
    assert_eq!(job.metadata().owner_references.len(), 1);
    job.metadata_mut().owner_references.clear();
    assert_eq!(errors(&Object::from(job)), []);
}

#[test]
fn rows() {
    let table = r#"
        spec.completions = 4; status.succeeded = 2 => Running | 2/4 | | 10m | a | busybox
        START => Running | 0/1 | 9m55s | 10m
        spec.completions = -; spec.parallelism = 3 => Running | 0/1 of 3 | | 10m
        START; status.completionTime = "2027-01-15T08:00:35Z"; HOLDS("Complete") => Complete | 0/1 | 30s | 10m
        START; HOLDS("Failed") => Failed | 0/1 | 10s | 10m
        HOLDS("Suspended") => Suspended | 0/1 | | 10m
        HOLDS("FailureTarget") => FailureTarget | 0/1 | | 10m
        HOLDS("SuccessCriteriaMet") => SuccessCriteriaMet | 0/1 | | 10m
        metadata.deletionTimestamp = "2027-01-15T08:00:01Z" => Terminating | 0/1 | | 10m
        "#
    .replace("START", r#"status.startTime = "2027-01-15T08:00:05Z""#)
    .replace(
        "HOLDS(",
        r#"status.conditions[0] = {"status":"True","lastTransitionTime":"2027-01-15T08:00:15Z","type":"#,
    )
    .replace("\") =>", "\"} =>");
    check_rows(&created(object(GOOD)), NOW.plus_seconds(600), &table);
    let selector = "batch.kubernetes.io/controller-uid=9d9c9b2e-0000-4000-8000-000000000001";
    assert_eq!(kinds::cells(&created(object(GOOD)), NOW)[6], selector);
}

#[test]
fn a_name_that_makes_no_host_name_is_warned_of() {
    let job = created(changed(&object(GOOD), "metadata.name = \"a.b\""));
    assert!(
        kinds::warnings(&job)
            .iter()
            .any(|warning| warning.starts_with("metadata.name: "))
    );
}
