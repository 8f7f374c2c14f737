//! What a finished pod adds to its Job: each rule of counting, one table or one case each.

use bosun_proto::batch_v1::{
    JobCondition, JobSpec, JobStatus, PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyRule,
};
use bosun_proto::core_v1::{ContainerState, ContainerStateTerminated, ContainerStatus, PodSpec, PodStatus};
use bosun_proto::meta_v1::{ObjectMeta, OwnerReference};
use bosun_proto::scalars::Time;

use super::*;
use crate::admission::pod_status::JOB_TRACKING_FINALIZER;
use crate::controllers::job::pods::{FAILURE_COUNT_ANNOTATION, INDEX_ANNOTATION};

fn job(spec: JobSpec) -> Job {
    Job {
        metadata: Some(ObjectMeta {
            name: "x".into(),
            namespace: "ns".into(),
            uid: "job-uid".into(),
            ..ObjectMeta::default()
        }),
        spec: Some(spec),
        status: Some(JobStatus::default()),
    }
}

fn pod(phase: &str, exit_code: i32) -> Pod {
    let terminated = ContainerStateTerminated {
        exit_code,
        ..ContainerStateTerminated::default()
    };
    let state = ContainerState {
        terminated: Some(terminated),
        ..ContainerState::default()
    };
    let container = ContainerStatus {
        name: "main".into(),
        state: Some(state),
        ..ContainerStatus::default()
    };
    Pod {
        metadata: Some(ObjectMeta {
            name: "x-1".into(),
            namespace: "ns".into(),
            finalizers: vec![JOB_TRACKING_FINALIZER.into()],
            owner_references: vec![OwnerReference {
                uid: "job-uid".into(),
                controller: Some(true),
                ..OwnerReference::default()
            }],
            ..ObjectMeta::default()
        }),
        spec: Some(PodSpec {
            node_name: "n1".into(),
            ..PodSpec::default()
        }),
        status: Some(PodStatus {
            phase: phase.into(),
            container_statuses: vec![container],
            ..PodStatus::default()
        }),
    }
}

fn with_index(mut pod: Pod, index: i32, failures: i32) -> Pod {
    let annotations = &mut pod.metadata.get_or_insert_default().annotations;
    annotations.insert(INDEX_ANNOTATION.into(), index.to_string());
    annotations.insert(FAILURE_COUNT_ANNOTATION.into(), failures.to_string());
    pod
}

fn ending(mut pod: Pod) -> Pod {
    pod.metadata.get_or_insert_default().deletion_timestamp = Some(Time::from_seconds(1));
    pod
}

/// (succeeded, failed, completed index, failed index)
type Added = (i32, i32, Option<i32>, Option<i32>);

fn added(job: &Job, pod: &Pod) -> Option<Added> {
    let count = count(job, pod)?;
    assert_eq!(
        (&*count.namespace, &*count.job, &*count.job_uid),
        ("ns", "x", "job-uid")
    );
    Some((
        count.succeeded,
        count.failed,
        count.completed_index,
        count.failed_index,
    ))
}

#[test]
fn without_indexes_each_finished_pod_is_one() {
    let job = job(JobSpec::default());
    assert_eq!(added(&job, &pod("Succeeded", 0)), Some((1, 0, None, None)));
    assert_eq!(added(&job, &pod("Failed", 1)), Some((0, 1, None, None)));
    assert_eq!(added(&job, &pod("Running", 0)), None);
}

#[test]
fn what_is_counted_already_or_belongs_to_another_job_is_not_counted() {
    let job = job(JobSpec::default());
    let mut counted = pod("Succeeded", 0);
    counted.metadata.get_or_insert_default().finalizers.clear();
    assert_eq!(added(&job, &counted), None);
    let mut foreign = pod("Succeeded", 0);
    foreign.metadata.get_or_insert_default().owner_references[0].uid = "older-job-of-that-name".into();
    assert_eq!(added(&job, &foreign), None);
}

#[test]
fn a_job_that_no_longer_counts_or_is_anothers_to_manage_adds_nothing() {
    for condition in ["SuccessCriteriaMet", "Complete", "Failed"] {
        let mut job = job(JobSpec::default());
        job.status.get_or_insert_default().conditions.push(JobCondition {
            r#type: condition.into(),
            status: "True".into(),
            ..JobCondition::default()
        });
        assert_eq!(added(&job, &pod("Failed", 1)), None, "{condition}");
    }
    let failing = JobSpec {
        managed_by: Some("example.com/other".into()),
        ..JobSpec::default()
    };
    assert_eq!(added(&job(failing), &pod("Failed", 1)), None);
}

#[test]
fn a_pod_that_is_being_deleted_has_failed_when_the_job_replaces_it() {
    let eager = job(JobSpec::default());
    assert_eq!(
        added(&eager, &ending(pod("Running", 0))),
        Some((0, 1, None, None))
    );
    assert_eq!(
        added(&eager, &ending(pod("Succeeded", 0))),
        Some((1, 0, None, None))
    );
    let patient = job(JobSpec {
        pod_replacement_policy: Some("Failed".into()),
        ..JobSpec::default()
    });
    assert_eq!(added(&patient, &ending(pod("Running", 0))), None);
    assert_eq!(
        added(&patient, &ending(pod("Failed", 137))),
        Some((0, 1, None, None))
    );
    let mut unassigned = ending(pod("Pending", 0));
    unassigned.spec.get_or_insert_default().node_name.clear();
    assert_eq!(
        added(&patient, &unassigned),
        Some((0, 1, None, None)),
        "no agent will ever say that it failed"
    );
}

#[test]
fn an_indexed_job_counts_the_index_and_only_one_that_it_has() {
    let indexed = JobSpec {
        completion_mode: Some("Indexed".into()),
        completions: Some(3),
        ..JobSpec::default()
    };
    let job = job(indexed);
    assert_eq!(
        added(&job, &with_index(pod("Succeeded", 0), 2, 0)),
        Some((1, 0, Some(2), None))
    );
    assert_eq!(
        added(&job, &with_index(pod("Failed", 1), 2, 0)),
        Some((0, 1, None, None))
    );
    assert_eq!(added(&job, &with_index(pod("Succeeded", 0), 3, 0)), None);
    assert_eq!(added(&job, &pod("Succeeded", 0)), None);
}

#[test]
fn an_index_fails_for_good_when_it_failed_more_often_than_its_limit() {
    let per_index = JobSpec {
        completion_mode: Some("Indexed".into()),
        completions: Some(3),
        backoff_limit_per_index: Some(1),
        ..JobSpec::default()
    };
    let job = job(per_index);
    assert_eq!(
        added(&job, &with_index(pod("Failed", 1), 0, 0)),
        Some((0, 1, None, None))
    );
    assert_eq!(
        added(&job, &with_index(pod("Failed", 1), 0, 1)),
        Some((0, 1, None, Some(0)))
    );
}

#[test]
fn the_failure_policy_decides_by_the_first_rule_that_fits() {
    let rule = |action: &str, operator: &str, code: i32| PodFailurePolicyRule {
        action: action.into(),
        on_exit_codes: Some(PodFailurePolicyOnExitCodesRequirement {
            operator: operator.into(),
            values: vec![code],
            ..PodFailurePolicyOnExitCodesRequirement::default()
        }),
        ..PodFailurePolicyRule::default()
    };
    let rules = vec![
        rule("Ignore", "In", 42),
        rule("FailIndex", "In", 43),
        rule("Count", "NotIn", 1),
    ];
    let job = job(JobSpec {
        completion_mode: Some("Indexed".into()),
        completions: Some(3),
        backoff_limit_per_index: Some(5),
        pod_failure_policy: Some(PodFailurePolicy { rules }),
        ..JobSpec::default()
    });
    let failed = |code| with_index(pod("Failed", code), 1, 0);
    assert_eq!(added(&job, &failed(42)), None);
    assert_eq!(added(&job, &failed(43)), Some((0, 1, None, Some(1))));
    assert_eq!(added(&job, &failed(1)), Some((0, 1, None, None)));
    assert_eq!(
        added(&job, &with_index(pod("Succeeded", 0), 1, 0)),
        Some((1, 0, Some(1), None))
    );
}
