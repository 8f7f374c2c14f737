//! Nodes, Namespaces and Events.

use bosun_proto::core_v1::Node;
use bosun_proto::{Kind, Resource};

use super::fixtures::{NOW, changed, check, check_rows, check_update, created, object};
use super::{cells, columns, name_first, node, selectable_field, warnings};

const NODE: &str = "
apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {taints: [{key: a, value: b, effect: NoSchedule}]}
status: {capacity: {cpu: 4}}
";
const NAMESPACE: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: team}}";
const EVENT: &str = "
apiVersion: v1
kind: Event
metadata: {name: e, namespace: default}
involvedObject: {kind: Pod, namespace: default, name: p, uid: u, apiVersion: v1, fieldPath: spec}
reason: Started
message: 'it runs '
type: Normal
count: 3
source: {component: agent, host: n1}
firstTimestamp: '2027-01-15T08:00:00Z'
lastTimestamp: '2027-01-15T08:00:30Z'
";

#[test]
fn nodes() {
    check(
        NODE,
        r#"
        spec.taints[0].key = "a b" => spec.taints[0].key: is not a key
        spec.taints[0].effect = "Never" => spec.taints[0].effect: NoExecute
        spec.taints[1] = {"key":"a","effect":"NoSchedule"} => spec.taints[1].key: already
        status.allocatable = {"cpu":"-1"} => status.allocatable[cpu]: negative
        "#,
    );
    let stored = created(object(NODE));
    assert_eq!(stored.to_json().pointer("/status/allocatable/cpu").unwrap(), "4");
    check_rows(
        &stored,
        NOW,
        &r#"
        nothing => Unknown | <none>
        READY = {"type":"Ready","status":"True"} => Ready | <none>
        READY = {"type":"Ready","status":"False"} => NotReady | <none>
        READY = {"type":"Ready","status":"Unknown"} => NotReady | <none>
        READY = {"type":"Ready","status":"True"}; spec.unschedulable = true => Ready,SchedulingDisabled | <none>
        metadata.labels = {"node-role.kubernetes.io/a":"","node-role.kubernetes.io/b":""} => Unknown | a,b
        INFO = {"kubeletVersion":"v1","osImage":"Linux"} => Unknown | <none> | 0s | v1 | <none> | <none> | Linux | <unknown>
        status.addresses = [{"type":"InternalIP","address":"10.0.0.1"}] => Unknown | <none> | 0s | | 10.0.0.1 | <none>
        "#
        .replace("READY", "status.conditions[0]")
        .replace("INFO", "status.nodeInfo"),
    );
    assert_eq!(
        selectable_field(&stored, "spec.unschedulable").as_deref(),
        Some("false")
    );
}

#[test]
fn a_taint_that_evicts_nobody_is_named() {
    assert_eq!(warnings(&object(NODE)), [""; 0]);
    let evicting = object(&NODE.replace("NoSchedule", "NoExecute"));
    assert!(warnings(&evicting)[0].starts_with("spec.taints[0].effect: NoExecute"));
    let lost = NODE.replace("key: a", "key: node.kubernetes.io/unreachable");
    assert_eq!(
        warnings(&object(&lost.replace("NoSchedule", "NoExecute"))),
        [""; 0]
    );
}

#[test]
fn a_node_takes_pods_while_it_is_ready_and_neither_cordoned_nor_removed() {
    let ready = r#"status.conditions[0] = {"type":"Ready","status":"True"}"#;
    let cases = [
        (String::new(), false),
        (ready.to_owned(), true),
        (ready.replace("True", "Unknown"), false),
        (format!("{ready}\nspec.unschedulable = true"), false),
        (
            format!("{ready}\nmetadata.deletionTimestamp = \"2027-01-15T08:00:00Z\""),
            false,
        ),
    ];
    for (changes, takes_pods) in cases {
        let object = changed(&created(object(NODE)), &changes);
        let found = Node::from_object(&object).map(|node| node::takes_pods(node));
        assert_eq!(found, Some(takes_pods), "{changes}");
    }
}

#[test]
fn namespaces() {
    let stored = created(object(NAMESPACE));
    let expected = changed(
        &object(NAMESPACE),
        "metadata.labels = {\"kubernetes.io/metadata.name\":\"team\"}
         metadata.uid = \"9d9c9b2e-0000-4000-8000-000000000001\"
         metadata.creationTimestamp = \"2027-01-15T08:00:00Z\"
         metadata.generation = 1
         spec.finalizers = [\"kubernetes\"]
         status.phase = \"Active\"",
    );
    assert_eq!(stored, expected);
    assert_eq!(cells(&stored, NOW.plus_seconds(1)), ["Active", "1s"]);
    check_update(
        &stored,
        r#"
        spec = - => fine
        metadata.labels = {} => fine
        spec.finalizers = ["a.b/c"] => spec.finalizers: when the namespace is empty
        "#,
    );
}

#[test]
fn events() {
    check(
        EVENT,
        r#"
        involvedObject.namespace = "other" => involvedObject.namespace: must be the namespace
        involvedObject.namespace = - => fine
        type = "Bad" => type: Warning
        count = -1 => count: 0 or more
        "#,
    );
    let event = object(EVENT);
    let row = [
        "60s",
        "Normal",
        "Started",
        "pod/p",
        "it runs",
        "spec",
        "agent, n1",
        "90s",
        "3",
        "e",
    ];
    assert_eq!(cells(&event, NOW.plus_seconds(90)), row);
    assert_eq!(row.len(), columns(Kind::Event).len());
    assert!(!name_first(Kind::Event) && name_first(Kind::Pod));
    let series = changed(
        &event,
        "series.count = 9\nseries.lastObservedTime = \"2027-01-15T08:01:00.000000Z\"\nsource = -\nreportingComponent = \"x\"",
    );
    let row = cells(&series, NOW.plus_seconds(90));
    assert_eq!([&row[0], &row[6], &row[8]], ["30s", "x", "9"]);
    assert_eq!(selectable_field(&series, "source").as_deref(), Some("x"));
    assert_eq!(
        selectable_field(&event, "involvedObject.uid").as_deref(),
        Some("u")
    );
}
