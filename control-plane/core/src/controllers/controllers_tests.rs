//! What every controller in the table owes, checked for each of them without writing a test for it.
//!
//! The fourth debt, to write only the fields it owns, is checked in the fixture for every plan that any test carries out
//! (`testing/fields.rs`).

use super::CONTROLLERS;
use crate::testing::Fixture;

/// Something to do for each controller.
const OBJECTS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: extra}
---
apiVersion: batch/v1
kind: Job
metadata: {name: job}
spec:
  completions: 3
  parallelism: 2
  ttlSecondsAfterFinished: 60
  template:
    spec: {restartPolicy: Never, containers: [{name: main, image: busybox, command: ['true']}]}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: set}
spec:
  replicas: 2
  selector: {matchLabels: {app: set}}
  template:
    metadata: {labels: {app: set}}
    spec: {containers: [{name: main, image: busybox, command: [sleep]}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: cron}
spec:
  schedule: '*/1 * * * *'
  jobTemplate:
    spec:
      template:
        spec: {restartPolicy: Never, containers: [{name: main, image: busybox, command: ['true']}]}
";

/// Panics when a controller decides differently the second time; how many plans had something to write.
fn plans_with_writes(fixture: &Fixture) -> usize {
    let (snapshot, now) = (fixture.snapshot(), fixture.now());
    let mut with_writes = 0;
    for controller in CONTROLLERS {
        for key in controller.keys(&snapshot) {
            let plan = controller.reconcile(&snapshot, &key, now);
            let again = controller.reconcile(&snapshot, &key, now);
            assert_eq!(
                plan,
                again,
                "{} decides differently about {key}",
                controller.name()
            );
            with_writes += usize::from(!plan.writes.is_empty());
        }
    }
    with_writes
}

#[test]
fn each_controller_decides_the_same_twice_settles_and_then_wants_nothing() {
    let mut fixture = Fixture::with_node();
    fixture.apply(OBJECTS);
    assert!(
        plans_with_writes(&fixture) >= 2,
        "there is something to do at first"
    );
    fixture.settle();
    assert_eq!(plans_with_writes(&fixture), 0, "nothing is left to do at rest");
    fixture.advance(61);
    assert_eq!(
        plans_with_writes(&fixture),
        0,
        "nor a minute later, with a Job of the CronJob"
    );
    let pods: Vec<String> = fixture
        .pods()
        .into_iter()
        .filter_map(|pod| Some(pod.metadata?.name))
        .collect();
    for name in pods.iter().filter(|name| name.starts_with("job-")) {
        fixture.finish(name, 0);
    }
    assert!(
        plans_with_writes(&fixture) >= 1,
        "finished pods are something to do"
    );
    fixture.settle();
    assert_eq!(plans_with_writes(&fixture), 0, "and that is done, too");
}
