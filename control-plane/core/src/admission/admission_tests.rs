//! Admission as a client meets it: what is completed, what is refused, and how things end.

use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::{Pod, PodStatus};
use bosun_proto::meta_v1::{DeleteOptions, ObjectMeta, Preconditions};
use bosun_proto::{Key, Kind, Object, Resource};

use super::*;
use crate::liveness::Standing;
use crate::refusal::Refusal;
use crate::state::Snapshot;
use crate::testing::Fixture;

const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: busybox, command: [sleep]}]}}";
const JOB: &str = "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox, command: ['true']}]}}}}";

fn object(yaml: &str) -> Object {
    crate::testing::objects_from_yaml(yaml).expect("valid").remove(0)
}

fn stored(snapshot: &Snapshot, kind: Kind, name: &str) -> Object {
    snapshot
        .get(&Key::new(kind, "default", name))
        .cloned()
        .expect("it was created")
}

fn refused(fixture: &mut Fixture, object: Object) -> String {
    fixture
        .try_create(object)
        .map(|object| object.key())
        .expect_err("must be refused")
        .to_string()
}

#[test]
fn a_new_object_gets_what_only_the_system_gives_and_no_more_of_what_the_client_made_up() {
    let mut fixture = Fixture::default();
    let mut pod = object(POD);
    pod.metadata_mut().uid = "made-up".into();
    pod.metadata_mut().generation = 9;
    let created = fixture.create(pod);
    let metadata = created.metadata();
    assert_eq!(metadata.namespace, "default");
    assert_eq!(metadata.uid.len(), 36);
    assert_eq!(metadata.generation, 1);
    assert_eq!(metadata.creation_timestamp, Some(fixture.now()));
}

#[test]
fn a_new_object_with_a_resource_version_or_a_namespace_it_cannot_have_is_refused() {
    let mut fixture = Fixture::default();
    let mut pod = object(POD);
    pod.metadata_mut().resource_version = "12".into();
    assert!(refused(&mut fixture, pod).contains("metadata.resourceVersion"));
    let mut node = object("{apiVersion: v1, kind: Node, metadata: {name: n}}");
    node.metadata_mut().namespace = "default".into();
    assert!(refused(&mut fixture, node).contains("metadata.namespace"));
    fixture.apply(POD);
    assert_eq!(refused(&mut fixture, object(POD)), "pods \"p\" already exists");
}

#[test]
fn an_update_keeps_status_and_system_fields_and_raises_the_generation_when_the_spec_changes() {
    let mut fixture = Fixture::default();
    fixture.apply(JOB);
    let before = stored(&fixture.snapshot(), Kind::Job, "j");
    let mut job = before.clone();
    let Object::Job(changed) = &mut job else {
        panic!("a job")
    };
    let changed = std::sync::Arc::make_mut(changed);
    changed.spec.get_or_insert_default().parallelism = Some(3);
    changed.status.get_or_insert_default().succeeded = 5;
    changed.metadata.get_or_insert_default().uid.clear();
    let admitted = update(&fixture.snapshot(), job, fixture.now()).expect("it may be changed");
    let after = admitted.object.metadata();
    assert_eq!((after.generation, &after.uid), (2, &before.metadata().uid));
    let job = Job::from_object(&admitted.object).expect("a job");
    assert_eq!(job.status.clone().unwrap_or_default().succeeded, 0);
}

#[test]
fn a_change_to_an_older_version_or_another_uid_is_a_conflict() {
    let mut fixture = Fixture::default();
    fixture.apply(POD);
    let mut pod = stored(&fixture.snapshot(), Kind::Pod, "p");
    pod.metadata_mut().resource_version = "1".into();
    let conflict = update(&fixture.snapshot(), pod.clone(), fixture.now()).expect_err("older");
    assert!(matches!(conflict, Refusal::Conflict(..)), "{conflict}");
    pod.metadata_mut().resource_version.clear();
    pod.metadata_mut().uid = "another".into();
    let conflict = update(&fixture.snapshot(), pod, fixture.now()).expect_err("another");
    assert!(conflict.to_string().contains("another"), "{conflict}");
}

#[test]
fn a_patch_that_renames_or_sets_an_unknown_field_is_refused_and_one_that_fits_applies() {
    let mut fixture = Fixture::default();
    fixture.apply(POD);
    let pod = stored(&fixture.snapshot(), Kind::Pod, "p");
    let merge = |patch: &str| patched(&pod, PatchType::Merge, patch.as_bytes());
    assert!(merge(r#"{"metadata":{"name":"q"}}"#).is_err());
    assert!(
        merge(r#"{"spec":{"colour":"red"}}"#)
            .expect_err("unknown")
            .to_string()
            .contains("colour")
    );
    assert!(merge("[1]").is_err());
    assert!(merge("{").is_err());
    let labelled = merge(r#"{"metadata":{"labels":{"a":"1"}}}"#).expect("fits");
    assert_eq!(labelled.metadata().labels["a"], "1");
    let json = br#"[{"op":"add","path":"/metadata/labels","value":{"b":"2"}}]"#;
    assert_eq!(
        patched(&pod, PatchType::Json, json)
            .expect("fits")
            .metadata()
            .labels["b"],
        "2"
    );
    let missing = br#"[{"op":"remove","path":"/spec/nothing"}]"#;
    assert!(patched(&pod, PatchType::Json, missing).is_err());
}

fn delete_request(kind: Kind, name: &str, options: DeleteOptions) -> DeleteRequest {
    DeleteRequest {
        key: Key::new(kind, "default", name),
        options,
    }
}

#[test]
fn a_running_pod_ends_gracefully_a_second_deletion_only_shortens_and_it_goes_when_its_agent_says_so() {
    let mut fixture = Fixture::with_node();
    fixture.apply(POD);
    fixture.settle();
    let with_grace = |seconds| DeleteOptions {
        grace_period_seconds: seconds,
        ..DeleteOptions::default()
    };
    let mut deadline = |seconds| {
        let request = delete_request(Kind::Pod, "p", with_grace(seconds));
        let admitted = delete(&fixture.snapshot(), &request, fixture.now()).expect("it may be deleted");
        fixture
            .execute(admitted.writes)
            .expect("nothing changed meanwhile");
        stored(&fixture.snapshot(), Kind::Pod, "p")
            .metadata()
            .deletion_grace_period_seconds
    };
    assert_eq!(deadline(None), Some(30));
    assert_eq!(deadline(Some(5)), Some(5));
    assert_eq!(deadline(Some(20)), Some(5));

    let snapshot = fixture.snapshot();
    let pod = snapshot
        .find::<Pod>("default", "p")
        .expect("it ends, but is there");
    let reported = PodStatus {
        phase: "Failed".into(),
        ..PodStatus::default()
    };
    let still_stopping = pod_status::report(&snapshot, pod, reported.clone(), false, fixture.now());
    assert!(still_stopping.is_empty(), "{still_stopping:?}");
    let writes = pod_status::report(&snapshot, pod, reported, true, fixture.now());
    fixture.execute(writes).expect("nothing changed meanwhile");
    assert_eq!(fixture.pods(), []);
}

#[test]
fn a_pod_without_a_node_goes_at_once_and_grace_zero_does_not_wait_for_the_agent() {
    let mut fixture = Fixture::default();
    fixture.apply(POD);
    fixture.delete(&Key::new(Kind::Pod, "default", "p"), None);
    assert_eq!(fixture.pods(), []);

    let mut fixture = Fixture::with_node();
    fixture.apply(POD);
    fixture.settle();
    let now = DeleteOptions {
        grace_period_seconds: Some(0),
        ..DeleteOptions::default()
    };
    let admitted = delete(
        &fixture.snapshot(),
        &delete_request(Kind::Pod, "p", now),
        fixture.now(),
    )
    .expect("forced");
    fixture
        .execute(admitted.writes)
        .expect("nothing changed meanwhile");
    assert_eq!(fixture.pods(), []);
}

#[test]
fn deletion_preconditions_and_policies_are_checked() {
    let mut fixture = Fixture::default();
    fixture.apply(JOB);
    let check = |options| {
        delete(
            &fixture.snapshot(),
            &delete_request(Kind::Job, "j", options),
            fixture.now(),
        )
    };
    let uid = Some(Preconditions {
        uid: Some("other".into()),
        ..Preconditions::default()
    });
    assert!(matches!(
        check(DeleteOptions {
            preconditions: uid,
            ..DeleteOptions::default()
        }),
        Err(Refusal::Conflict(..))
    ));
    let unknown = DeleteOptions {
        propagation_policy: Some("Sideways".into()),
        ..DeleteOptions::default()
    };
    assert!(
        check(unknown)
            .expect_err("unknown")
            .to_string()
            .contains("Foreground")
    );
    let negative = DeleteOptions {
        grace_period_seconds: Some(-1),
        ..DeleteOptions::default()
    };
    assert!(check(negative).is_err());
    // Kubernetes' trap: a Job leaves its pods unless told otherwise, and says so.
    let admitted = check(DeleteOptions::default()).expect("it may be deleted");
    assert_eq!(admitted.warnings.len(), 1);
    assert_eq!(
        admitted.object.metadata().finalizers,
        [deletion::ORPHAN_FINALIZER]
    );
}

#[test]
fn an_ending_object_takes_no_new_finalizer_and_goes_with_its_last_one() {
    let mut fixture = Fixture::default();
    let mut pod = object(POD);
    pod.metadata_mut().finalizers = vec!["example.com/wait".into()];
    fixture.create(pod);
    fixture.delete(&Key::new(Kind::Pod, "default", "p"), None);
    let mut ending = stored(&fixture.snapshot(), Kind::Pod, "p");
    ending.metadata_mut().finalizers.push("example.com/more".into());
    let refusal = update(&fixture.snapshot(), ending.clone(), fixture.now()).expect_err("it ends");
    assert!(refusal.to_string().contains("metadata.finalizers"), "{refusal}");
    ending.metadata_mut().finalizers.clear();
    let admitted = update(&fixture.snapshot(), ending, fixture.now()).expect("it may go");
    fixture
        .execute(admitted.writes)
        .expect("nothing changed meanwhile");
    assert_eq!(fixture.pods(), []);
}

#[test]
fn a_finished_pod_keeps_the_status_it_finished_with() {
    let mut fixture = Fixture::with_node();
    fixture.apply(POD);
    fixture.settle();
    let report = |fixture: &mut Fixture, phase: &str| {
        let snapshot = fixture.snapshot();
        let pod = snapshot.find::<Pod>("default", "p").expect("it is there").clone();
        let status = PodStatus {
            phase: phase.into(),
            ..PodStatus::default()
        };
        let writes = pod_status::report(&snapshot, &pod, status, false, fixture.now());
        fixture.execute(writes).expect("nothing changed meanwhile");
        fixture.get::<Pod>("p").status.unwrap_or_default()
    };
    assert_eq!(report(&mut fixture, "Running").phase, "Running");
    assert_eq!(report(&mut fixture, "Pending").phase, "Running");
    let finished = report(&mut fixture, "Succeeded");
    assert_eq!(finished.phase, "Succeeded");
    assert!(
        finished
            .conditions
            .iter()
            .any(|condition| condition.r#type == "PodScheduled")
    );
    assert_eq!(report(&mut fixture, "Failed").phase, "Succeeded");
}

#[test]
fn metadata_names_what_is_wrong() {
    let mut fixture = Fixture::default();
    let mut pod = object(POD);
    *pod.metadata_mut() = ObjectMeta {
        name: "Not_A_Name".into(),
        ..ObjectMeta::default()
    };
    let refusal = refused(&mut fixture, pod);
    assert!(refusal.contains("metadata.name"), "{refusal}");
}

#[test]
fn an_object_too_large_for_the_log_is_refused_when_it_is_made_and_when_it_grows() {
    let mut fixture = Fixture::default();
    fixture.apply(JOB);
    let grown = |mut object: Object| {
        let Object::Job(job) = &mut object else {
            panic!("a job")
        };
        let spec = std::sync::Arc::make_mut(job).spec.get_or_insert_default();
        let pod = spec.template.get_or_insert_default().spec.get_or_insert_default();
        pod.containers[0].args = vec!["x".repeat(OBJECT_BYTES_MAX)];
        object
    };
    let mut new = grown(object(JOB));
    new.metadata_mut().name = "large".into();
    let message = refused(&mut fixture, new);
    assert!(message.contains("an object may have 1048576"), "{message}");
    let stored = stored(&fixture.snapshot(), Kind::Job, "j");
    let refusal = update(&fixture.snapshot(), grown(stored), fixture.now()).map(|_| ());
    assert!(matches!(refusal, Err(Refusal::BadRequest(_))), "{refusal:?}");
}

#[test]
fn a_grace_beyond_reason_is_refused() {
    let mut fixture = Fixture::default();
    fixture.apply(POD);
    let delete_with = |seconds| {
        let options = DeleteOptions {
            grace_period_seconds: Some(seconds),
            ..DeleteOptions::default()
        };
        let key = Key::new(Kind::Pod, "default", "p");
        delete(
            &fixture.snapshot(),
            &DeleteRequest { key, options },
            fixture.now(),
        )
        .map(|_| ())
    };
    assert_eq!(delete_with(i32::MAX.into()), Ok(()));
    for seconds in [-1, i64::from(i32::MAX) + 1, i64::MAX] {
        let refusal = delete_with(seconds).expect_err("must be refused").to_string();
        assert!(refusal.contains("gracePeriodSeconds"), "{refusal}");
    }
}

#[test]
fn the_default_namespace_cannot_be_deleted() {
    let fixture = Fixture::default();
    let request = DeleteRequest {
        key: Key::new(Kind::Namespace, "", "default"),
        options: DeleteOptions::default(),
    };
    let refusal = delete(&fixture.snapshot(), &request, fixture.now()).map(|_| ());
    assert!(matches!(refusal, Err(Refusal::Forbidden(..))), "{refusal:?}");
}

#[test]
fn a_node_is_not_forgotten_while_a_pod_that_must_not_run_twice_may_run_there() {
    let mut fixture = Fixture::with_node();
    let pod = |name: &str, choice: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  annotations:\n    bosun.dev/on-node-loss: {choice}\nspec:\n  \
             containers:\n  - name: main\n    image: busybox\n    command: [sleep]\n"
        )
    };
    fixture.apply(&pod("keeps", "keep"));
    fixture.apply(&pod("stops", "stop"));
    fixture.settle();
    let request = DeleteRequest {
        key: Key::new(Kind::Node, "", "n1"),
        options: DeleteOptions::default(),
    };
    let refusal = delete(&fixture.snapshot(), &request, fixture.now()).expect_err("a fenced pod is on it");
    let message = refusal.to_string();
    assert!(
        matches!(refusal, Refusal::Conflict(..)) && message.contains("stops") && message.contains("drain"),
        "{message}"
    );
    fixture.find_node("n1", Standing::Lost);
    assert!(delete(&fixture.snapshot(), &request, fixture.now()).is_ok());
}
