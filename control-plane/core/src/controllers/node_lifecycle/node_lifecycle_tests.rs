//! Nodes that fall silent, are lost and come back, and what that means for their pods.

use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::Node;
use bosun_proto::node_loss::{NODE_LOST, ON_NODE_LOSS_ANNOTATION};
use bosun_proto::{Key, Kind, Resource};

use super::*;
use crate::kinds::pod;
use crate::testing::Fixture;

const UNREACHABLE: [&str; 2] = [
    "node.kubernetes.io/unreachable:NoSchedule",
    "node.kubernetes.io/unreachable:NoExecute",
];

/// A ReplicaSet of two, a Job of one, and bare pods that choose for themselves; all on `n1`, all running.
fn cluster() -> Fixture {
    let mut fixture = Fixture::with_node();
    let container = |indent: usize| {
        let indent = " ".repeat(indent);
        format!(
            "{indent}containers:\n{indent}- name: main\n{indent}  image: busybox\n{indent}  command: [sleep]\n"
        )
    };
    fixture.apply(&format!(
        "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata:\n  name: web\nspec:\n  replicas: 2\n  selector:\n    matchLabels:\n      \
         app: web\n  template:\n    metadata:\n      labels:\n        app: web\n    spec:\n{}",
        container(6)
    ));
    fixture.apply(&format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: work\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n{}",
        container(6)
    ));
    for (name, choice) in [("plain", None), ("keeps", Some("keep")), ("stops", Some("stop"))] {
        let annotations = choice.map_or(String::new(), |choice| {
            format!("  annotations:\n    {ON_NODE_LOSS_ANNOTATION}: {choice}\n")
        });
        fixture.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n{annotations}spec:\n{}",
            container(2)
        ));
    }
    fixture.settle();
    for pod in fixture.pods() {
        fixture.run(&pod.metadata().name);
    }
    fixture.settle();
    fixture.advance(60);
    fixture
}

fn turn(fixture: &mut Fixture, standing: Standing) -> usize {
    let plans = plans(&fixture.snapshot(), "n1", standing, fixture.now());
    let count = plans.len();
    for plan in plans {
        assert!(fixture.execute(plan.writes).is_ok());
    }
    count
}

fn taints(fixture: &Fixture) -> Vec<String> {
    let node = fixture.get::<Node>("n1");
    node::spec(&node)
        .taints
        .iter()
        .map(|taint| format!("{}:{}", taint.key, taint.effect))
        .collect()
}

fn ready(fixture: &Fixture) -> String {
    let node = fixture.get::<Node>("n1");
    node::condition(&node, "Ready")
        .map(|ready| ready.status.clone())
        .unwrap_or_default()
}

/// The names of finished pods, without the random ends.
fn lost(fixture: &Fixture) -> Vec<String> {
    let finished = fixture.pods().into_iter().filter(pod::is_finished);
    let mut names: Vec<String> = finished
        .map(|pod| {
            assert_eq!(pod::status(&pod).reason, NODE_LOST);
            assert!(pod::condition(&pod, "DisruptionTarget").is_some_and(|it| it.status == "True"));
            assert!(!pod::is_ready(&pod));
            assert!(
                pod::status(&pod)
                    .container_statuses
                    .iter()
                    .all(|container| !container.ready)
            );
            pod.metadata()
                .name
                .split('-')
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_silent_node_is_tainted_and_its_pods_that_may_overlap_are_replaced() {
    let mut fixture = cluster();
    fixture.add_node("n2", &[("cpu", "64"), ("memory", "64Gi"), ("pods", "1000")]);
    fixture.settle();
    assert_eq!(turn(&mut fixture, Standing::Silent), 1);
    assert_eq!(
        (ready(&fixture).as_str(), taints(&fixture)),
        ("Unknown", UNREACHABLE.map(String::from).to_vec())
    );
    assert_eq!(lost(&fixture), ["keeps", "web", "web"]);
    let ready_pods = fixture.pods().iter().filter(|pod| pod::is_ready(pod)).count();
    assert_eq!(ready_pods, 0);
    fixture.settle();
    let new = fixture
        .pods_of(Kind::ReplicaSet, "web")
        .into_iter()
        .filter(pod::is_active)
        .collect::<Vec<_>>();
    assert!(new.len() == 2 && new.iter().all(|pod| pod::spec(pod).node_name == "n2"));
    assert_eq!(fixture.pods_of(Kind::Job, "work").len(), 1);
    assert_eq!(turn(&mut fixture, Standing::Silent), 0, "all of it is written");
}

#[test]
fn a_lost_node_loses_all_pods_and_their_job_counts_them_in_the_same_transaction() {
    let mut fixture = cluster();
    fixture.delete(&Key::new(Kind::Pod, "default", "plain"), None);
    fixture.settle();
    turn(&mut fixture, Standing::Silent);
    fixture.settle();
    turn(&mut fixture, Standing::Lost);
    assert!(
        fixture
            .snapshot()
            .get(&Key::new(Kind::Pod, "default", "plain"))
            .is_none(),
        "nothing stays ending for ever"
    );
    assert_eq!(lost(&fixture), ["keeps", "stops", "web", "web", "work"]);
    let job: Job = fixture.job("work");
    assert_eq!(job.status.map(|status| status.failed), Some(1));
    fixture.settle();
    assert_eq!(turn(&mut fixture, Standing::Lost), 0);
}

#[test]
fn a_node_that_comes_back_is_ready_and_keeps_the_taints_of_others() {
    let mut fixture = cluster();
    fixture.update::<Node>("n1", |node| {
        let own = bosun_proto::core_v1::Taint {
            key: "team".into(),
            effect: "NoSchedule".into(),
            ..Default::default()
        };
        node.spec.get_or_insert_default().taints.push(own);
    });
    turn(&mut fixture, Standing::Silent);
    assert_eq!(taints(&fixture).len(), 3);
    turn(&mut fixture, Standing::Heard);
    assert_eq!(
        (ready(&fixture).as_str(), taints(&fixture)),
        ("True", vec!["team:NoSchedule".into()])
    );
    let fenced = fixture.pods_of(Kind::Job, "work");
    assert!(
        fenced.len() == 1 && pod::is_active(&fenced[0]),
        "its agent was back before it had to stop it"
    );
    assert_eq!(turn(&mut fixture, Standing::Heard), 0);
    assert_eq!(written_standing(&fixture.get::<Node>("n1")), Standing::Heard);
}

#[test]
fn what_is_written_about_an_unheard_node_later_is_noticed() {
    let mut fixture = cluster();
    let again = |fixture: &Fixture, standing| has_to_be_written_again(&fixture.snapshot(), "n1", standing);
    assert!(again(&fixture, Standing::Silent) && again(&fixture, Standing::Lost));
    turn(&mut fixture, Standing::Silent);
    assert!(!again(&fixture, Standing::Silent) && again(&fixture, Standing::Lost));
    turn(&mut fixture, Standing::Lost);
    assert!(!again(&fixture, Standing::Lost));
    fixture.apply(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: direct\nspec:\n  nodeName: n1\n  containers:\n  - name: main\n    image: \
         busybox\n    command: [sleep]\n",
    );
    assert!(
        again(&fixture, Standing::Lost),
        "a pod came to it without the scheduler"
    );
    turn(&mut fixture, Standing::Lost);
    assert!(!again(&fixture, Standing::Lost));
    // Its agent joined, which makes it ready, and was never heard.
    let mut node = fixture.get::<Node>("n1");
    let stored = Object::from(node.clone());
    make_ready(&mut node, fixture.now());
    assert!(fixture.execute(vec![Write::replace(&stored, node)]).is_ok());
    assert!(again(&fixture, Standing::Silent) && again(&fixture, Standing::Lost));
}

#[test]
fn many_pods_are_given_up_in_transactions_of_limited_size() {
    let mut fixture = Fixture::with_node();
    for number in 0..450 {
        fixture.apply(&format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p{number}\nspec:\n  containers:\n  - name: main\n    image: busybox\n    \
             command: [sleep]\n"
        ));
    }
    fixture.settle();
    let plans = plans(&fixture.snapshot(), "n1", Standing::Lost, fixture.now());
    let sizes: Vec<usize> = plans.iter().map(|plan| plan.writes.len()).collect();
    assert_eq!(sizes, [200, 200, 51]);
    assert_eq!(
        plans[0].writes[0].key(),
        Key::new(Kind::Node, "", "n1"),
        "the node and its taints come first"
    );
    assert_eq!(plans[0].notes[0].reason, "NodeNotReady");
}

#[test]
fn a_cordoned_node_carries_the_taint_that_says_so() {
    let mut fixture = Fixture::with_node();
    fixture.settle();
    assert_eq!(taints(&fixture), [""; 0]);
    fixture.update::<Node>("n1", |node| {
        node.spec.get_or_insert_default().unschedulable = true;
    });
    fixture.settle();
    assert_eq!(taints(&fixture), ["node.kubernetes.io/unschedulable:NoSchedule"]);
    fixture.update::<Node>("n1", |node| {
        node.spec.get_or_insert_default().unschedulable = false;
    });
    fixture.settle();
    assert_eq!(taints(&fixture), [""; 0]);
}

#[test]
fn conditions_become_taints_whoever_wrote_them() {
    for (condition_type, status, expected) in [
        (
            "Ready",
            "False",
            "node.kubernetes.io/not-ready:NoSchedule node.kubernetes.io/not-ready:NoExecute",
        ),
        (
            "MemoryPressure",
            "True",
            "node.kubernetes.io/memory-pressure:NoSchedule",
        ),
        (
            "DiskPressure",
            "True",
            "node.kubernetes.io/disk-pressure:NoSchedule",
        ),
        ("DiskPressure", "False", ""),
    ] {
        let mut fixture = Fixture::with_node();
        let mut node = fixture.get::<Node>("n1");
        let stored = bosun_proto::Object::from(node.clone());
        let condition = bosun_proto::core_v1::NodeCondition {
            r#type: condition_type.into(),
            status: status.into(),
            ..Default::default()
        };
        let conditions = &mut node.status.get_or_insert_default().conditions;
        conditions.retain(|present| present.r#type != condition_type);
        conditions.push(condition);
        assert!(fixture.execute(vec![Write::replace(&stored, node)]).is_ok());
        fixture.settle();
        assert_eq!(taints(&fixture).join(" "), expected, "{condition_type} {status}");
    }
}
