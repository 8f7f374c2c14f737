//! What scripts cannot say: the shape of a Job's pods, the size of plans, and decisions that meet a later state.

use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::Pod;
use bosun_proto::{Kind, Resource};

use super::*;
use crate::kinds::pod;
use crate::liveness::Standing;
use crate::state::Write;
use crate::testing::Fixture;

/// A Job `x` in a cluster with a node; `spec` is YAML in one line.
fn with_job(spec: &str) -> Fixture {
    let mut fixture = Fixture::with_node();
    let template = "{spec: {restartPolicy: Never, initContainers: [{name: first, image: busybox, command: [prepare]}], \
                    containers: [{name: main, image: busybox, command: [work], env: [{name: A, value: b}]}]}}";
    fixture.apply(&format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{name: x}}, spec: {{{spec}, template: {template}}}}}"
    ));
    fixture
}

fn key() -> Key {
    Key::new(Kind::Job, "default", "x")
}

fn decide(fixture: &Fixture) -> Plan {
    JobController.reconcile(&fixture.snapshot(), &key(), fixture.now())
}

#[test]
fn a_pod_of_an_indexed_job_learns_its_index_in_five_ways() {
    let mut fixture = with_job("completions: 3, parallelism: 3, completionMode: Indexed");
    fixture.settle();
    let pods = fixture.pods_of(Kind::Job, "x");
    let pod = pods
        .iter()
        .find(|pod| pods::completion_index(pod) == Some(2))
        .unwrap();
    let metadata = pod.metadata();
    assert!(
        metadata.name.starts_with("x-2-") && metadata.name.len() == "x-2-".len() + 5,
        "{}",
        metadata.name
    );
    assert_eq!(metadata.labels[pods::INDEX_ANNOTATION], "2");
    assert_eq!(metadata.annotations[pods::INDEX_ANNOTATION], "2");
    let spec = pod::spec(pod);
    assert_eq!(spec.hostname, "x-2");
    for container in spec.containers.iter().chain(&spec.init_containers) {
        let variable = container
            .env
            .iter()
            .find(|variable| variable.name == "JOB_COMPLETION_INDEX")
            .unwrap();
        let field = variable.value_from.as_ref().unwrap().field_ref.as_ref().unwrap();
        assert_eq!(
            field.field_path,
            "metadata.annotations['batch.kubernetes.io/job-completion-index']"
        );
    }
}

#[test]
fn every_pod_of_a_job_has_its_labels_owner_and_finalizer() {
    let mut fixture = with_job("completions: 1");
    fixture.settle();
    let uid = fixture.job("x").metadata().uid.clone();
    let pods = fixture.pods();
    let metadata = pods[0].metadata();
    for (label, value) in [
        ("batch.kubernetes.io/job-name", "x"),
        ("job-name", "x"),
        ("batch.kubernetes.io/controller-uid", uid.as_str()),
        ("controller-uid", uid.as_str()),
    ] {
        assert_eq!(metadata.labels[label], value);
    }
    assert_eq!(metadata.finalizers, ["batch.kubernetes.io/job-tracking"]);
    let owner = &metadata.owner_references[0];
    assert_eq!(
        (owner.kind.as_str(), owner.name.as_str(), owner.uid.as_str()),
        ("Job", "x", uid.as_str())
    );
    assert_eq!(
        (owner.controller, owner.block_owner_deletion),
        (Some(true), Some(true))
    );
}

#[test]
fn a_large_job_is_made_in_several_plans() {
    let mut fixture = with_job("completions: 1000, parallelism: 500");
    let first = decide(&fixture);
    assert_eq!(first.writes.len(), PODS_PER_PLAN + 1);
    fixture.settle();
    assert_eq!(fixture.pods().len(), 500);
    assert_eq!(fixture.job("x").status.unwrap().active, 500);
}

#[test]
fn pods_that_finish_meanwhile_are_no_conflict_and_a_changed_spec_is_one() {
    let mut fixture = with_job("completions: 9, parallelism: 3");
    fixture.settle();
    let names: Vec<String> = fixture
        .pods()
        .iter()
        .map(|pod| pod.metadata().name.clone())
        .collect();
    fixture.finish(&names[0], 0);
    // Decided now, and applied when a second pod has been counted.
    let late = decide(&fixture);
    assert!(
        matches!(late.writes[..], [Write::Progress(_), Write::Create(_)]),
        "{:?}",
        late.writes
    );
    fixture.finish(&names[1], 0);
    let named = |plan: &Plan, name: &str| {
        let mut writes = plan.writes.clone();
        if let Write::Create(object) = &mut writes[1] {
            object.metadata_mut().name = name.to_owned();
        }
        writes
    };
    assert!(fixture.execute(named(&late, "x-late")).is_ok());
    assert_eq!(fixture.job("x").status.unwrap().succeeded, 2);
    fixture.update::<Job>("x", |job| job.spec.get_or_insert_default().parallelism = Some(1));
    let refused = fixture.execute(named(&late, "x-too-late")).unwrap_err();
    assert!(
        matches!(refused.reason, crate::state::Reason::Conflict { .. }),
        "{refused:?}"
    );
}

#[test]
fn a_job_that_another_controller_manages_is_left_alone() {
    let mut fixture = with_job("completions: 1, managedBy: example.com/other");
    fixture.settle();
    assert!(fixture.pods().is_empty());
    assert_eq!(fixture.job("x").status.unwrap_or_default(), Default::default());
}

#[test]
fn a_job_without_news_costs_nothing_but_a_look_at_its_open_pods() {
    let mut fixture = with_job("completions: 40, parallelism: 20");
    fixture.settle();
    for pod in fixture.pods() {
        fixture.finish(&pod.metadata().name, 0);
    }
    fixture.settle();
    let snapshot = fixture.snapshot();
    let uid = fixture.job("x").metadata().uid.clone();
    assert_eq!(snapshot.controlled_by::<Pod>(&uid).count(), 40);
    assert_eq!(snapshot.open_pods_of(&uid).count(), 20);
    assert_eq!(decide(&fixture), Plan::default());
}

#[test]
fn two_pods_of_one_index_become_one_and_the_further_one_stays() {
    let mut fixture = with_job("completions: 2, parallelism: 2, completionMode: Indexed");
    fixture.settle();
    let pods = fixture.pods();
    fixture.run(&pods[1].metadata().name);
    fixture.settle();
    let index = pods::completion_index(&pods[1]).unwrap();
    let mut twin = pods[1].clone();
    let metadata = twin.metadata_mut();
    (metadata.name, metadata.uid) = ("twin".into(), "twin".into());
    fixture.execute(vec![Write::Create(twin.into())]).unwrap();
    fixture.settle();
    fixture.stop_ending();
    let left: Vec<Pod> = fixture
        .pods()
        .into_iter()
        .filter(|pod| pods::completion_index(pod) == Some(index))
        .collect();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].metadata().uid, pods[1].metadata().uid);
    assert_eq!(fixture.job("x").status.unwrap().failed, 0);
}

#[test]
fn a_job_that_is_deleted_meanwhile_adopts_nothing() {
    let mut fixture = Fixture::with_node();
    fixture.apply(
        "{apiVersion: batch/v1, kind: Job, metadata: {name: x}, spec: {manualSelector: true, suspend: true, selector: \
         {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {restartPolicy: Never, containers: [{name: c, \
         image: busybox, command: [work]}]}}}}",
    );
    fixture.settle();
    fixture.apply(
        "{apiVersion: v1, kind: Pod, metadata: {name: mine, labels: {a: b}}, spec: {containers: [{name: c, image: busybox, \
         command: [work]}]}}",
    );
    let plan = decide(&fixture);
    let pod = Key::new(Kind::Pod, "default", "mine");
    assert!(plan.writes.iter().any(|write| write.key() == pod), "{plan:?}");
    fixture.delete(&key(), Some("Background"));
    assert!(fixture.execute(plan.writes).is_err());
    fixture.settle();
    assert!(fixture.snapshot().get(&pod).is_some());
}

#[test]
fn pods_decided_on_for_a_job_that_ends_meanwhile_are_not_made() {
    let mut fixture = with_job("completions: 2, parallelism: 2");
    let plan = decide(&fixture);
    let creates = |write: &Write| matches!(write, Write::Create(_));
    assert!(plan.writes.iter().any(creates), "{plan:?}");
    fixture.delete(&key(), Some("Foreground"));
    assert!(fixture.execute(plan.writes).is_err());
    assert_eq!(fixture.pods(), []);
}

#[test]
fn pods_lost_with_their_node_are_made_anew_at_once_and_those_that_failed_are_not() {
    let mut fixture = with_job("completions: 4, parallelism: 4");
    fixture.settle();
    let names = |fixture: &Fixture| -> Vec<String> {
        let pods = fixture.pods_of(Kind::Job, "x");
        let open = pods.iter().filter(|pod| pod::spec(pod).node_name != "n1");
        open.map(|pod| pod.metadata().name.clone()).collect()
    };
    for pod in fixture.pods_of(Kind::Job, "x") {
        fixture.run(&pod.metadata().name);
    }
    fixture.add_node("n2", &[("cpu", "8"), ("memory", "8Gi"), ("pods", "110")]);
    fixture.find_node("n1", Standing::Lost);
    fixture.settle();
    let replaced = names(&fixture);
    assert_eq!(replaced.len(), 4);

    fixture.run(&replaced[0]);
    fixture.fail(&replaced[0]);
    fixture.settle();
    assert_eq!(names(&fixture).len(), 4, "the next one has to wait");
    fixture.advance(10);
    assert_eq!(names(&fixture).len(), 5);
}

#[test]
fn pods_of_a_large_template_are_made_in_several_plans() {
    let mut fixture = with_job("completions: 9, parallelism: 9");
    let mut job = fixture
        .snapshot()
        .find_key::<Job>(&key())
        .cloned()
        .unwrap()
        .as_ref()
        .clone();
    let template = job.spec.get_or_insert_default().template.get_or_insert_default();
    template.spec.get_or_insert_default().containers[0].args = vec!["x".repeat(300 << 10)];
    let old = fixture.snapshot().get(&key()).cloned().unwrap();
    fixture.execute(vec![Write::replace(&old, job)]).unwrap();
    let creates = |plan: &Plan| {
        let creates = plan
            .writes
            .iter()
            .filter(|write| matches!(write, Write::Create(_)));
        creates.count()
    };
    assert_eq!(creates(&decide(&fixture)), 3, "of 300 KiB each in 1 MiB");
    fixture.settle();
    assert_eq!(fixture.pods_of(Kind::Job, "x").len(), 9);
}
