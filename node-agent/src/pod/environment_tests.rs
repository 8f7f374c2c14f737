//! The variables of a container: references, downward fields, resource fields, refusals.

use super::*;
use crate::pod::testing::{node, pod};

fn check(env: &str) -> Result<Vec<(String, String)>, String> {
    let mut pod = pod(&format!(
        r#"{{"metadata": {{"name": "web", "namespace": "shop", "uid": "u-1", "labels": {{"app.io/x": "y"}},
            "annotations": {{"note": "n"}}}},
            "spec": {{"serviceAccountName": "robot", "containers": [{{"name": "main", "command": ["true"],
            "resources": {{"limits": {{"memory": "100Mi"}}, "requests": {{"cpu": "250m"}}}}, {env}}}]}}}}"#
    ));
    let container = pod.spec.as_mut().unwrap().containers.remove(0);
    pod.spec.as_mut().unwrap().containers.push(container.clone());
    environment(&pod, &container, &node()).map_err(|refusal| refusal.message)
}

fn value(source: &str) -> Result<String, String> {
    check(&format!(r#""env": [{{"name": "V", "valueFrom": {source}}}]"#)).map(|mut found| {
        assert_eq!(found.len(), 1);
        found.remove(0).1
    })
}

#[test]
fn references_are_replaced_and_dollars_escaped() {
    let values = BTreeMap::from([
        ("A".to_owned(), "1".to_owned()),
        ("B".to_owned(), "$(A)".to_owned()),
    ]);
    let cases = [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(A)", "x1y1"),
        ("$(B)", "$(A)"),
        ("$(NONE)", "$(NONE)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$(A)", "$$(A)"),
        ("$(A", "$(A"),
        ("$A", "$A"),
        ("$", "$"),
        ("$$", "$"),
        ("a$", "a$"),
        ("$()", "$()"),
        ("ä$(A)ö", "ä1ö"),
    ];
    for (text, expected) in cases {
        assert_eq!(expand(text, &values), expected, "{text}");
    }
}

#[test]
fn a_variable_sees_only_those_before_it() {
    let found = check(
        r#""env": [{"name": "LATER", "value": "$(X)"}, {"name": "X", "value": "1"}, {"name": "Y", "value": "$(X)2"}]"#,
    );
    let expected = [("LATER", "$(X)"), ("X", "1"), ("Y", "12")];
    assert_eq!(
        found.unwrap(),
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[test]
fn downward_fields() {
    let cases = [
        ("metadata.name", Ok("web")),
        ("metadata.namespace", Ok("shop")),
        ("metadata.uid", Ok("u-1")),
        ("metadata.labels['app.io/x']", Ok("y")),
        ("metadata.labels['none']", Ok("")),
        ("metadata.annotations['note']", Ok("n")),
        ("spec.nodeName", Ok("node-1")),
        ("spec.serviceAccountName", Ok("robot")),
        ("status.hostIP", Ok("10.0.0.1")),
        ("status.hostIPs", Ok("10.0.0.1")),
        ("status.podIP", Ok("10.0.0.1")),
        ("status.podIPs", Ok("10.0.0.1")),
        ("spec.containers", Err("is no field")),
        ("spec['x']", Err("is no field")),
    ];
    for (path, expected) in cases {
        let found = value(&format!(r#"{{"fieldRef": {{"fieldPath": "{path}"}}}}"#));
        match expected {
            Ok(expected) => assert_eq!(found.as_deref(), Ok(expected), "{path}"),
            Err(expected) => assert!(found.clone().unwrap_err().contains(expected), "{path} {found:?}"),
        }
    }
}

#[test]
fn resource_fields_are_divided_and_rounded_up() {
    let cases = [
        (r#"{"resource": "limits.memory"}"#, Ok("104857600")),
        (r#"{"resource": "limits.memory", "divisor": "1Mi"}"#, Ok("100")),
        (r#"{"resource": "limits.memory", "divisor": "30Mi"}"#, Ok("4")),
        (r#"{"resource": "requests.cpu"}"#, Ok("1")),
        (r#"{"resource": "requests.cpu", "divisor": "1m"}"#, Ok("250")),
        (r#"{"resource": "requests.memory"}"#, Ok("104857600")),
        // No limit: what the node can give.
        (r#"{"resource": "limits.cpu"}"#, Ok("2")),
        (r#"{"resource": "requests.ephemeral-storage"}"#, Ok("0")),
        (
            r#"{"resource": "limits.memory", "containerName": "main"}"#,
            Ok("104857600"),
        ),
        (
            r#"{"resource": "limits.memory", "containerName": "no"}"#,
            Err("no container \"no\""),
        ),
        (r#"{"resource": "memory"}"#, Err("neither limits.NAME")),
    ];
    for (field, expected) in cases {
        let found = value(&format!(r#"{{"resourceFieldRef": {field}}}"#));
        match expected {
            Ok(expected) => assert_eq!(found.as_deref(), Ok(expected), "{field}"),
            Err(expected) => assert!(found.clone().unwrap_err().contains(expected), "{field} {found:?}"),
        }
    }
}

#[test]
fn references_to_secrets_and_config_maps_are_refused_unless_optional() {
    for (env, expected) in [
        (
            r#""env": [{"name": "V", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]"#,
            "env \"V\": valueFrom.secretKeyRef is not supported",
        ),
        (
            r#""env": [{"name": "V", "valueFrom": {"configMapKeyRef": {"name": "s", "key": "k"}}}]"#,
            "valueFrom.configMapKeyRef",
        ),
        (
            r#""envFrom": [{"secretRef": {"name": "s"}}]"#,
            "envFrom[0].secretRef",
        ),
        (
            r#""envFrom": [{"configMapRef": {"name": "s"}}]"#,
            "envFrom[0].configMapRef",
        ),
    ] {
        let refusal = check(env).unwrap_err();
        assert!(refusal.contains(expected), "{refusal}");
    }
    for env in [
        r#""env": [{"name": "V", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}}]"#,
        r#""envFrom": [{"configMapRef": {"name": "s", "optional": true}}]"#,
    ] {
        assert_eq!(check(env).unwrap(), []);
    }
}
