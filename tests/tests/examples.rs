//! The manifests in examples/, each applied to a control plane in memory whose clock the test moves, and watched for what
//! its comment promises. What real processes make of them is a matter of the end-to-end tests.

use bosun_core::kinds;
use bosun_core::liveness::Standing;
use bosun_core::state::Usage;
use bosun_core::testing::Fixture;
use bosun_core::testing::objects_from_yaml;
use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::Pod;
use bosun_proto::{Key, Kind, Object, Resource};

/// 2026-01-01T00:00:00Z, when a fixture begins, in minutes since 1970.
const START_MINUTE: i64 = 29_453_760;

/// Applies one example and compares what it made with `expected`: kind and name of each object.
fn apply(text: &str, expected: &[(Kind, &str)]) -> Fixture {
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
            .filter(|text| !text.contains(".image is ignored"))
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

fn name(object: &impl Resource) -> String {
    object.metadata().name.clone()
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().map_or("", |status| status.phase.as_str())
}

/// The pods of one owner that have not finished.
fn open_pods(fixture: &Fixture, kind: Kind, owner: &str) -> Vec<String> {
    let pods = fixture.pods_of(kind, owner);
    pods.iter()
        .filter(|pod| !matches!(phase(pod), "Succeeded" | "Failed"))
        .map(name)
        .collect()
}

fn run_open_pods(fixture: &mut Fixture, kind: Kind, owner: &str) -> Vec<String> {
    let pods = open_pods(fixture, kind, owner);
    for pod in &pods {
        fixture.run(pod);
    }
    fixture.settle();
    pods
}

/// Runs and finishes what a Job starts, until it starts nothing more. How many pods ran at once, each time.
fn run_to_the_end(fixture: &mut Fixture, job: &str) -> Vec<usize> {
    let mut together = Vec::new();
    loop {
        let pods = run_open_pods(fixture, Kind::Job, job);
        if pods.is_empty() {
            return together;
        }
        together.push(pods.len());
        for pod in &pods {
            fixture.finish(pod, 0);
        }
        fixture.settle();
    }
}

/// Types and reasons of the conditions of a Job that are true.
fn conditions(job: &Job) -> Vec<(String, String)> {
    let status = job.status.as_ref().expect("a status");
    let true_ones = status
        .conditions
        .iter()
        .filter(|condition| condition.status == "True");
    true_ones
        .map(|condition| (condition.r#type.clone(), condition.reason.clone()))
        .collect()
}

fn is_complete(fixture: &Fixture, job: &str) -> bool {
    conditions(&fixture.job(job))
        .iter()
        .any(|(condition, _)| condition == "Complete")
}

/// The names of the Jobs that are there, without those in the same file.
fn jobs_of(fixture: &Fixture, cron_job: &str) -> Vec<String> {
    let snapshot = fixture.snapshot();
    let jobs = snapshot.all::<Job>(None).map(|job| name(job.as_ref()));
    jobs.filter(|job| job.starts_with(cron_job)).collect()
}

#[test]
fn job() {
    let mut fixture = apply(include_str!("../../examples/job.yaml"), &[(Kind::Job, "hello")]);
    assert_eq!(run_to_the_end(&mut fixture, "hello"), [1]);
    assert!(is_complete(&fixture, "hello"));
    assert_eq!(
        fixture.pods().iter().map(phase).collect::<Vec<_>>(),
        ["Succeeded"],
        "the finished pod stays"
    );
}

#[test]
fn job_parallel() {
    let example = include_str!("../../examples/job-parallel.yaml");
    let mut fixture = apply(example, &[(Kind::Job, "six-pieces")]);
    assert_eq!(run_to_the_end(&mut fixture, "six-pieces"), [2, 2, 2]);
    assert!(is_complete(&fixture, "six-pieces"));
    let status = fixture.job("six-pieces").status.expect("a status");
    assert_eq!((status.succeeded, status.completed_indexes.as_str()), (6, "0-5"));

    let mut slow = apply(example, &[(Kind::Job, "six-pieces")]);
    run_open_pods(&mut slow, Kind::Job, "six-pieces");
    slow.advance(31);
    slow.stop_ending();
    let failed = ("Failed".to_owned(), "DeadlineExceeded".to_owned());
    assert!(conditions(&slow.job("six-pieces")).contains(&failed));
}

#[test]
fn job_hundred() {
    let mut fixture = apply(
        include_str!("../../examples/job-hundred.yaml"),
        &[(Kind::Job, "hundred")],
    );
    let first = run_open_pods(&mut fixture, Kind::Job, "hundred");
    assert_eq!(first.len(), 12);
    for pod in &first[..5] {
        fixture.finish(pod, 0);
    }
    fixture.add_node("n2", &[("cpu", "4"), ("memory", "4Gi"), ("pods", "110")]);
    fixture.find_node("n1", Standing::Lost);
    fixture.settle();
    run_to_the_end(&mut fixture, "hundred");
    assert!(
        is_complete(&fixture, "hundred"),
        "more were lost than backoffLimit allows failures"
    );
    let status = fixture.job("hundred").status.expect("a status");
    assert_eq!(status.succeeded, 100);
}

#[test]
fn cronjob() {
    let mut fixture = apply(
        include_str!("../../examples/cronjob.yaml"),
        &[(Kind::CronJob, "every-minute")],
    );
    for minute in 1..=5 {
        fixture.advance(60);
        let due = format!("every-minute-{}", START_MINUTE + minute);
        assert!(jobs_of(&fixture, "every-minute").contains(&due), "no {due}");
        run_to_the_end(&mut fixture, &due);
    }
    let kept: Vec<_> = (3..=5)
        .map(|minute| format!("every-minute-{}", START_MINUTE + minute))
        .collect();
    assert_eq!(jobs_of(&fixture, "every-minute"), kept);
}

#[test]
fn cronjob_forbid() {
    let example = include_str!("../../examples/cronjob-forbid.yaml");
    let mut fixture = apply(example, &[(Kind::CronJob, "one-at-a-time")]);
    fixture.advance(60);
    let first = jobs_of(&fixture, "one-at-a-time");
    run_open_pods(&mut fixture, Kind::Job, &first[0]);
    fixture.advance(89);
    assert_eq!(jobs_of(&fixture, "one-at-a-time"), first, "the first still runs");
    assert!(
        fixture
            .reasons(Kind::CronJob, "one-at-a-time")
            .contains(&"JobAlreadyActive")
    );
    run_to_the_end(&mut fixture, &first[0]);
    let second = format!("one-at-a-time-{}", START_MINUTE + 2);
    assert_eq!(
        jobs_of(&fixture, "one-at-a-time"),
        [first[0].clone(), second],
        "the missed one starts late"
    );
}

#[test]
fn cronjob_replace() {
    let example = include_str!("../../examples/cronjob-replace.yaml");
    let mut fixture = apply(example, &[(Kind::CronJob, "newest-wins")]);
    for minute in 1..=3 {
        fixture.advance(60);
        fixture.stop_ending();
        let newest = format!("newest-wins-{}", START_MINUTE + minute);
        assert_eq!(jobs_of(&fixture, "newest-wins").join(" "), newest);
        assert_eq!(run_open_pods(&mut fixture, Kind::Job, &newest).len(), 1);
    }
    assert_eq!(fixture.pods().len(), 1, "the pods of the replaced Jobs are gone");
}

#[test]
fn replicaset() {
    let mut fixture = apply(
        include_str!("../../examples/replicaset.yaml"),
        &[(Kind::ReplicaSet, "web")],
    );
    let pods = run_open_pods(&mut fixture, Kind::ReplicaSet, "web");
    assert_eq!(pods.len(), 3);
    fixture.restart(&pods[0]);
    fixture.settle();
    assert_eq!(
        open_pods(&fixture, Kind::ReplicaSet, "web"),
        pods,
        "a restart happens in place"
    );

    fixture.delete(&Key::new(Kind::Pod, "default", &pods[1]), None);
    fixture.settle();
    fixture.stop_ending();
    let now = open_pods(&fixture, Kind::ReplicaSet, "web");
    let kept: Vec<_> = now.iter().filter(|pod| pods.contains(pod)).collect();
    assert_eq!(
        (now.len(), kept),
        (3, vec![&pods[0], &pods[2]]),
        "a deleted pod is replaced by a new one"
    );
}

#[test]
fn replicaset_six() {
    let mut fixture = apply(
        include_str!("../../examples/replicaset-six.yaml"),
        &[(Kind::ReplicaSet, "six")],
    );
    assert_eq!(run_open_pods(&mut fixture, Kind::ReplicaSet, "six").len(), 6);
    fixture.add_node("n2", &[("cpu", "4"), ("memory", "4Gi"), ("pods", "110")]);
    fixture.find_node("n1", Standing::Silent);
    fixture.settle();
    let elsewhere = run_open_pods(&mut fixture, Kind::ReplicaSet, "six");
    assert_eq!(elsewhere.len(), 6, "all of them are replaced");
    let nodes = fixture.pods_of(Kind::ReplicaSet, "six");
    assert!(
        nodes
            .iter()
            .filter(|pod| elsewhere.contains(&name(*pod)))
            .all(|pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name == "n2"))
    );
}

#[test]
fn pod() {
    let mut fixture = apply(include_str!("../../examples/pod.yaml"), &[(Kind::Pod, "lone")]);
    fixture.run("lone");
    fixture.finish("lone", 0);
    fixture.advance(3600);
    assert_eq!(
        fixture.pods().iter().map(phase).collect::<Vec<_>>(),
        ["Succeeded"]
    );
    assert_eq!(
        fixture.snapshot().usage("n1"),
        Usage::default(),
        "a finished pod holds no resources"
    );
}

#[test]
fn mixed() {
    let expected = [
        (Kind::Job, "mixed-once"),
        (Kind::ReplicaSet, "mixed-always"),
        (Kind::CronJob, "mixed-each-minute"),
    ];
    let mut fixture = apply(include_str!("../../examples/mixed.yaml"), &expected);
    let web = run_open_pods(&mut fixture, Kind::ReplicaSet, "mixed-always");
    assert_eq!(run_to_the_end(&mut fixture, "mixed-once"), [3]);
    assert!(is_complete(&fixture, "mixed-once"));
    fixture.advance(120);
    assert_eq!(jobs_of(&fixture, "mixed-each-minute").len(), 2);
    assert_eq!(
        (web.len(), open_pods(&fixture, Kind::ReplicaSet, "mixed-always")),
        (2, web)
    );
    assert!(
        is_complete(&fixture, "mixed-once"),
        "a finished Job stays finished"
    );
}
