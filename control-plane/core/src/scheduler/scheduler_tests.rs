//! The scheduler over whole clusters: where pods go, what is said of those that cannot, and when they are tried again.

use std::collections::BTreeMap;

use bosun_proto::core_v1::{Node, Pod, Taint};
use bosun_proto::{Key, Kind, Resource};

use super::*;
use crate::kinds::pod;
use crate::state::Write;
use crate::testing::Fixture;

const SMALL: &[(&str, &str)] = &[("cpu", "2"), ("memory", "4Gi"), ("pods", "10")];

fn cluster(nodes: &[&str]) -> Fixture {
    let mut fixture = Fixture::default();
    for node in nodes {
        fixture.add_node(node, SMALL);
    }
    fixture
}

/// A pod that requests `cpu` and has `more` in its spec (lines of YAML at that depth).
fn add_pod(fixture: &mut Fixture, name: &str, cpu: &str, more: &str) {
    let more = more
        .lines()
        .fold(String::new(), |text, line| text + "  " + line + "\n");
    fixture.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\nspec:\n{more}  containers:\n  - name: main\n    \
         image: busybox\n    command: [sleep]\n    resources:\n      requests:\n        cpu: {cpu}\n"
    ));
}

fn add_set(fixture: &mut Fixture, name: &str, replicas: i32) {
    fixture.apply(&format!(
        "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata:\n  name: {name}\nspec:\n  replicas: {replicas}\n  selector:\n    \
         matchLabels:\n      app: {name}\n  template:\n    metadata:\n      labels:\n        app: {name}\n    spec:\n      \
         containers:\n      - name: main\n        image: busybox\n        command: [sleep]\n"
    ));
}

fn node_of(fixture: &Fixture, name: &str) -> String {
    pod::spec(&fixture.get::<Pod>(name)).node_name.clone()
}

/// What the condition says about why the pod has no node; empty when it has one.
fn why_not(fixture: &Fixture, name: &str) -> String {
    let stored = fixture.get::<Pod>(name);
    let said =
        pod::condition(&stored, "PodScheduled").filter(|condition| condition.reason == "Unschedulable");
    said.map(|condition| condition.message.clone())
        .unwrap_or_default()
}

fn pods_per_node(pods: &[Pod]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for pod in pods {
        *counts.entry(pod::spec(pod).node_name.as_str()).or_default() += 1;
    }
    counts
}

fn taint(fixture: &mut Fixture, node: &str, key: &str, value: &str, effect: &str) {
    let taint = Taint {
        key: key.into(),
        value: value.into(),
        effect: effect.into(),
        time_added: None,
    };
    fixture.update::<Node>(node, |node| node.spec.get_or_insert_default().taints.push(taint));
}

#[test]
fn pods_of_one_owner_are_spread_and_so_is_the_load() {
    let mut fixture = cluster(&["a", "b", "c"]);
    add_set(&mut fixture, "web", 6);
    fixture.settle();
    let expected = BTreeMap::from([("a", 2), ("b", 2), ("c", 2)]);
    assert_eq!(pods_per_node(&fixture.pods_of(Kind::ReplicaSet, "web")), expected);
    add_pod(
        &mut fixture,
        "big",
        "1500m",
        "nodeSelector: {kubernetes.io/hostname: a}",
    );
    fixture.settle();
    add_pod(&mut fixture, "next", "500m", "");
    fixture.settle();
    assert_ne!(node_of(&fixture, "next"), "a");
}

#[test]
fn a_batch_does_not_overfill_a_node_and_says_once_why_the_rest_waits() {
    let mut fixture = cluster(&["a"]);
    for name in ["p1", "p2", "p3"] {
        add_pod(&mut fixture, name, "900m", "");
    }
    let snapshot = fixture.snapshot();
    let plans = schedule(&snapshot, &keys(&snapshot), fixture.now());
    let binds = plans
        .iter()
        .flat_map(|(_, plan)| &plan.writes)
        .filter(|write| matches!(write, Write::Bind { .. }));
    assert_eq!(binds.count(), 2);
    fixture.settle();
    let message = "0/1 nodes are available: 1 Insufficient cpu.";
    assert_eq!(why_not(&fixture, "p3"), message);
    assert_eq!(fixture.reasons(Kind::Pod, "p1"), ["Scheduled"]);
    fixture.advance(600);
    assert_eq!(fixture.reasons(Kind::Pod, "p3"), ["FailedScheduling"]);
    assert_eq!(fixture.events(Kind::Pod, "p3")[0].message, message);
    // Nothing is written about it while nothing changes.
    let snapshot = fixture.snapshot();
    let waiting = Key::new(Kind::Pod, "default", "p3");
    let again = schedule(&snapshot, std::slice::from_ref(&waiting), fixture.now());
    assert_eq!(again, [(waiting, Plan::default())]);
}

#[test]
fn a_waiting_pod_is_tried_again_when_room_or_a_node_comes() {
    let mut fixture = cluster(&["a"]);
    add_pod(&mut fixture, "first", "2", "restartPolicy: Never");
    add_pod(&mut fixture, "second", "2", "");
    add_pod(&mut fixture, "third", "2", "");
    fixture.settle();
    assert_eq!(
        (
            node_of(&fixture, "second").as_str(),
            node_of(&fixture, "third").as_str()
        ),
        ("", "")
    );
    fixture.run("first");
    fixture.finish("first", 0);
    fixture.settle();
    assert_eq!(node_of(&fixture, "second"), "a");
    fixture.add_node("b", SMALL);
    fixture.settle();
    assert_eq!(node_of(&fixture, "third"), "b");
    add_pod(&mut fixture, "fourth", "2", "");
    fixture.settle();
    fixture.delete(&Key::new(Kind::Pod, "default", "third"), None);
    fixture.settle();
    assert_eq!(
        node_of(&fixture, "fourth"),
        "",
        "a pod that is ending still holds what it has"
    );
    fixture.stop("third");
    fixture.settle();
    assert_eq!(node_of(&fixture, "fourth"), "b");
}

#[test]
fn the_message_counts_nodes_by_reason() {
    let mut fixture = Fixture::default();
    add_pod(&mut fixture, "p", "1", "nodeSelector: {disk: fast}");
    fixture.settle();
    assert_eq!(why_not(&fixture, "p"), "no nodes available to schedule pods");
    for node in ["a", "b", "c", "d", "e", "f"] {
        fixture.add_node(node, SMALL);
    }
    let fast = |node: &mut Node| drop(node.metadata_mut().labels.insert("disk".into(), "fast".into()));
    fixture.update("a", fast);
    fixture.add_node("small", &[("cpu", "500m"), ("memory", "1Gi"), ("pods", "0")]);
    fixture.update("small", fast);
    taint(&mut fixture, "a", "team", "x", "NoSchedule");
    taint(&mut fixture, "b", "team", "x", "NoExecute");
    taint(&mut fixture, "c", "team", "", "NoSchedule");
    fixture.update::<Node>("d", |node| node.spec.get_or_insert_default().unschedulable = true);
    fixture.update::<Node>("e", |node| node.metadata_mut().labels.clear());
    fixture.settle();
    assert_eq!(
        why_not(&fixture, "p"),
        "0/7 nodes are available: 1 Insufficient cpu, 1 Too many pods, 1 node(s) had untolerated taint {team: }, \
         1 node(s) were unschedulable, 2 node(s) didn't match Pod's node affinity/selector, 2 node(s) had untolerated \
         taint {team: x}."
    );
    fixture.update::<Node>("a", |node| node.spec.get_or_insert_default().taints.clear());
    fixture.settle();
    assert_eq!(node_of(&fixture, "p"), "a");
    assert_eq!(why_not(&fixture, "p"), "");
}

#[test]
fn required_and_preferred_affinity_and_taints_choose_the_node() {
    let mut fixture = cluster(&["a", "b", "c"]);
    let affinity = |kind: &str, operator: &str, values: &str| match kind {
        "required" => format!(
            "affinity:\n  nodeAffinity:\n    requiredDuringSchedulingIgnoredDuringExecution:\n      nodeSelectorTerms:\n      - \
             matchExpressions:\n        - {{key: kubernetes.io/hostname, operator: {operator}, values: {values}}}"
        ),
        _ => format!(
            "affinity:\n  nodeAffinity:\n    preferredDuringSchedulingIgnoredDuringExecution:\n    - weight: 10\n      \
             preference:\n        matchExpressions:\n        - {{key: kubernetes.io/hostname, operator: {operator}, values: {values}}}"
        ),
    };
    for number in 0..4 {
        let (must, should) = (format!("must-{number}"), format!("should-{number}"));
        add_pod(
            &mut fixture,
            &must,
            "10m",
            &affinity("required", "NotIn", "[a, b]"),
        );
        add_pod(&mut fixture, &should, "10m", &affinity("preferred", "In", "[b]"));
        fixture.settle();
        assert_eq!(
            (
                node_of(&fixture, &must).as_str(),
                node_of(&fixture, &should).as_str()
            ),
            ("c", "b")
        );
    }
    for node in ["b", "c"] {
        taint(&mut fixture, node, "slow", "", "PreferNoSchedule");
    }
    for number in 0..4 {
        let name = format!("avoids-{number}");
        add_pod(&mut fixture, &name, "100m", "");
        fixture.settle();
        assert_eq!(node_of(&fixture, &name), "a");
    }
}

#[test]
fn host_ports_collide_on_one_node_only() {
    let mut fixture = cluster(&["a", "b"]);
    let port = |protocol: &str, address: &str| {
        format!(
            "initContainers:\n- name: side\n  image: busybox\n  command: [serve]\n  restartPolicy: Always\n  ports:\n  - \
             {{containerPort: 80, hostPort: 80, protocol: {protocol}, hostIP: {address}}}"
        )
    };
    add_pod(&mut fixture, "p1", "10m", &port("TCP", "10.0.0.1"));
    add_pod(&mut fixture, "p2", "10m", &port("TCP", "0.0.0.0"));
    add_pod(&mut fixture, "p3", "10m", &port("TCP", "10.0.0.2"));
    add_pod(&mut fixture, "p4", "10m", &port("UDP", "0.0.0.0"));
    add_pod(&mut fixture, "p5", "10m", &port("TCP", "0.0.0.0"));
    fixture.settle();
    assert_ne!(node_of(&fixture, "p1"), node_of(&fixture, "p2"));
    assert_eq!(node_of(&fixture, "p1"), node_of(&fixture, "p3"));
    assert_ne!(node_of(&fixture, "p4"), "");
    let message = "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports.";
    assert_eq!(why_not(&fixture, "p5"), message);
}

#[test]
fn priority_goes_before_age_and_age_before_name() {
    let mut fixture = Fixture::default();
    add_pod(&mut fixture, "old", "1", "");
    fixture.advance(1);
    add_pod(&mut fixture, "a-new", "1", "");
    add_pod(&mut fixture, "urgent", "1", "priority: 5");
    fixture.add_node("a", SMALL);
    fixture.settle();
    assert_eq!(
        [node_of(&fixture, "urgent"), node_of(&fixture, "old")],
        ["a", "a"]
    );
    assert_eq!(node_of(&fixture, "a-new"), "");
}

#[test]
fn pods_that_are_none_of_its_business_are_left_alone() {
    let mut fixture = cluster(&["a"]);
    add_pod(
        &mut fixture,
        "gated",
        "1",
        "schedulingGates: [{name: example.com/wait}]",
    );
    add_pod(&mut fixture, "others", "1", "schedulerName: mine");
    add_pod(&mut fixture, "placed", "1", "nodeName: elsewhere");
    let keys = ["gated", "others", "placed", "missing"].map(|name| Key::new(Kind::Pod, "default", name));
    let plans = schedule(&fixture.snapshot(), &keys, fixture.now());
    assert!(
        plans.iter().all(|(_, plan)| *plan == Plan::default()),
        "{plans:?}"
    );
    assert_eq!(plans.len(), keys.len());
    fixture.settle();
    assert_eq!(node_of(&fixture, "placed"), "elsewhere");
    fixture.update::<Pod>("gated", |pod| {
        pod.spec.get_or_insert_default().scheduling_gates.clear();
    });
    fixture.settle();
    assert_eq!(node_of(&fixture, "gated"), "a");
}

#[test]
fn equal_nodes_get_their_turn() {
    let chosen = |seed| {
        let mut fixture = Fixture::new(seed);
        for node in ["a", "b", "c"] {
            fixture.add_node(node, SMALL);
        }
        add_pod(&mut fixture, "p", "1", "");
        fixture.settle();
        node_of(&fixture, "p")
    };
    let all: std::collections::BTreeSet<String> = (1..20).map(chosen).collect();
    assert_eq!(all.len(), 3);
    assert_eq!(chosen(7), chosen(7));
}

#[test]
fn a_batch_is_cut_and_goes_on() {
    let mut fixture = Fixture::default();
    let count = BATCH_PLANS_MAX + 3;
    for number in 0..count {
        add_pod(&mut fixture, &format!("p{number}"), "1m", "");
    }
    let snapshot = fixture.snapshot();
    let plans = schedule(&snapshot, &keys(&snapshot), fixture.now());
    assert_eq!(
        plans.iter().filter(|(_, plan)| !plan.is_empty()).count(),
        BATCH_PLANS_MAX
    );
    assert_eq!(
        plans
            .iter()
            .filter(|(_, plan)| plan.look_again == Some(fixture.now()))
            .count(),
        3
    );
    fixture.settle();
    fixture.add_node("a", &[("cpu", "64"), ("memory", "64Gi"), ("pods", "5000")]);
    fixture.settle();
    assert!(fixture.pods().iter().all(|pod| pod::spec(pod).node_name == "a"));
}

#[test]
fn a_change_costs_one_key_however_many_pods_wait_and_none_when_none_waits() {
    let mut fixture = cluster(&["a"]);
    add_pod(&mut fixture, "runs", "2", "restartPolicy: Never");
    fixture.settle();
    let touched = |fixture: &mut Fixture, change: &dyn Fn(&mut Fixture)| {
        let before = fixture.snapshot().version();
        change(fixture);
        let snapshot = fixture.snapshot();
        let changes: Vec<_> = snapshot
            .history()
            .since(before)
            .map(Iterator::collect)
            .unwrap_or_default();
        changes
            .into_iter()
            .flat_map(|change| touched_by(change, &snapshot))
            .collect::<Vec<_>>()
    };
    let (node, pod) = (Key::new(Kind::Node, "", "a"), |name| {
        Key::new(Kind::Pod, "default", name)
    });
    assert_eq!(touched(&mut fixture, &|fixture| fixture.run("runs")), []);
    let label = |fixture: &mut Fixture| {
        fixture.update::<Node>("a", |node| {
            drop(node.metadata_mut().labels.insert("x".into(), String::new()));
        });
    };
    assert_eq!(touched(&mut fixture, &label), []);
    for name in ["w1", "w2"] {
        assert_eq!(
            touched(&mut fixture, &|fixture| add_pod(fixture, name, "2", "")),
            [pod(name)]
        );
    }
    assert_eq!(
        touched(&mut fixture, &Fixture::settle),
        [],
        "what it says itself does not wake it"
    );
    let cordon = |fixture: &mut Fixture| {
        fixture.update::<Node>("a", |node| node.spec.get_or_insert_default().unschedulable = true);
    };
    assert_eq!(touched(&mut fixture, &cordon), std::slice::from_ref(&node));
    assert_eq!(
        touched(&mut fixture, &|fixture| fixture.finish("runs", 0)),
        [node]
    );
}
