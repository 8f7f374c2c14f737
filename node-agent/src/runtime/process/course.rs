//! The course of one container from being asked for to its recorded end, and the threads on which processes are started.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::{mpsc, oneshot};

use super::launch::{self, Launched};
use super::output::Output;
use super::{Run, Running, Shared, TakenUp, attend, cgroup::Group};
use crate::runtime::{ContainerId, ContainerSpec, Ended, LEASE_EXPIRED, RuntimeEvent};

/// Threads that start processes. More than two gain nothing: the kernel's part of a start is mostly serial.
pub(super) const LAUNCHERS: usize = 2;
/// How many containers may wait to be started before others wait to be put in line.
pub(super) const LAUNCH_QUEUE_MAX: usize = 1024;

pub(super) struct Launch {
    spec: ContainerSpec,
    reply: oneshot::Sender<Result<Begun, Refusal>>,
}

/// A container that runs.
pub(super) struct Begun {
    pub(super) launched: Launched,
    pub(super) output: Output,
    pub(super) group: Option<Group>,
}

/// A container that could not be started.
struct Refusal {
    reason: &'static str,
    message: String,
}

/// One container from spec to end.
pub(super) async fn run(shared: Arc<Shared>, spec: ContainerSpec) {
    let id = spec.id.clone();
    let ended = begin_and_attend(&shared, spec).await;
    if let (Some(ended), Some(taken_up)) = (&ended, shared.taken_up.get()) {
        taken_up.journal.ended(&id, ended);
    }
    shared.runs().remove(&id);
    shared.changed.notify_waiters();
    let doomed = shared.doomed().remove(&id.pod_uid);
    if doomed {
        shared.remove(&id.pod_uid);
    }
    if let Some(ended) = ended {
        shared.tell(RuntimeEvent::Ended { id, ended }).await;
    }
}

/// The end of the container; `None` when it was never begun because everything stops.
async fn begin_and_attend(shared: &Arc<Shared>, spec: ContainerSpec) -> Option<Ended> {
    let Some(taken_up) = shared.taken_up.get() else {
        tracing::error!(container = %spec.id, "the runtime was not taken up");
        return None;
    };
    let id = spec.id.clone();
    let (reply, started) = oneshot::channel();
    let asked = taken_up.launches.send(Launch { spec, reply }).await;
    let (Ok(()), Ok(result)) = (asked, started.await) else {
        tracing::debug!(container = %id, "not started because everything stops");
        return None;
    };
    match result {
        Ok(begun) => {
            let at = begun.launched.mark.started_at;
            let event = RuntimeEvent::Started { id: id.clone(), at };
            shared.tell(event).await;
            Some(attend::attend(shared, &id, begun).await)
        }
        Err(Refusal { reason, message }) => Some(Ended {
            exit_code: 128,
            signal: 0,
            reason: reason.to_owned(),
            message,
            started_at: None,
            finished_at: shared.host.clock.wall(),
        }),
    }
}

/// The work of one launcher thread.
pub(super) async fn launch_all(shared: Arc<Shared>, queue: Arc<tokio::sync::Mutex<mpsc::Receiver<Launch>>>) {
    loop {
        let next = queue.lock().await.recv().await;
        let Some(Launch { spec, reply }) = next else {
            return;
        };
        let Some(taken_up) = shared.taken_up.get() else {
            return;
        };
        if shared.stopping.load(Ordering::SeqCst) {
            // Dropping the reply leaves the container as if it had never been asked for.
            continue;
        }
        let result = begin(&shared, taken_up, &spec);
        if reply.send(result).is_err() {
            // Only when the async runtime is going down; the next life of the runtime ends the process.
            tracing::debug!(container = %spec.id, "nobody watches a started process");
        }
    }
}

/// Starts the process, records it and puts it into the table.
fn begin(shared: &Shared, taken_up: &TakenUp, spec: &ContainerSpec) -> Result<Begun, Refusal> {
    if spec.fenced && !shared.lease_runs() {
        return Err(Refusal {
            reason: LEASE_EXPIRED,
            message: "the node has no lease to run this pod: it may run elsewhere by now".to_owned(),
        });
    }
    let disk = &*shared.host.disk;
    let group = taken_up.cgroups.make(disk, &spec.id, spec.limits);
    let launched = launch::launch(&shared.host, spec, group.as_ref()).map_err(|message| {
        if let Some(group) = &group {
            group.discard();
        }
        Refusal {
            reason: "StartError",
            message,
        }
    })?;
    let output = Output::new(Arc::clone(&shared.host.disk), &shared.logs_root, &spec.id);
    taken_up.journal.started(&spec.id, launched.mark);
    let running = Running {
        pid: launched.pid,
        progress: output.progress(),
        fenced: spec.fenced,
        expired: false,
    };
    shared.runs().insert(spec.id.clone(), Run::Running(running));
    shared.changed.notify_waiters();
    if spec.fenced && !shared.lease_runs() {
        // It ran out while the process was being started.
        shared.kill_fenced();
    }
    Ok(Begun {
        launched,
        output,
        group,
    })
}

impl Shared {
    /// Marks the run as reaped and calls `wait`, which reaps it, before anybody can signal its pid again. Second: whether
    /// it was killed because the lease ran out.
    pub(super) fn reap<T>(&self, id: &ContainerId, wait: impl FnOnce() -> T) -> (T, bool) {
        let mut runs = self.runs();
        let before = runs.insert(id.clone(), Run::Ending);
        let status = wait();
        drop(runs);
        self.changed.notify_waiters();
        (
            status,
            matches!(before, Some(Run::Running(Running { expired: true, .. }))),
        )
    }
}
