//! Agents that do what the test says: each verb is a status report that passes through the same admission as a real one.

use bosun_proto::Resource;
use bosun_proto::core_v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStatus, Pod, PodCondition,
    PodStatus,
};
use bosun_proto::scalars::Time;

use super::fixture::{Fixture, NAMESPACE};
use crate::admission::pod_status;
use crate::kinds::pod;

impl Fixture {
    /// The pod's containers have started and are ready.
    pub fn run(&mut self, name: &str) {
        let now = self.now();
        self.report(name, false, |pod, status| {
            status.phase = pod::phase::RUNNING.into();
            status.start_time = Some(now);
            status.container_statuses = containers(pod, |_| running(now));
            set_ready(status, true, "", now);
        });
    }

    /// The pod's containers have ended with this code, and the pod with them.
    pub fn finish(&mut self, name: &str, exit_code: i32) {
        let now = self.now();
        self.report(name, true, |pod, status| {
            let phase = if exit_code == 0 {
                pod::phase::SUCCEEDED
            } else {
                pod::phase::FAILED
            };
            status.phase = phase.into();
            status.start_time.get_or_insert(now);
            let started = |before: Option<&ContainerStatus>| {
                let running = before?.state.as_ref()?.running.as_ref()?;
                running.started_at
            };
            status.container_statuses = containers(pod, |before| terminated(exit_code, started(before), now));
            set_ready(
                status,
                false,
                if exit_code == 0 {
                    "PodCompleted"
                } else {
                    "PodFailed"
                },
                now,
            );
        });
    }

    /// The pod has failed with code 1.
    pub fn fail(&mut self, name: &str) {
        self.finish(name, 1);
    }

    /// The pod's containers have ended badly and were started again in place.
    pub fn restart(&mut self, name: &str) {
        let now = self.now();
        self.report(name, false, |_, status| {
            for container in &mut status.container_statuses {
                container.restart_count += 1;
                container.last_state = container.state.replace(running(now)).map(Box::new);
            }
        });
    }

    /// The processes of a pod that is being deleted are gone.
    pub fn stop(&mut self, name: &str) {
        self.report(name, true, |_, _| {});
    }

    /// [`Fixture::stop`] for every pod that is being deleted and has a node; then settles.
    pub fn stop_ending(&mut self) {
        self.stop_all();
        self.settle();
    }

    /// The same without settling.
    pub(super) fn stop_all(&mut self) {
        let ending = |pod: &Pod| pod::is_ending(pod) && !pod::spec(pod).node_name.is_empty();
        for pod in self.pods().into_iter().filter(ending) {
            self.stop(&pod.metadata().name);
        }
    }

    fn report(&mut self, name: &str, stopped: bool, change: impl FnOnce(&Pod, &mut PodStatus)) {
        let snapshot = self.snapshot();
        let stored = snapshot
            .find::<Pod>(NAMESPACE, name)
            .unwrap_or_else(|| panic!("no pod {name}"));
        assert!(
            !pod::spec(stored).node_name.is_empty(),
            "pod {name} has no node, so no agent speaks for it"
        );
        let mut status = pod::status(stored).clone();
        change(stored, &mut status);
        let writes = pod_status::report(&snapshot, stored, status, stopped, self.now());
        self.must(writes);
    }
}

fn containers(pod: &Pod, state: impl Fn(Option<&ContainerStatus>) -> ContainerState) -> Vec<ContainerStatus> {
    let before = |name: &str| {
        pod::status(pod)
            .container_statuses
            .iter()
            .find(|status| status.name == name)
    };
    let containers = pod::spec(pod).containers.iter();
    let status = containers.map(|container| {
        let before = before(&container.name);
        let state = state(before);
        ContainerStatus {
            name: container.name.clone(),
            ready: state.running.is_some(),
            started: Some(state.running.is_some()),
            restart_count: before.map_or(0, |before| before.restart_count),
            state: Some(state),
            ..ContainerStatus::default()
        }
    });
    status.collect()
}

fn running(now: Time) -> ContainerState {
    let running = ContainerStateRunning {
        started_at: Some(now),
    };
    ContainerState {
        running: Some(running),
        ..ContainerState::default()
    }
}

fn terminated(exit_code: i32, started_at: Option<Time>, now: Time) -> ContainerState {
    let terminated = ContainerStateTerminated {
        exit_code,
        reason: if exit_code == 0 { "Completed" } else { "Error" }.into(),
        started_at: started_at.or(Some(now)),
        finished_at: Some(now),
        ..ContainerStateTerminated::default()
    };
    ContainerState {
        terminated: Some(terminated),
        ..ContainerState::default()
    }
}

fn set_ready(status: &mut PodStatus, ready: bool, reason: &str, now: Time) {
    for condition_type in ["Initialized", "ContainersReady", "Ready"] {
        let holds = ready || condition_type == "Initialized";
        let condition = PodCondition {
            r#type: condition_type.into(),
            status: if holds { "True" } else { "False" }.into(),
            reason: reason.into(),
            last_transition_time: Some(now),
            ..PodCondition::default()
        };
        pod::set_condition(status, condition);
    }
}
