//! What is told of a pod: its PodStatus, as far as an agent owns it. Owns the words of states and conditions.

use bosun_host::WallTime;
use bosun_proto::core_v1::{
    ContainerState as ToldState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, HostIp, PodCondition, PodIp, PodStatus,
};
use bosun_proto::node_loss::NODE_LOST;
use bosun_proto::scalars::Time;

use super::{Cause, ContainerRecord, ContainerState, NodeFacts, Phase, PodRecord, Role};
use crate::runtime::{ContainerId, Ended};

/// The conditions that the agent writes; the others are the scheduler's and the control plane's.
pub const OWN_CONDITIONS: [&str; 3] = ["Initialized", "ContainersReady", "Ready"];

/// Why a fenced pod was stopped, for people.
const STOPPED_BY_FENCING: &str = "its node was cut off from the control plane for so long that the pod may be replaced elsewhere, \
                                  so its agent stopped it";

/// The status at `now`. The times of transitions are kept in the record.
pub fn status(record: &mut PodRecord, node: &NodeFacts, now: WallTime) -> PodStatus {
    record.conditions = conditions(record, now);
    let (reason, message) = match record.ending {
        Some(ending) if ending.cause == Cause::Deadline && record.stopped => (
            "DeadlineExceeded",
            "the pod was active for longer than its activeDeadlineSeconds",
        ),
        Some(ending) if ending.cause == Cause::NodeLost && record.stopped => (NODE_LOST, STOPPED_BY_FENCING),
        _ => ("", ""),
    };
    let statuses = |init: bool| {
        record
            .containers
            .iter()
            .filter(|container| (container.role != Role::App) == init)
            .map(|container| container_status(record, container, node))
            .collect()
    };
    PodStatus {
        phase: record.phase.as_str().to_owned(),
        conditions: record.conditions.clone(),
        message: message.to_owned(),
        reason: reason.to_owned(),
        host_ip: node.address.clone(),
        host_ips: vec![HostIp {
            ip: node.address.clone(),
        }],
        pod_ip: node.address.clone(),
        pod_ips: vec![PodIp {
            ip: node.address.clone(),
        }],
        start_time: Some(record.start_time.into()),
        init_container_statuses: statuses(true),
        container_statuses: statuses(false),
        observed_generation: record.pod.metadata.as_ref().map_or(0, |meta| meta.generation),
        ..PodStatus::default()
    }
}

/// Readiness is running: probes are not looked at yet.
fn is_ready(container: &ContainerRecord) -> bool {
    match &container.state {
        ContainerState::Running { .. } => true,
        ContainerState::Ended(ended) => container.role == Role::Init && ended.exit_code == 0,
        ContainerState::Waiting | ContainerState::Refused { .. } | ContainerState::Starting => false,
    }
}

fn container_status(record: &PodRecord, container: &ContainerRecord, node: &NodeFacts) -> ContainerStatus {
    let id = |run| {
        let id = ContainerId {
            run,
            ..record.container_id(container)
        };
        format!("{}://{id}", node.runtime_name)
    };
    let run_shown = match &container.state {
        ContainerState::Running { .. } | ContainerState::Ended(_) => Some(container.run),
        ContainerState::Waiting | ContainerState::Refused { .. } | ContainerState::Starting => {
            container.run.checked_sub(1)
        }
    };
    let state = told_state(record, container, &id);
    let waits_for_restart = state
        .waiting
        .as_ref()
        .is_some_and(|_| matches!(container.state, ContainerState::Ended(_)));
    let last = match &container.state {
        ContainerState::Ended(ended) if waits_for_restart => Some(terminated(ended, id(container.run))),
        _ => {
            let last = container.last.as_ref();
            last.map(|ended| terminated(ended, id(container.run.saturating_sub(1))))
        }
    };
    ContainerStatus {
        name: container.name.to_string(),
        state: Some(state),
        last_state: last.map(|terminated| {
            Box::new(ToldState {
                terminated: Some(terminated),
                ..ToldState::default()
            })
        }),
        ready: is_ready(container),
        restart_count: i32::try_from(container.run).unwrap_or(i32::MAX),
        image: record
            .spec_of(container)
            .map(|spec| spec.image.clone())
            .unwrap_or_default(),
        container_id: run_shown.map(id).unwrap_or_default(),
        started: Some(matches!(container.state, ContainerState::Running { .. })),
        ..ContainerStatus::default()
    }
}

fn told_state(record: &PodRecord, container: &ContainerRecord, id: &dyn Fn(u32) -> String) -> ToldState {
    match &container.state {
        ContainerState::Running { started_at } => ToldState {
            running: Some(ContainerStateRunning {
                started_at: Some(Time::from(*started_at)),
            }),
            ..ToldState::default()
        },
        ContainerState::Refused { reason, message } if !record.stopped => waiting(reason, message.clone()),
        ContainerState::Waiting | ContainerState::Refused { .. } | ContainerState::Starting
            if record.stopped =>
        {
            ToldState {
                terminated: Some(ContainerStateTerminated {
                    exit_code: 137,
                    reason: "ContainerStatusUnknown".to_owned(),
                    message: "the pod was ended before the container was started".to_owned(),
                    ..ContainerStateTerminated::default()
                }),
                ..ToldState::default()
            }
        }
        ContainerState::Waiting | ContainerState::Starting | ContainerState::Refused { .. } => {
            let has_init = record.containers.iter().any(|other| other.role != Role::App);
            let reason = if container.run > 0 {
                "CrashLoopBackOff"
            } else if has_init && !matches!(container.state, ContainerState::Starting) {
                "PodInitializing"
            } else {
                "ContainerCreating"
            };
            waiting(reason, String::new())
        }
        ContainerState::Ended(ended) if container.back_off_told && record.ending.is_none() => {
            let seconds = container.back_off.delay_seconds(ended);
            let message = format!("it ended too often: the next start is {seconds} s after the last end");
            waiting("CrashLoopBackOff", message)
        }
        ContainerState::Ended(ended) => ToldState {
            terminated: Some(terminated(ended, id(container.run))),
            ..ToldState::default()
        },
    }
}

fn waiting(reason: &str, message: String) -> ToldState {
    ToldState {
        waiting: Some(ContainerStateWaiting {
            reason: reason.to_owned(),
            message,
        }),
        ..ToldState::default()
    }
}

fn terminated(ended: &Ended, container_id: String) -> ContainerStateTerminated {
    ContainerStateTerminated {
        exit_code: ended.exit_code,
        signal: ended.signal,
        reason: ended.reason.clone(),
        message: ended.message.clone(),
        started_at: ended.started_at.map(Time::from),
        finished_at: Some(ended.finished_at.into()),
        container_id,
    }
}

fn conditions(record: &PodRecord, now: WallTime) -> Vec<PodCondition> {
    let names = |wanted: &dyn Fn(&ContainerRecord) -> bool| {
        let found: Vec<&str> = record
            .containers
            .iter()
            .filter(|container| wanted(container))
            .map(|container| &*container.name)
            .collect();
        found.join(" ")
    };
    let initialized = if record.is_initialized() {
        let reason = if record.phase == Phase::Succeeded {
            "PodCompleted"
        } else {
            ""
        };
        (true, reason, String::new())
    } else {
        let waiting = names(&|container| match container.role {
            Role::Init => !is_ready(container),
            Role::Sidecar => !container.has_run,
            Role::App => false,
        });
        let message = format!("containers with incomplete status: [{waiting}]");
        (false, "ContainersNotInitialized", message)
    };
    let unready = names(&|container| container.role != Role::Init && !is_ready(container));
    let ready = match record.phase {
        Phase::Succeeded => (false, "PodCompleted", String::new()),
        Phase::Failed => (false, "PodFailed", String::new()),
        Phase::Pending | Phase::Running if unready.is_empty() && record.is_initialized() => {
            (true, "", String::new())
        }
        Phase::Pending | Phase::Running => (
            false,
            "ContainersNotReady",
            format!("containers with unready status: [{unready}]"),
        ),
    };
    let mut conditions: Vec<PodCondition> = OWN_CONDITIONS
        .into_iter()
        .zip([initialized, ready.clone(), ready])
        .map(|(kind, (holds, reason, message))| {
            let status = if holds { "True" } else { "False" };
            let before = record.conditions.iter().find(|before| before.r#type == kind);
            let since = before
                .filter(|before| before.status == status)
                .and_then(|before| before.last_transition_time);
            PodCondition {
                r#type: kind.to_owned(),
                status: status.to_owned(),
                last_transition_time: Some(since.unwrap_or_else(|| now.into())),
                reason: reason.to_owned(),
                message,
                ..PodCondition::default()
            }
        })
        .collect();
    let stopped_by_fencing = |ending: super::Ending| ending.cause == Cause::NodeLost && record.stopped;
    if record.ending.is_some_and(stopped_by_fencing) {
        // So that Jobs can tell it from a failure of the pod's own. The reason is Kubernetes' word for an end by the agent.
        conditions.push(PodCondition {
            r#type: "DisruptionTarget".to_owned(),
            status: "True".to_owned(),
            last_transition_time: Some(now.into()),
            reason: "TerminationByKubelet".to_owned(),
            message: STOPPED_BY_FENCING.to_owned(),
            ..PodCondition::default()
        });
    }
    conditions
}
