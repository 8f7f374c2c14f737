//! Between the plain data of a runtime and the messages that carry it.

use std::sync::Arc;

use bosun_host::WallTime;
use bosun_proto::supervisor as wire;
use bosun_proto::supervisor::container_state::State;

use crate::runtime::{ContainerId, ContainerSpec, Ended, Found, Limits, LogRequest, Recovery, RuntimeEvent};

/// Containers and pods in one part of an inventory.
const PART_MAX: usize = 1000;

pub(super) fn id(id: &ContainerId) -> wire::ContainerId {
    wire::ContainerId {
        pod_uid: id.pod_uid.to_string(),
        container: id.container.to_string(),
        run: id.run,
    }
}

pub(super) fn read_id(id: Option<wire::ContainerId>) -> ContainerId {
    let id = id.unwrap_or_default();
    ContainerId {
        pod_uid: id.pod_uid.into(),
        container: id.container.into(),
        run: id.run,
    }
}

pub(super) fn start(spec: &ContainerSpec) -> wire::StartContainer {
    let variable = |(name, value): &(String, String)| wire::EnvironmentVariable {
        name: name.clone(),
        value: value.clone(),
    };
    wire::StartContainer {
        id: Some(id(&spec.id)),
        command: spec.command.clone(),
        environment: spec.environment.iter().map(variable).collect(),
        working_directory: spec.working_directory.clone(),
        hostname: spec.hostname.clone(),
        cpu_milli: spec.limits.cpu_milli,
        memory_bytes: spec.limits.memory,
        fenced: spec.fenced,
    }
}

pub(super) fn read_start(start: wire::StartContainer) -> ContainerSpec {
    ContainerSpec {
        id: read_id(start.id),
        command: start.command,
        environment: start
            .environment
            .into_iter()
            .map(|variable| (variable.name, variable.value))
            .collect(),
        working_directory: start.working_directory,
        hostname: start.hostname,
        limits: Limits {
            cpu_milli: start.cpu_milli,
            memory: start.memory_bytes,
        },
        fenced: start.fenced,
    }
}

pub(super) fn event(event: &RuntimeEvent) -> wire::ContainerState {
    let (container, state) = match event {
        RuntimeEvent::Started { id, at } => (id, State::RunningSince(nanoseconds(*at))),
        RuntimeEvent::Ended { id, ended } => (id, State::Ended(end(ended))),
    };
    wire::ContainerState {
        id: Some(id(container)),
        state: Some(state),
    }
}

/// `None` for a state that this version does not know.
pub(super) fn read_state(state: wire::ContainerState) -> Option<(ContainerId, Found)> {
    let found = match state.state? {
        State::RunningSince(at) => Found::Running { started_at: wall(at) },
        State::Ended(ended) => Found::Ended(read_end(ended)),
    };
    Some((read_id(state.id), found))
}

/// All parts, the last one marked.
pub(super) fn inventory(recovery: Recovery) -> Vec<wire::Inventory> {
    let mut parts = vec![wire::Inventory::default()];
    let mut room = PART_MAX;
    let states = recovery.containers.into_iter().map(|(container, found)| {
        let state = match found {
            Found::Running { started_at } => State::RunningSince(nanoseconds(started_at)),
            Found::Ended(ended) => State::Ended(end(&ended)),
        };
        wire::ContainerState {
            id: Some(id(&container)),
            state: Some(state),
        }
    });
    for state in states {
        part(&mut parts, &mut room).containers.push(state);
    }
    for pod in recovery.finished {
        part(&mut parts, &mut room).finished_pods.push(pod.to_string());
    }
    if let Some(last) = parts.last_mut() {
        last.complete = true;
    }
    parts
}

/// The part that takes one more.
fn part<'a>(parts: &'a mut Vec<wire::Inventory>, room: &mut usize) -> &'a mut wire::Inventory {
    if *room == 0 {
        parts.push(wire::Inventory::default());
        *room = PART_MAX;
    }
    *room -= 1;
    parts.last_mut().expect("it begins with one part and only grows")
}

/// Adds a part to what has come so far.
pub(super) fn read_inventory(part: wire::Inventory, recovery: &mut Recovery) {
    recovery
        .containers
        .extend(part.containers.into_iter().filter_map(read_state));
    recovery
        .finished
        .extend(part.finished_pods.into_iter().map(Arc::from));
}

pub(super) fn logs(request: &LogRequest) -> wire::LogQuery {
    wire::LogQuery {
        pod_uid: request.pod_uid.to_string(),
        container: request.container.to_string(),
        run: request.run,
        previous: request.previous,
        follow: request.follow,
        tail_lines: request.tail_lines,
        since: request.since.map(nanoseconds),
        timestamps: request.timestamps,
        limit_bytes: request.limit_bytes,
    }
}

pub(super) fn read_logs(query: wire::LogQuery) -> LogRequest {
    LogRequest {
        pod_uid: query.pod_uid.into(),
        container: query.container.into(),
        run: query.run,
        previous: query.previous,
        follow: query.follow,
        tail_lines: query.tail_lines,
        since: query.since.map(wall),
        timestamps: query.timestamps,
        limit_bytes: query.limit_bytes,
    }
}

fn end(ended: &Ended) -> wire::Ended {
    wire::Ended {
        exit_code: ended.exit_code,
        signal: ended.signal,
        reason: ended.reason.clone(),
        message: ended.message.clone(),
        started_at: ended.started_at.map(nanoseconds),
        finished_at: nanoseconds(ended.finished_at),
    }
}

fn read_end(ended: wire::Ended) -> Ended {
    Ended {
        exit_code: ended.exit_code,
        signal: ended.signal,
        reason: ended.reason,
        message: ended.message,
        started_at: ended.started_at.map(wall),
        finished_at: wall(ended.finished_at),
    }
}

fn nanoseconds(time: WallTime) -> i64 {
    time.timestamp_nanos_opt().unwrap_or(i64::MAX)
}

fn wall(nanoseconds: i64) -> WallTime {
    WallTime::from_timestamp_nanos(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(run: u32) -> ContainerId {
        ContainerId {
            pod_uid: "pod".into(),
            container: "main".into(),
            run,
        }
    }

    #[test]
    fn a_spec_a_log_request_and_states_come_out_as_they_went_in() {
        let spec = ContainerSpec {
            id: container(3),
            command: vec!["a".to_owned(), "b c".to_owned()],
            environment: vec![("X".to_owned(), "1".to_owned())],
            working_directory: Some("/w".to_owned()),
            hostname: "h".to_owned(),
            limits: Limits {
                cpu_milli: Some(5),
                memory: None,
            },
            fenced: true,
        };
        assert_eq!(read_start(start(&spec)), spec);
        let request = LogRequest {
            pod_uid: "pod".into(),
            container: "main".into(),
            run: Some(1),
            previous: true,
            follow: true,
            tail_lines: Some(2),
            since: Some(wall(5)),
            timestamps: true,
            limit_bytes: Some(9),
        };
        assert_eq!(read_logs(logs(&request)), request);
    }

    #[test]
    fn an_inventory_of_several_parts_comes_out_as_it_went_in() {
        let ended = Ended {
            exit_code: 137,
            signal: 9,
            reason: "Error".to_owned(),
            message: "m".to_owned(),
            started_at: Some(wall(1)),
            finished_at: wall(2),
        };
        let found = |run: u32| match run % 2 {
            0 => Found::Ended(ended.clone()),
            _ => Found::Running {
                started_at: wall(run.into()),
            },
        };
        let recovery = Recovery {
            containers: (0..2500).map(|run| (container(run), found(run))).collect(),
            finished: (0..10).map(|number| Arc::from(format!("pod-{number}"))).collect(),
        };
        let parts = inventory(recovery.clone());
        let complete: Vec<bool> = parts.iter().map(|part| part.complete).collect();
        assert_eq!(complete, [false, false, true]);
        let mut read = Recovery::default();
        for part in parts {
            read_inventory(part, &mut read);
        }
        assert_eq!(read, recovery);
    }
}
