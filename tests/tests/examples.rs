//! The manifests in examples/, each applied to a control plane in memory whose clock the test moves. What real processes
//! make of them is a matter of the end-to-end tests.

use bosun_core::kinds;
use bosun_core::state::Usage;
use bosun_core::testing::{Fixture, objects_from_yaml};
use bosun_proto::{Kind, Object};

/// Applies one example and compares what it made with `expected`: kind and name of each object.
fn check(text: &str, expected: &[(Kind, &str)]) -> Fixture {
    let objects = objects_from_yaml(text).expect("a manifest without unknown fields");
    let made: Vec<_> = objects
        .iter()
        .map(|object| (object.kind(), &*object.metadata().name))
        .collect();
    assert_eq!(made, expected);
    let mut fixture = Fixture::with_node();
    for object in objects {
        let stored: Object = fixture.create(object);
        let warnings = kinds::warnings(&stored);
        let unexpected: Vec<_> = warnings
            .iter()
            .filter(|warning| !warning.contains(".image is ignored"))
            .collect();
        assert!(
            unexpected.is_empty(),
            "{} is not fully enforced: {unexpected:?}",
            stored.key()
        );
    }
    fixture.settle();
    fixture
}

#[test]
fn job() {
    check(include_str!("../../examples/job.yaml"), &[(Kind::Job, "hello")]);
}

#[test]
fn job_parallel() {
    check(
        include_str!("../../examples/job-parallel.yaml"),
        &[(Kind::Job, "six-pieces")],
    );
}

#[test]
fn cronjobs() {
    check(
        include_str!("../../examples/cronjob.yaml"),
        &[(Kind::CronJob, "every-minute")],
    );
    check(
        include_str!("../../examples/cronjob-forbid.yaml"),
        &[(Kind::CronJob, "one-at-a-time")],
    );
    check(
        include_str!("../../examples/cronjob-replace.yaml"),
        &[(Kind::CronJob, "newest-wins")],
    );
}

#[test]
fn replicaset() {
    check(
        include_str!("../../examples/replicaset.yaml"),
        &[(Kind::ReplicaSet, "web")],
    );
}

#[test]
fn pod() {
    let mut fixture = check(include_str!("../../examples/pod.yaml"), &[(Kind::Pod, "lone")]);
    fixture.run("lone");
    fixture.finish("lone", 0);
    let [pod] = fixture.pods().try_into().expect("one pod, which stays");
    assert_eq!(
        (
            pod.status.expect("a status").phase.as_str(),
            fixture.snapshot().usage("n1")
        ),
        ("Succeeded", Usage::default())
    );
}

#[test]
fn mixed() {
    let expected = [
        (Kind::Job, "mixed-once"),
        (Kind::ReplicaSet, "mixed-always"),
        (Kind::CronJob, "mixed-each-minute"),
    ];
    check(include_str!("../../examples/mixed.yaml"), &expected);
}
