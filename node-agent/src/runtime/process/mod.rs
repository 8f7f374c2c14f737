//! Containers as processes of the host, each in its own process group. No image is used: programs, files and network are
//! those of the node. Owns the table of what runs and the flow of one container from spec to end.
//!
//! One run costs one task and no thread; starting blocks and is done by a few launcher threads.

mod cgroup;
mod launch;
mod output;
mod output_reader;
mod proc_stat;
mod recover;
mod strangers;
mod supervise;

#[cfg(test)]
mod output_tests;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bosun_host::Host;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, setrlimit};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use self::cgroup::{Cgroups, Group};
use self::launch::Launched;
use self::output::{Output, Progress};
use self::output_reader::Reading;
use super::{
    ContainerId, ContainerSpec, Ended, LogRequest, LogStream, Recovery, Runtime, RuntimeError, RuntimeEvent,
    StopSignal,
};
use crate::journal::Journal;

/// Threads that start processes. More than two gain nothing: the kernel's part of a start is mostly serial.
const LAUNCHERS: usize = 2;
/// How many containers may wait to be started before the agent waits.
const LAUNCH_QUEUE_MAX: usize = 1024;
/// Pieces of output that may wait for a slow reader.
const LOG_PIECES_MAX: usize = 4;
/// How long containers may clean up when the agent stops.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How long a stop of the agent waits for killed containers.
const STOP_KILL_MAX: Duration = Duration::from_secs(3);

/// The process runtime of one agent.
pub struct ProcessRuntime {
    shared: Arc<Shared>,
}

/// What the tasks and threads of the runtime share.
struct Shared {
    host: Host,
    journal_path: PathBuf,
    logs_root: PathBuf,
    taken_up: OnceLock<TakenUp>,
    running: Mutex<BTreeMap<ContainerId, Running>>,
    /// Starts under way: a process may exist that is not in the table yet.
    launching: AtomicUsize,
    /// The table of what runs, or what is being started, changed.
    changed: Notify,
    /// The agent stops: nothing is started any more.
    stopping: AtomicBool,
}

/// What exists once [`Runtime::recover`] was called.
struct TakenUp {
    journal: Journal,
    events: mpsc::Sender<RuntimeEvent>,
    launches: mpsc::Sender<Launch>,
    cgroups: Cgroups,
}

struct Running {
    pid: Pid,
    progress: watch::Receiver<Progress>,
}

struct Launch {
    spec: ContainerSpec,
    reply: oneshot::Sender<Result<Begun, String>>,
}

/// A container that runs.
struct Begun {
    launched: Launched,
    output: Output,
    group: Option<Group>,
}

impl ProcessRuntime {
    /// A runtime that keeps its record and the containers' output in `directory`. Nothing is touched yet.
    pub fn new(host: Host, directory: &Path) -> Self {
        Self {
            shared: Arc::new(Shared {
                host,
                journal_path: directory.join("containers.journal"),
                logs_root: directory.join("logs"),
                taken_up: OnceLock::new(),
                running: Mutex::default(),
                launching: AtomicUsize::new(0),
                changed: Notify::new(),
                stopping: AtomicBool::new(false),
            }),
        }
    }
}

impl Runtime for ProcessRuntime {
    fn version(&self) -> String {
        format!("process://{}", env!("CARGO_PKG_VERSION"))
    }

    async fn recover(&self, events: mpsc::Sender<RuntimeEvent>) -> Result<Recovery, RuntimeError> {
        let shared = &self.shared;
        let host = &shared.host;
        raise_open_files_limit();
        if let Some(directory) = shared.journal_path.parent() {
            host.disk
                .create_directory(directory)
                .map_err(|source| RuntimeError::File {
                    path: directory.display().to_string(),
                    source,
                })?;
        }
        let boot_id =
            proc_stat::read_proc(&*host.disk, "/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let (journal, same_boot) = Journal::read(host, &shared.journal_path, boot_id.trim())?;
        let recovery = recover::recover(host, &journal, same_boot).await;
        journal.begin()?;
        let (launches, queue) = mpsc::channel(LAUNCH_QUEUE_MAX);
        let queue = Arc::new(tokio::sync::Mutex::new(queue));
        for _ in 0..LAUNCHERS {
            let work = launch_all(Arc::clone(shared), Arc::clone(&queue));
            host.workers
                .spawn("bosun-launch", Box::pin(work))
                .map_err(|error| RuntimeError::Unfit(format!("cannot start a thread: {error}")))?;
        }
        let taken_up = TakenUp {
            journal,
            events,
            launches,
            cgroups: Cgroups::find(&*host.disk),
        };
        if shared.taken_up.set(taken_up).is_err() {
            return Err(RuntimeError::Unfit("the runtime is in use already".to_owned()));
        }
        strangers::reap_if_init(shared);
        Ok(recovery)
    }

    fn start(&self, spec: ContainerSpec) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move { run(shared, spec).await });
    }

    fn signal(&self, id: &ContainerId, signal: StopSignal) {
        // The lock is held while signalling: the process cannot be reaped, and its pid not reused, in between.
        let running = self.shared.running();
        if let Some(entry) = running.get(id) {
            let signal = match signal {
                StopSignal::Terminate => Signal::TERM,
                StopSignal::Kill => Signal::KILL,
            };
            let sent = kill_process_group(entry.pid, signal);
            tracing::debug!(container = %id, ?signal, ?sent, "signalled");
        }
    }

    fn finish(&self, pod_uid: &Arc<str>) {
        if let Some(taken_up) = self.shared.taken_up.get() {
            taken_up.journal.finished(pod_uid);
        }
    }

    fn remove(&self, pod_uid: &Arc<str>) {
        if let Some(taken_up) = self.shared.taken_up.get() {
            taken_up.journal.removed(pod_uid);
        }
        self.shared.remove_output(pod_uid);
    }

    fn retain(&self, pod_uids: BTreeSet<Arc<str>>) {
        let shared = &self.shared;
        if let Some(taken_up) = shared.taken_up.get() {
            let content = taken_up.journal.content();
            for pod_uid in content.pods.keys().chain(&content.finished) {
                if !pod_uids.contains(pod_uid) {
                    taken_up.journal.removed(pod_uid);
                }
            }
        }
        for name in shared.host.disk.list(&shared.logs_root).unwrap_or_default() {
            if !pod_uids.contains(name.as_str()) {
                shared.remove_output(&name);
            }
        }
    }

    async fn logs(&self, request: LogRequest) -> Result<LogStream, String> {
        let shared = &self.shared;
        let current = request
            .run
            .or_else(|| shared.last_run(&request.pod_uid, &request.container))
            .unwrap_or(0);
        let run = if request.previous {
            current.checked_sub(1).ok_or_else(|| {
                format!(
                    "container {:?} was not restarted: there is no previous run",
                    request.container
                )
            })?
        } else {
            current
        };
        let id = ContainerId {
            pod_uid: Arc::clone(&request.pod_uid),
            container: Arc::clone(&request.container),
            run,
        };
        let progress = shared.running().get(&id).map(|entry| entry.progress.clone());
        let path = output::run_path(&shared.logs_root, &id);
        let (sender, receiver) = mpsc::channel(LOG_PIECES_MAX);
        let reading = Reading::new(Arc::clone(&shared.host.disk), path, progress, &request);
        tokio::spawn(reading.run(sender));
        Ok(receiver)
    }

    async fn stop_all(&self) {
        let shared = &self.shared;
        shared.stopping.store(true, Ordering::SeqCst);
        for (signal, patience) in [(Signal::TERM, STOP_GRACE), (Signal::KILL, STOP_KILL_MAX)] {
            if tokio::time::timeout(patience, shared.signal_until_gone(signal))
                .await
                .is_ok()
            {
                return;
            }
        }
        tracing::warn!("some containers did not end with the agent; the next start ends them");
    }
}

impl Shared {
    /// Signals each running container once, also those that are only just starting, and waits until there is none.
    async fn signal_until_gone(&self, signal: Signal) {
        let mut signalled = BTreeSet::new();
        loop {
            let changed = self.changed.notified();
            {
                let running = self.running();
                if running.is_empty() && self.launching.load(Ordering::SeqCst) == 0 {
                    return;
                }
                for (id, entry) in running.iter() {
                    if signalled.insert(id.clone()) {
                        let sent = kill_process_group(entry.pid, signal);
                        tracing::debug!(container = %id, ?signal, ?sent, "signalled because the agent stops");
                    }
                }
            }
            changed.await;
        }
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<ContainerId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the container out of the table and calls `wait`, which reaps it, before anybody can signal its pid again.
    fn reap<T>(&self, id: &ContainerId, wait: impl FnOnce() -> T) -> T {
        let mut running = self.running();
        running.remove(id);
        let status = wait();
        drop(running);
        self.changed.notify_waiters();
        status
    }

    /// Whether the process is, or may become, one of the table.
    fn may_be_ours(&self, pid: Pid) -> bool {
        self.launching.load(Ordering::SeqCst) > 0 || self.running().values().any(|entry| entry.pid == pid)
    }

    fn last_run(&self, pod_uid: &str, container: &str) -> Option<u32> {
        self.host
            .disk
            .list(&output::pod_directory(&self.logs_root, pod_uid))
            .ok()?
            .iter()
            .filter_map(|name| output::run_of(name, container))
            .max()
    }

    fn remove_output(&self, pod_uid: &str) {
        let directory = output::pod_directory(&self.logs_root, pod_uid);
        if let Err(error) = self.host.disk.remove_directory(&directory) {
            tracing::warn!(path = %directory.display(), %error, "output of a removed pod stays");
        }
    }
}

/// The work of one launcher thread.
async fn launch_all(shared: Arc<Shared>, queue: Arc<tokio::sync::Mutex<mpsc::Receiver<Launch>>>) {
    loop {
        let next = queue.lock().await.recv().await;
        let Some(Launch { spec, reply }) = next else {
            return;
        };
        shared.launching.fetch_add(1, Ordering::SeqCst);
        if shared.stopping.load(Ordering::SeqCst) {
            // Dropping the reply leaves the container as if it had never been asked for.
            shared.launching.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let disk = &*shared.host.disk;
        let taken_up = shared.taken_up.get();
        let group = taken_up.and_then(|taken_up| taken_up.cgroups.make(disk, &spec.id, spec.limits));
        let launched = launch::launch(&shared.host, &spec, group.as_ref());
        if let (Err(_), Some(group)) = (&launched, &group) {
            group.discard();
        }
        let result = launched.map(|launched| {
            let output = Output::new(Arc::clone(&shared.host.disk), &shared.logs_root, &spec.id);
            let entry = Running {
                pid: launched.pid,
                progress: output.progress(),
            };
            shared.running().insert(spec.id.clone(), entry);
            if let Some(taken_up) = taken_up {
                taken_up.journal.started(&spec.id, launched.mark);
            }
            Begun {
                launched,
                output,
                group,
            }
        });
        shared.launching.fetch_sub(1, Ordering::SeqCst);
        shared.changed.notify_waiters();
        if reply.send(result).is_err() {
            // Only when the async runtime is going down; the next start of the agent ends the process.
            tracing::debug!(container = %spec.id, "nobody watches a started process");
        }
    }
}

/// One container from spec to end.
async fn run(shared: Arc<Shared>, spec: ContainerSpec) {
    let Some(taken_up) = shared.taken_up.get() else {
        tracing::error!(container = %spec.id, "the runtime was not taken up");
        return;
    };
    let id = spec.id.clone();
    let (reply, started) = oneshot::channel();
    let asked = taken_up.launches.send(Launch { spec, reply }).await;
    let (Ok(()), Ok(result)) = (asked, started.await) else {
        tracing::debug!(container = %id, "not started because the agent stops");
        return;
    };
    let ended = match result {
        Ok(begun) => {
            let at = begun.launched.mark.started_at;
            let event = RuntimeEvent::Started { id: id.clone(), at };
            if taken_up.events.send(event).await.is_err() {
                tracing::debug!("the agent is gone");
            }
            supervise::supervise(&shared, &id, begun).await
        }
        Err(message) => Ended {
            exit_code: 128,
            signal: 0,
            reason: "StartError".to_owned(),
            message,
            started_at: None,
            finished_at: shared.host.clock.wall(),
        },
    };
    taken_up.journal.ended(&id, &ended);
    if taken_up
        .events
        .send(RuntimeEvent::Ended { id, ended })
        .await
        .is_err()
    {
        tracing::debug!("the agent is gone");
    }
}

/// Each running container holds three descriptors; the usual soft limit of 1024 is too small for a full node.
fn raise_open_files_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}
