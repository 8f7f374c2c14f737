//! Fields without effect: that each is named by its path, and that defaults are not.

use crate::kinds;
use crate::kinds::fixtures::{changed, created, object};

const GOOD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: default}
spec:
  containers: [{name: a, image: busybox, command: [sh], ports: [{containerPort: 80}]}]
";

#[test]
fn each_field_without_effect_is_named_and_defaults_are_not() {
    let image = "spec.containers[0].image is ignored: the process runtime runs commands of the host";
    let cases = [
        ("spec.nodeSelector = {\"a\":\"b\"}", ""),
        ("spec.volumes = [{\"name\":\"v\"}]", "spec.volumes is ignored"),
        (
            "spec.securityContext.runAsUser = 1",
            "spec.securityContext is ignored",
        ),
        (
            "spec.schedulerName = \"mine\"",
            "spec.schedulerName names no scheduler",
        ),
        (
            "spec.schedulingGroup = {\"podGroupName\":\"g\"}",
            "spec.schedulingGroup is ignored",
        ),
        (
            "spec.evictionResponders = [{\"name\":\"a.io/b\",\"priority\":10000}]",
            "spec.evictionResponders is ignored",
        ),
        (
            "spec.affinity.podAntiAffinity = {}",
            "spec.affinity.podAntiAffinity is ignored",
        ),
        (
            "spec.containers[0].volumeMounts = [{\"name\":\"v\",\"mountPath\":\"/v\",\"bindMountOptions\":[\"noexec\"]}]",
            "spec.containers[0].volumeMounts.bindMountOptions is ignored",
        ),
        (
            "spec.containers[0].livenessProbe.exec.command = [\"x\"]",
            "spec.containers[0].livenessProbe is ignored",
        ),
        (
            "spec.containers[0].terminationMessagePolicy = \"FallbackToLogsOnError\"",
            "spec.containers[0].terminationMessagePolicy is ignored",
        ),
        (
            "spec.containers[0].resources.limits = {\"cpu\":\"1\"}",
            "spec.containers[0].resources.limits holds for cpu and memory",
        ),
        (
            "spec.containers[0].env = [{\"name\":\"A\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":\"k\"}}}]",
            "spec.containers[0].env[0].valueFrom.secretKeyRef cannot be met",
        ),
        (
            "spec.containers[0].command = -",
            "spec.containers[0].command: missing: the container will fail to start",
        ),
    ];
    for (changes, expected) in cases {
        let warnings = kinds::warnings(&created(changed(&object(GOOD), changes)));
        let (images, rest): (Vec<_>, Vec<_>) = warnings.iter().partition(|warning| warning.as_str() == image);
        assert_eq!(images.len(), 1, "{changes}");
        match rest.as_slice() {
            [] if expected.is_empty() => {}
            [warning] if !expected.is_empty() && warning.starts_with(expected) => {}
            _ => panic!("{changes}: expected {expected:?}, found {rest:#?}"),
        }
    }
}

#[test]
fn the_path_leads_through_the_templates() {
    let job = object(
        "
apiVersion: batch/v1
kind: CronJob
metadata: {name: c, namespace: default}
spec:
  schedule: '@daily'
  jobTemplate: {spec: {scheduling: {schedulingPolicy: {gang: {minCount: 2}}}, template: {spec: {restartPolicy: Never, containers: [{name: a, image: x, command: [sh]}]}}}}
",
    );
    let warnings = kinds::warnings(&created(job));
    let expected = [
        "spec.jobTemplate.spec.scheduling is ignored",
        "spec.jobTemplate.spec.template.spec.containers[0].image is ignored",
    ];
    assert_eq!(warnings.len(), expected.len());
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.starts_with(expected), "{warning}");
    }
}

#[test]
fn warnings_are_bounded() {
    let containers = vec!["{\"name\":\"a\",\"image\":\"x\"}"; 1_000].join(",");
    let pod = changed(&object(GOOD), &format!("spec.containers = [{containers}]"));
    assert_eq!(kinds::warnings(&pod).len(), 41);
}
