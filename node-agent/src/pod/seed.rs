//! How a pod's record begins: fresh, or from what an earlier life of the agent left in the runtime and in the pod's status.

use std::sync::Arc;

use bosun_host::WallTime;
use bosun_proto::core_v1::{
    Container, ContainerState as ToldState, ContainerStateTerminated, ContainerStatus, Pod, PodStatus,
};

use super::status::OWN_CONDITIONS;
use super::{BackOff, ContainerRecord, ContainerState, Phase, PodRecord, Role, Signalled};
use crate::runtime::{ContainerId, Ended, Found};

/// A record of an assigned pod. `found` is what the runtime has of it; where it has nothing, the status that an earlier
/// life of this agent reported counts, and what it called running is lost. So no run is ever begun twice.
pub fn seed(mut pod: Pod, found: &[(ContainerId, Found)], now: WallTime) -> PodRecord {
    let told = pod.status.take().unwrap_or_default();
    let uid: Arc<str> = pod
        .metadata
        .as_ref()
        .map(|meta| meta.uid.as_str())
        .unwrap_or_default()
        .into();
    let mut containers = Vec::new();
    if let Some(spec) = &pod.spec {
        for (index, container) in spec.init_containers.iter().enumerate() {
            let role = if container.restart_policy.as_deref() == Some("Always") {
                Role::Sidecar
            } else {
                Role::Init
            };
            let status = told.init_container_statuses.as_slice();
            containers.push(seed_container(container, role, index, found, status, now));
        }
        for (index, container) in spec.containers.iter().enumerate() {
            let status = told.container_statuses.as_slice();
            containers.push(seed_container(container, Role::App, index, found, status, now));
        }
    }
    PodRecord {
        pod,
        uid,
        start_time: told.start_time.map_or(now, WallTime::from),
        phase: phase(&told),
        ending: None,
        stopped: false,
        containers,
        conditions: told
            .conditions
            .into_iter()
            .filter(|condition| OWN_CONDITIONS.contains(&condition.r#type.as_str()))
            .collect(),
        deletion_grace: None,
        held: false,
    }
}

fn phase(told: &PodStatus) -> Phase {
    match told.phase.as_str() {
        "Running" => Phase::Running,
        _ => Phase::Pending,
    }
}

fn seed_container(
    container: &Container,
    role: Role,
    index: usize,
    found: &[(ContainerId, Found)],
    told: &[ContainerStatus],
    now: WallTime,
) -> ContainerRecord {
    let mut record = ContainerRecord {
        name: container.name.as_str().into(),
        role,
        index,
        run: 0,
        state: ContainerState::Waiting,
        last: None,
        back_off: BackOff::default(),
        has_run: false,
        signalled: Signalled::No,
        back_off_told: false,
    };
    if let Some(status) = told.iter().find(|status| status.name == container.name) {
        take_told(&mut record, status, now);
    }
    for (id, found) in found.iter().filter(|(id, _)| *id.container == container.name) {
        take_found(&mut record, id.run, found);
    }
    record.back_off = BackOff::after_runs(record.run);
    record
}

fn take_told(record: &mut ContainerRecord, status: &ContainerStatus, now: WallTime) {
    let run = u32::try_from(status.restart_count).unwrap_or(0);
    let last = status
        .last_state
        .as_ref()
        .and_then(|last| last.terminated.as_ref());
    let last = last.map(|terminated| ended(terminated, now));
    let state = status.state.clone().unwrap_or_default();
    record.run = run;
    match state {
        ToldState {
            terminated: Some(terminated),
            ..
        } => {
            record.state = ContainerState::Ended(ended(&terminated, now));
            record.last = last;
        }
        ToldState {
            running: Some(running),
            ..
        } => {
            record.state = ContainerState::Ended(Ended {
                exit_code: 137,
                signal: 0,
                reason: "ContainerStatusUnknown".to_owned(),
                message: "the node agent lost its record of the container, which was running when last seen"
                    .to_owned(),
                started_at: running.started_at.map(WallTime::from),
                finished_at: now,
            });
            record.last = last;
        }
        // It waits for its restart: the run that counts is the one that ended.
        _ => {
            if let Some(last) = last {
                record.state = ContainerState::Ended(last);
            }
        }
    }
    record.has_run = matches!(&record.state, ContainerState::Ended(ended) if ended.started_at.is_some());
}

fn take_found(record: &mut ContainerRecord, run: u32, found: &Found) {
    if run > record.run
        && let ContainerState::Ended(ended) = &record.state
    {
        record.last = Some(ended.clone());
    }
    if run >= record.run {
        record.run = run;
        record.state = match found {
            Found::Running { started_at } => ContainerState::Running {
                started_at: *started_at,
            },
            Found::Ended(ended) => ContainerState::Ended(ended.clone()),
        };
        record.has_run |= match found {
            Found::Running { .. } => true,
            Found::Ended(ended) => ended.started_at.is_some(),
        };
    }
}

fn ended(terminated: &ContainerStateTerminated, now: WallTime) -> Ended {
    Ended {
        exit_code: terminated.exit_code,
        signal: terminated.signal,
        reason: terminated.reason.clone(),
        message: terminated.message.clone(),
        started_at: terminated.started_at.map(WallTime::from),
        finished_at: terminated.finished_at.map_or(now, WallTime::from),
    }
}
