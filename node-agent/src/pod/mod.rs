//! The life of one pod on this node, as pure functions: no clock, no files, no processes. Owns what is remembered of a pod
//! ([`PodRecord`]) and how what happened changes it. [`life`] decides what to do next, [`status`] what to tell.

mod container_spec;
mod environment;
pub mod life;
mod restart;
mod seed;
pub mod status;

#[cfg(test)]
mod life_tests;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::BTreeMap;
use std::sync::Arc;

use bosun_host::WallTime;
use bosun_proto::core_v1::{Container, Pod, PodCondition};
use bosun_proto::scalars::Amount;

pub use self::life::Note;
pub use self::restart::BackOff;
pub use self::seed::seed;
use crate::runtime::{ContainerId, Ended, RuntimeEvent};

/// What pods are told about their node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its name.
    pub name: String,
    /// Its address; host processes share it with the node.
    pub address: String,
    /// What pods may use, by resource name.
    pub allocatable: BTreeMap<String, Amount>,
    /// In front of container ids in statuses, such as `process`.
    pub runtime_name: String,
}

/// Where a pod is; it only moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not every container was started yet.
    Pending,
    /// Every container was started and the pod is not over.
    Running,
    /// Over, and every container succeeded.
    Succeeded,
    /// Over, and not every container succeeded.
    Failed,
}

impl Phase {
    /// The word the API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }

    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        self >= Self::Succeeded
    }
}

/// Why a pod is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its last container that counts has ended; sidecars are stopped.
    Completed,
    /// An init container failed and may not be restarted.
    InitFailed,
    /// `activeDeadlineSeconds` has passed.
    Deadline,
    /// It has a deletionTimestamp.
    Deleted,
    /// The lease on fenced pods has run out: elsewhere it may be replaced now.
    NodeLost,
    /// The control plane does not know it any more, or has declared it finished: no grace, nothing to tell.
    Removed,
}

/// A pod on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The first cause.
    pub cause: Cause,
    /// When its patience ends and what still runs gets SIGKILL.
    pub kill_at: WallTime,
}

/// How a container counts in its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Runs to completion before the next container.
    Init,
    /// An init container with restartPolicy Always: runs beside the others and does not decide the phase.
    Sidecar,
    /// An ordinary container.
    App,
}

/// What a container is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Never started.
    Waiting,
    /// Cannot be made ready from its spec; stays so.
    Refused {
        /// One word for the status.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// Handed to the runtime, which has not answered yet.
    Starting,
    /// It runs.
    Running {
        /// Since when.
        started_at: WallTime,
    },
    /// The current run is over.
    Ended(Ended),
}

/// What is remembered of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRecord {
    /// Its name.
    pub name: Arc<str>,
    /// How it counts.
    pub role: Role,
    /// Its place in the list of the spec that it stands in.
    pub index: usize,
    /// The number of the current run, which is the restart count.
    pub run: u32,
    /// The current run.
    pub state: ContainerState,
    /// How the run before ended.
    pub last: Option<Ended>,
    /// How long the next restart is put off.
    pub back_off: BackOff,
    /// Whether any run came so far that its process existed.
    pub has_run: bool,
    /// The strongest signal the current run was sent.
    pub signalled: Signalled,
    /// Whether the present back-off was told in an event.
    pub back_off_told: bool,
}

/// How far the stopping of a run has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signalled {
    /// Not at all.
    #[default]
    No,
    /// SIGTERM was sent.
    Terminate,
    /// SIGKILL was sent.
    Kill,
}

impl ContainerRecord {
    /// Whether a process of it may exist.
    pub fn is_alive(&self) -> bool {
        matches!(
            self.state,
            ContainerState::Starting | ContainerState::Running { .. }
        )
    }

    /// Whether the runtime has answered to at least one start, well or not.
    pub fn was_tried(&self) -> bool {
        self.run > 0
            || matches!(
                self.state,
                ContainerState::Running { .. } | ContainerState::Ended(_)
            )
    }
}

/// Everything the agent remembers of one pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodRecord {
    /// The pod as it was assigned, without its status.
    pub pod: Pod,
    /// Its uid.
    pub uid: Arc<str>,
    /// When this node took it up.
    pub start_time: WallTime,
    /// Where it is.
    pub phase: Phase,
    /// Whether and why it is being ended.
    pub ending: Option<Ending>,
    /// Everything has ended and nothing will be started.
    pub stopped: bool,
    /// Init containers in order, then the others.
    pub containers: Vec<ContainerRecord>,
    /// As last told; keeps the times of transitions.
    pub conditions: Vec<PodCondition>,
    /// The grace period of the deletion as last seen, in seconds.
    pub deletion_grace: Option<i64>,
    /// Nothing of it may be started just now: it is fenced, and no lease runs that is known to cover it.
    pub held: bool,
}

impl PodRecord {
    /// Whether anything of it was ever started, or may be just now.
    pub fn has_begun(&self) -> bool {
        self.containers
            .iter()
            .any(|container| container.is_alive() || container.was_tried())
    }

    /// The id of the current run of a container.
    pub fn container_id(&self, container: &ContainerRecord) -> ContainerId {
        ContainerId {
            pod_uid: Arc::clone(&self.uid),
            container: Arc::clone(&container.name),
            run: container.run,
        }
    }

    /// The spec of a container; absent only if the spec changed in a way that the control plane forbids.
    pub fn spec_of(&self, container: &ContainerRecord) -> Option<&Container> {
        let spec = self.pod.spec.as_ref()?;
        match container.role {
            Role::Init | Role::Sidecar => spec.init_containers.get(container.index),
            Role::App => spec.containers.get(container.index),
        }
    }

    /// Whether every init container has done its part: ended well, or as a sidecar was started.
    pub fn is_initialized(&self) -> bool {
        self.containers.iter().all(|container| match container.role {
            Role::Init => {
                matches!(&container.state, ContainerState::Ended(ended) if ended.exit_code == 0)
            }
            Role::Sidecar => container.has_run,
            Role::App => true,
        })
    }

    /// Takes in a newer version of the pod.
    pub fn update(&mut self, mut pod: Pod) {
        pod.status = None;
        self.pod = pod;
    }

    /// Takes in what the runtime tells, and says what of it is worth an Event. What is about another run than the current
    /// one is old news.
    pub fn observe(&mut self, event: &RuntimeEvent) -> Option<Note> {
        let (id, state) = match event {
            RuntimeEvent::Started { id, at } => (id, ContainerState::Running { started_at: *at }),
            RuntimeEvent::Ended { id, ended } => (id, ContainerState::Ended(ended.clone())),
        };
        let current = self
            .containers
            .iter_mut()
            .find(|container| container.name == id.container && container.run == id.run);
        let container = current?;
        match (&container.state, &state) {
            (ContainerState::Starting, ContainerState::Running { .. }) => container.has_run = true,
            (ContainerState::Starting | ContainerState::Running { .. }, ContainerState::Ended(ended)) => {
                container.has_run |= ended.started_at.is_some();
            }
            // States only move forward.
            _ => return None,
        }
        container.state = state;
        match event {
            RuntimeEvent::Ended { ended, .. } if ended.started_at.is_none() => Some(Note {
                warning: true,
                reason: "Failed",
                message: format!(
                    "container {:?} cannot be started: {}",
                    container.name, ended.message
                ),
            }),
            RuntimeEvent::Started { .. } | RuntimeEvent::Ended { .. } => None,
        }
    }
}
