//! A pod's row, as kubectl prints it.

use bosun_proto::core_v1::{Container, ContainerStateTerminated, ContainerStatus, Pod, PodReadinessGate};
use bosun_proto::scalars::Time;

use super::{condition, is_ending, is_finished, is_ready, spec, status};
use crate::kinds::{Column, age, or_none};

pub(super) const COLUMNS: &[Column] = &[
    Column::new("Ready"),
    Column::new("Status"),
    Column::new("Restarts"),
    Column::new("Age"),
    Column::wide("IP"),
    Column::wide("Node"),
    Column::wide("Nominated Node"),
    Column::wide("Readiness Gates"),
];

pub(super) fn cells(pod: &Pod, now: Time) -> Vec<String> {
    let summary = Summary::of(pod);
    let status = status(pod);
    let address = status
        .pod_ips
        .first()
        .map_or(&status.pod_ip, |address| &address.ip);
    vec![
        format!("{}/{}", summary.ready, summary.total),
        summary.word,
        restarts(summary.restarts, summary.last_restart, now),
        age::since(
            pod.metadata
                .as_ref()
                .and_then(|metadata| metadata.creation_timestamp),
            now,
        ),
        or_none(address),
        or_none(&spec(pod).node_name),
        or_none(&status.nominated_node_name),
        readiness_gates(pod, &spec(pod).readiness_gates),
    ]
}

fn restarts(count: i64, last: Option<Time>, now: Time) -> String {
    match last {
        Some(last) if count > 0 => format!("{count} ({} ago)", age::since(Some(last), now)),
        _ => count.to_string(),
    }
}

fn readiness_gates(pod: &Pod, gates: &[PodReadinessGate]) -> String {
    if gates.is_empty() {
        return or_none("");
    }
    let holds = |gate: &&PodReadinessGate| {
        condition(pod, &gate.condition_type).is_some_and(|have| have.status == "True")
    };
    format!("{}/{}", gates.iter().filter(holds).count(), gates.len())
}

/// What the containers of a pod come to. Source of the rules: kubectl's pod printer.
struct Summary {
    ready: usize,
    total: usize,
    /// The STATUS column: one word on how the pod is.
    word: String,
    restarts: i64,
    last_restart: Option<Time>,
}

impl Summary {
    fn of(pod: &Pod) -> Self {
        let (spec, status) = (spec(pod), status(pod));
        let is_gated =
            condition(pod, "PodScheduled").is_some_and(|scheduled| scheduled.reason == "SchedulingGated");
        let word = match (is_gated, status.reason.as_str()) {
            (true, _) => "SchedulingGated",
            (false, "") => &status.phase,
            (false, reason) => reason,
        };
        let sidecars = spec
            .init_containers
            .iter()
            .filter(|container| is_sidecar(container))
            .count();
        let mut summary = Self {
            ready: 0,
            total: spec.containers.len() + sidecars,
            word: word.to_owned(),
            restarts: 0,
            last_restart: None,
        };
        let is_initialized =
            condition(pod, "Initialized").is_some_and(|condition| condition.status == "True");
        if !summary.look_at_init_containers(pod) || is_initialized {
            summary.look_at_containers(pod);
        }
        if is_ending(pod) && status.reason == "NodeLost" {
            summary.word = "Unknown".into();
        } else if is_ending(pod) && !is_finished(pod) {
            summary.word = "Terminating".into();
        }
        summary
    }

    /// True while one of them is not done.
    fn look_at_init_containers(&mut self, pod: &Pod) -> bool {
        let containers = &spec(pod).init_containers;
        for (index, status) in status(pod).init_container_statuses.iter().enumerate() {
            self.count_restarts(status);
            let sidecar = containers
                .iter()
                .any(|container| container.name == status.name && is_sidecar(container));
            let state = status.state.clone().unwrap_or_default();
            let waits_for = state.waiting.map(|waiting| waiting.reason).unwrap_or_default();
            let (is_done, word) = match state.terminated {
                Some(end) if end.exit_code == 0 => (true, String::new()),
                _ if sidecar && status.started == Some(true) => {
                    self.ready += usize::from(status.ready);
                    (true, String::new())
                }
                Some(end) => (false, format!("Init:{}", word_of_end(&end))),
                None if !waits_for.is_empty() && waits_for != "PodInitializing" => {
                    (false, format!("Init:{waits_for}"))
                }
                None => (false, format!("Init:{index}/{}", containers.len())),
            };
            if !is_done {
                self.word = word;
                return true;
            }
        }
        false
    }

    fn look_at_containers(&mut self, pod: &Pod) {
        // What init containers have restarted is of no interest any more, once they are done.
        (self.restarts, self.last_restart) = (0, None);
        let init = &spec(pod).init_containers;
        for status in &status(pod).init_container_statuses {
            if init
                .iter()
                .any(|container| container.name == status.name && is_sidecar(container))
            {
                self.count_restarts(status);
            }
        }
        let mut any_runs = false;
        for status in status(pod).container_statuses.iter().rev() {
            self.count_restarts(status);
            let state = status.state.clone().unwrap_or_default();
            let waits_for = state.waiting.map(|waiting| waiting.reason).unwrap_or_default();
            if !waits_for.is_empty() {
                self.word = waits_for;
            } else if let Some(end) = state.terminated {
                self.word = word_of_end(&end);
            } else if status.ready && state.running.is_some() {
                any_runs = true;
                self.ready += 1;
            }
        }
        if self.word == "Completed" && any_runs {
            self.word = if is_ready(pod) { "Running" } else { "NotReady" }.into();
        }
    }

    fn count_restarts(&mut self, status: &ContainerStatus) {
        self.restarts = self.restarts.saturating_add(status.restart_count.into());
        let last_end = status
            .last_state
            .as_ref()
            .and_then(|state| state.terminated.as_ref());
        self.last_restart = self.last_restart.max(last_end.and_then(|end| end.finished_at));
    }
}

fn word_of_end(end: &ContainerStateTerminated) -> String {
    match (end.reason.as_str(), end.signal) {
        ("", 0) => format!("ExitCode:{}", end.exit_code),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}
