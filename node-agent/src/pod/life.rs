//! What to do next for one pod: which containers to start, restart and stop, when to look again, and where the pod is.
//! Rules: init containers one after another, sidecars among them only started; then the others together; restarts in place
//! by policy and back-off; deadline, deletion and removal end it; sidecars stop last, in reverse order.

use bosun_host::WallTime;
use chrono::TimeDelta;

use super::container_spec::container_spec;
use super::restart::restarts;
use super::{Cause, ContainerState, Ending, NodeFacts, Phase, PodRecord, Role, Signalled};
use crate::runtime::{ContainerId, ContainerSpec, Ended, StopSignal};

/// The grace period of a pod that states none, in seconds (a default of the API; here for pods that were never defaulted).
const GRACE_DEFAULT_SECONDS: i64 = 30;
/// Longer than a century is not told apart, so that no time computed from it leaves the calendar.
const GRACE_MAX_SECONDS: i64 = u32::MAX as i64;

/// One thing for the runtime to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Start this.
    Start(Box<ContainerSpec>),
    /// Signal this.
    Signal(ContainerId, StopSignal),
}

/// Something worth an Event on the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether it is trouble.
    pub warning: bool,
    /// One word.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// What follows for a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// To be carried out; the record already counts them as done.
    pub steps: Vec<Step>,
    /// To be told.
    pub notes: Vec<Note>,
    /// When time alone will change something.
    pub look_again: Option<WallTime>,
}

impl Advance {
    fn look_again_at(&mut self, time: WallTime) {
        self.look_again = Some(self.look_again.map_or(time, |earlier| earlier.min(time)));
    }
}

/// Moves the pod as far as it can go at `now`.
pub fn advance(record: &mut PodRecord, node: &NodeFacts, now: WallTime) -> Advance {
    let mut advance = Advance::default();
    if !record.stopped {
        note_deletion(record, now);
        note_deadline(record, now, &mut advance);
        if record.ending.is_none() {
            go_on(record, node, now, &mut advance);
        }
        if record.ending.is_some() {
            stop(record, now, &mut advance);
        }
    }
    settle_phase(record);
    advance
}

/// The control plane has no use for the pod any more.
pub fn remove(record: &mut PodRecord, now: WallTime) {
    record.ending = Some(Ending {
        cause: Cause::Removed,
        kill_at: now,
    });
}

/// The pod may be replaced elsewhere from now on: it ends without grace. What has begun to end keeps its cause.
pub fn fence(record: &mut PodRecord, now: WallTime) {
    if !record.stopped {
        end(record, Cause::NodeLost, now);
    }
}

/// The first sight of a deletion starts the grace period; a later, shorter one shortens it.
fn note_deletion(record: &mut PodRecord, now: WallTime) {
    let Some(meta) = &record.pod.metadata else {
        return;
    };
    if meta.deletion_timestamp.is_none() {
        return;
    }
    let grace = meta
        .deletion_grace_period_seconds
        .unwrap_or_else(|| grace(record))
        .clamp(0, GRACE_MAX_SECONDS);
    if record.deletion_grace == Some(grace) {
        return;
    }
    record.deletion_grace = Some(grace);
    end(record, Cause::Deleted, now + TimeDelta::seconds(grace));
}

fn note_deadline(record: &mut PodRecord, now: WallTime, advance: &mut Advance) {
    let deadline = record
        .pod
        .spec
        .as_ref()
        .and_then(|spec| spec.active_deadline_seconds);
    let Some(seconds) = deadline else {
        return;
    };
    if record.ending.is_some() {
        return;
    }
    let at = record
        .start_time
        .checked_add_signed(TimeDelta::try_seconds(seconds).unwrap_or(TimeDelta::MAX))
        .unwrap_or(WallTime::MAX_UTC);
    if now < at {
        advance.look_again_at(at);
    } else {
        let kill_at = now + TimeDelta::seconds(grace(record));
        end(record, Cause::Deadline, kill_at);
        advance.notes.push(Note {
            warning: true,
            reason: "DeadlineExceeded",
            message: format!("the pod was active for more than its activeDeadlineSeconds, {seconds}"),
        });
    }
}

/// The first cause stays; the patience only shrinks.
fn end(record: &mut PodRecord, cause: Cause, kill_at: WallTime) {
    record.ending = Some(match record.ending {
        None => Ending { cause, kill_at },
        Some(ending) => Ending {
            kill_at: ending.kill_at.min(kill_at),
            ..ending
        },
    });
}

/// The pod's grace period in seconds. A negative one means the shortest.
fn grace(record: &PodRecord) -> i64 {
    let stated = record
        .pod
        .spec
        .as_ref()
        .and_then(|spec| spec.termination_grace_period_seconds);
    match stated {
        None => GRACE_DEFAULT_SECONDS,
        Some(seconds) if seconds < 0 => 1,
        Some(seconds) => seconds.min(GRACE_MAX_SECONDS),
    }
}

/// Starts what is due. Sets the ending when the pod has done what it was for, or cannot.
fn go_on(record: &mut PodRecord, node: &NodeFacts, now: WallTime, advance: &mut Advance) {
    let mut over = true;
    for index in 0..record.containers.len() {
        let role = record.containers[index].role;
        if role == Role::App && !record.is_initialized() {
            // An init container before it is not done; the loop ended or waits there.
            return;
        }
        match run_container(record, index, node, now, advance) {
            Outcome::Going if role == Role::Init => return,
            Outcome::Going if role == Role::Sidecar && !record.containers[index].has_run => return,
            Outcome::Going if role == Role::App => over = false,
            Outcome::Over { failed: true } if role == Role::Init => {
                let kill_at = now + TimeDelta::seconds(grace(record));
                end(record, Cause::InitFailed, kill_at);
                return;
            }
            Outcome::Going | Outcome::Over { .. } => {}
        }
    }
    if over {
        let kill_at = now + TimeDelta::seconds(grace(record));
        end(record, Cause::Completed, kill_at);
    }
}

/// Whether a container still has something to do.
enum Outcome {
    Going,
    Over { failed: bool },
}

fn run_container(
    record: &mut PodRecord,
    index: usize,
    node: &NodeFacts,
    now: WallTime,
    advance: &mut Advance,
) -> Outcome {
    loop {
        match &record.containers[index].state {
            ContainerState::Waiting if record.held => return Outcome::Going,
            ContainerState::Waiting => start(record, index, node, now, advance),
            ContainerState::Refused { .. } | ContainerState::Starting | ContainerState::Running { .. } => {
                return Outcome::Going;
            }
            ContainerState::Ended(ended) => {
                let ended = ended.clone();
                if !may_restart(record, index, ended.exit_code) {
                    return Outcome::Over {
                        failed: ended.exit_code != 0,
                    };
                }
                let due = record.containers[index].back_off.due(&ended);
                if now < due {
                    advance.look_again_at(due);
                    tell_back_off(record, index, &ended, advance);
                    return Outcome::Going;
                }
                let container = &mut record.containers[index];
                container.back_off.restarted(&ended);
                container.run += 1;
                container.last = Some(ended);
                container.state = ContainerState::Waiting;
                container.signalled = Signalled::No;
                container.back_off_told = false;
            }
        }
    }
}

fn may_restart(record: &PodRecord, index: usize, exit_code: i32) -> bool {
    let container = &record.containers[index];
    let policy = record
        .pod
        .spec
        .as_ref()
        .map_or("Always", |spec| spec.restart_policy.as_str());
    record
        .spec_of(container)
        .is_some_and(|spec| restarts(container.role, spec, policy, exit_code))
}

fn tell_back_off(record: &mut PodRecord, index: usize, ended: &Ended, advance: &mut Advance) {
    let container = &mut record.containers[index];
    if !container.back_off_told {
        container.back_off_told = true;
        let seconds = container.back_off.delay_seconds(ended);
        advance.notes.push(Note {
            warning: true,
            reason: "BackOff",
            message: format!(
                "waiting {seconds} s before container {:?} is started again; it last ended with exit code {}",
                container.name, ended.exit_code
            ),
        });
    }
}

fn start(record: &mut PodRecord, index: usize, node: &NodeFacts, now: WallTime, advance: &mut Advance) {
    match container_spec(record, &record.containers[index], node) {
        Ok(spec) => {
            record.containers[index].state = ContainerState::Starting;
            advance.steps.push(Step::Start(Box::new(spec)));
        }
        Err(refusal) => {
            advance.notes.push(Note {
                warning: true,
                reason: "Failed",
                message: refusal.message.clone(),
            });
            record.containers[index].state = if refusal.waits {
                ContainerState::Refused {
                    reason: refusal.reason,
                    message: refusal.message,
                }
            } else {
                ContainerState::Ended(Ended {
                    exit_code: 128,
                    signal: 0,
                    reason: refusal.reason.to_owned(),
                    message: refusal.message,
                    started_at: None,
                    finished_at: now,
                })
            };
        }
    }
}

/// Brings everything to an end: the others at once, sidecars when those are over, the last one first; SIGKILL for all
/// when patience ends. A container whose start the runtime has not confirmed yet is waited for.
fn stop(record: &mut PodRecord, now: WallTime, advance: &mut Advance) {
    let Some(Ending { cause, kill_at }) = record.ending else {
        return;
    };
    let kill = cause == Cause::Removed || now >= kill_at;
    let mut later_alive = record
        .containers
        .iter()
        .any(|container| container.role != Role::Sidecar && container.is_alive());
    for index in (0..record.containers.len()).rev() {
        let id = record.container_id(&record.containers[index]);
        let container = &mut record.containers[index];
        let wanted = match (kill, container.role) {
            (true, _) => Signalled::Kill,
            (false, Role::Sidecar) if later_alive => Signalled::No,
            (false, _) => Signalled::Terminate,
        };
        if matches!(container.state, ContainerState::Running { .. }) && wanted > container.signalled {
            if container.signalled == Signalled::No && cause != Cause::Removed {
                advance.notes.push(Note {
                    warning: false,
                    reason: "Killing",
                    message: format!("stopping container {:?}", container.name),
                });
            }
            container.signalled = wanted;
            let signal = match wanted {
                Signalled::Kill => StopSignal::Kill,
                Signalled::Terminate | Signalled::No => StopSignal::Terminate,
            };
            advance.steps.push(Step::Signal(id, signal));
        }
        if container.role == Role::Sidecar {
            later_alive |= container.is_alive();
        }
    }
    if record.containers.iter().any(super::ContainerRecord::is_alive) {
        if !kill {
            advance.look_again_at(kill_at);
        }
    } else {
        record.stopped = true;
    }
}

/// The phase follows from the containers and never goes back.
fn settle_phase(record: &mut PodRecord) {
    let succeeded = |container: &super::ContainerRecord| matches!(&container.state, ContainerState::Ended(ended) if ended.exit_code == 0);
    let apps = || {
        record
            .containers
            .iter()
            .filter(|container| container.role == Role::App)
    };
    let phase = match record.ending {
        Some(ending) if record.stopped => match ending.cause {
            Cause::Completed | Cause::Deleted | Cause::Removed if apps().all(succeeded) => Phase::Succeeded,
            Cause::Completed
            | Cause::Deleted
            | Cause::Removed
            | Cause::InitFailed
            | Cause::Deadline
            | Cause::NodeLost => Phase::Failed,
        },
        _ if record.is_initialized() && apps().all(super::ContainerRecord::was_tried) => Phase::Running,
        _ => Phase::Pending,
    };
    record.phase = record.phase.max(phase);
}
