//! Containers as processes of the host, each in its own process group. No image is used: programs, files and network are
//! those of the node. Owns the table of what runs; the way of one container through it is in `course`.
//!
//! The processes are children of whoever holds this runtime, and do not survive it: agents hold it at arm's length, in a
//! supervisor ([`super::supervisor`]).
//!
//! One run costs one task and no thread; starting blocks and is done by a few launcher threads.

mod attend;
mod cgroup;
mod course;
mod fence;
mod launch;
mod output;
mod output_reader;
mod proc_stat;
mod recover;
pub(super) mod strangers;

#[cfg(test)]
mod output_tests;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bosun_host::Host;
use rustix::process::{Pid, Resource, Rlimit, Signal, getpid, getrlimit, kill_process_group, setrlimit};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use self::cgroup::Cgroups;
use self::course::{LAUNCH_QUEUE_MAX, LAUNCHERS, Launch};
use self::output::Progress;
use self::output_reader::Reading;
use super::{
    ContainerId, ContainerSpec, Found, LogRequest, LogStream, Recovery, Runtime, RuntimeError, RuntimeEvent,
    StopSignal,
};
use crate::journal::{Journal, RunRecord, SessionMark};

/// Pieces of output that may wait for a slow reader.
const LOG_PIECES_MAX: usize = 4;
/// How long containers may clean up when everything stops.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(5);
/// How long a stop waits for killed containers.
pub(super) const STOP_KILL_MAX: Duration = Duration::from_secs(3);

/// The process runtime of one node.
#[derive(Clone)]
pub struct ProcessRuntime {
    shared: Arc<Shared>,
}

/// What the tasks and threads of the runtime share.
struct Shared {
    host: Host,
    journal_path: PathBuf,
    logs_root: PathBuf,
    leads_session: bool,
    taken_up: OnceLock<TakenUp>,
    /// Every run from when it is asked for until its end is recorded.
    runs: Mutex<BTreeMap<ContainerId, Run>>,
    /// Pods that are gone while something of them still runs: what is left is removed when that is over.
    doomed: Mutex<BTreeSet<Arc<str>>>,
    /// `runs` changed.
    changed: Notify,
    /// Everything stops: nothing is started any more.
    stopping: AtomicBool,
    /// Until when fenced containers may run, as time since boot.
    lease: watch::Sender<Option<Duration>>,
}

/// What exists once [`Runtime::recover`] was called.
struct TakenUp {
    journal: Journal,
    events: mpsc::Sender<RuntimeEvent>,
    launches: mpsc::Sender<Launch>,
    cgroups: Cgroups,
}

/// Where a run is.
enum Run {
    /// It waits to be launched, or is being launched.
    Starting,
    /// Its process exists and is not reaped yet.
    Running(Running),
    /// Its process was reaped; the last of its output is being taken in.
    Ending,
}

struct Running {
    pid: Pid,
    progress: watch::Receiver<Progress>,
    fenced: bool,
    /// It was killed because the lease ran out.
    expired: bool,
}

impl ProcessRuntime {
    /// A runtime that keeps its record and the containers' output in `directory`. Nothing is touched yet.
    pub fn new(host: Host, directory: &Path) -> Self {
        Self {
            shared: Arc::new(Shared {
                host,
                journal_path: directory.join("containers.journal"),
                logs_root: directory.join("logs"),
                leads_session: false,
                taken_up: OnceLock::new(),
                runs: Mutex::default(),
                doomed: Mutex::default(),
                changed: Notify::new(),
                stopping: AtomicBool::new(false),
                lease: watch::Sender::new(None),
            }),
        }
    }

    /// The same in a process that leads a session (setsid(2)) which holds nothing but containers: by that a later life
    /// finds all that is left, also what there was no time to record.
    pub fn in_session_of_its_own(host: Host, directory: &Path) -> Self {
        let mut runtime = Self::new(host, directory);
        if let Some(shared) = Arc::get_mut(&mut runtime.shared) {
            shared.leads_session = true;
        }
        runtime
    }

    /// Everything that is known, once no container is on its way between being asked for and being recorded.
    pub(super) async fn inventory(&self) -> Recovery {
        self.shared
            .wait_until(|runs| runs.values().all(|run| !matches!(run, Run::Starting)))
            .await;
        let content = self
            .shared
            .taken_up
            .get()
            .map(|taken_up| taken_up.journal.content());
        let content = content.unwrap_or_default();
        let mut containers = Vec::new();
        for (pod_uid, pod) in content.pods {
            for (container, runs) in pod {
                for (run, record) in runs {
                    let found = match record {
                        RunRecord::Started(mark) => Found::Running {
                            started_at: mark.started_at,
                        },
                        RunRecord::Ended(ended) => Found::Ended(ended),
                    };
                    let id = ContainerId {
                        pod_uid: Arc::clone(&pod_uid),
                        container: Arc::clone(&container),
                        run,
                    };
                    containers.push((id, found));
                }
            }
        }
        Recovery {
            containers,
            finished: content.finished,
        }
    }

    /// Whether no container runs or is about to.
    pub(super) fn is_idle(&self) -> bool {
        self.shared.runs().is_empty()
    }

    /// Whether everything that is known is recorded.
    pub(super) fn is_recorded(&self) -> bool {
        let taken_up = self.shared.taken_up.get();
        taken_up.is_none_or(|taken_up| !taken_up.journal.is_behind())
    }

    /// Tries to record what could not be recorded before. True if nothing is missing.
    pub(super) fn catch_up(&self) -> bool {
        let taken_up = self.shared.taken_up.get();
        taken_up.is_none_or(|taken_up| taken_up.journal.catch_up())
    }

    /// [`Runtime::extend_lease`] with a time since boot, which means the same in every process.
    pub(super) fn extend_lease_since_boot(&self, until: Duration) {
        self.shared.extend_lease(until);
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
        let (journal, earlier) = Journal::read(host, &shared.journal_path, boot_id.trim())?;
        let recovery = recover::recover(host, &journal, earlier).await;
        journal.begin(shared.session())?;
        let (launches, queue) = mpsc::channel(LAUNCH_QUEUE_MAX);
        let queue = Arc::new(tokio::sync::Mutex::new(queue));
        for _ in 0..LAUNCHERS {
            let work = course::launch_all(Arc::clone(shared), Arc::clone(&queue));
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
        tokio::spawn(fence::keep(Arc::downgrade(shared), shared.lease.subscribe()));
        Ok(recovery)
    }

    fn start(&self, spec: ContainerSpec) {
        let shared = Arc::clone(&self.shared);
        {
            // A run leaves the table after its end is recorded; looked at in this order, it is always seen.
            let mut runs = shared.runs();
            if runs.contains_key(&spec.id) {
                tracing::debug!(container = %spec.id, "asked for twice");
                return;
            }
            if let Some(RunRecord::Ended(ended)) = shared.recorded(&spec.id) {
                drop(runs);
                let id = spec.id;
                tokio::spawn(async move { shared.tell(RuntimeEvent::Ended { id, ended }).await });
                return;
            }
            runs.insert(spec.id.clone(), Run::Starting);
        }
        tokio::spawn(async move { course::run(shared, spec).await });
    }

    fn extend_lease(&self, until: Instant) {
        let clock = &self.shared.host.clock;
        let left = until.saturating_duration_since(clock.instant());
        self.shared.extend_lease(clock.since_boot() + left);
    }

    fn signal(&self, id: &ContainerId, signal: StopSignal) {
        // The lock is held while signalling: the process cannot be reaped, and its pid not reused, in between.
        let runs = self.shared.runs();
        if let Some(Run::Running(running)) = runs.get(id) {
            let signal = match signal {
                StopSignal::Terminate => Signal::TERM,
                StopSignal::Kill => Signal::KILL,
            };
            let sent = kill_process_group(running.pid, signal);
            tracing::debug!(container = %id, ?signal, ?sent, "signalled");
        }
    }

    fn finish(&self, pod_uid: &Arc<str>) {
        if let Some(taken_up) = self.shared.taken_up.get() {
            taken_up.journal.finished(pod_uid);
        }
    }

    fn remove(&self, pod_uid: &Arc<str>) {
        self.shared.remove(pod_uid);
    }

    fn retain(&self, pod_uids: BTreeSet<Arc<str>>) {
        let shared = &self.shared;
        let content = shared.taken_up.get().map(|taken_up| taken_up.journal.content());
        let content = content.unwrap_or_default();
        let outputs = shared.host.disk.list(&shared.logs_root).unwrap_or_default();
        let mut known: BTreeSet<Arc<str>> = outputs.into_iter().map(Arc::from).collect();
        known.extend(content.pods.into_keys());
        known.extend(content.finished);
        for pod_uid in known.difference(&pod_uids) {
            shared.remove(pod_uid);
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
        let progress = match shared.runs().get(&id) {
            Some(Run::Running(running)) => Some(running.progress.clone()),
            Some(Run::Starting | Run::Ending) | None => None,
        };
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
        tracing::warn!("some containers did not end in time; the next start ends them");
    }
}

impl Shared {
    /// Signals each running container once, also those that are only just starting, and waits until the end of each is
    /// recorded.
    async fn signal_until_gone(&self, signal: Signal) {
        let mut signalled = BTreeSet::new();
        self.wait_until(|runs| {
            for (id, run) in runs {
                if let Run::Running(running) = run
                    && signalled.insert(id.clone())
                {
                    let sent = kill_process_group(running.pid, signal);
                    tracing::debug!(container = %id, ?signal, ?sent, "signalled because everything stops");
                }
            }
            runs.is_empty()
        })
        .await;
    }

    /// Looks at the runs at each change until the look says that it is enough.
    async fn wait_until(&self, mut look: impl FnMut(&BTreeMap<ContainerId, Run>) -> bool) {
        loop {
            let changed = self.changed.notified();
            if look(&self.runs()) {
                return;
            }
            changed.await;
        }
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<ContainerId, Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recorded(&self, id: &ContainerId) -> Option<RunRecord> {
        self.taken_up.get()?.journal.record(id)
    }

    async fn tell(&self, event: RuntimeEvent) {
        if let Some(taken_up) = self.taken_up.get()
            && taken_up.events.send(event).await.is_err()
        {
            tracing::debug!("nobody hears of containers any more");
        }
    }

    /// This process as the leader of its session, if it is one on purpose.
    fn session(&self) -> Option<SessionMark> {
        let pid = getpid().as_raw_nonzero().get();
        let stat = proc_stat::process_stat(&*self.host.disk, pid).filter(|_| self.leads_session)?;
        (stat.session == pid).then_some(SessionMark {
            pid,
            ticks: stat.start_ticks,
        })
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

    /// Removes what is left of a pod now or, when something of it still runs, once that is over.
    fn remove(&self, pod_uid: &Arc<str>) {
        if self.runs().keys().any(|id| id.pod_uid == *pod_uid) {
            self.doomed().insert(Arc::clone(pod_uid));
            return;
        }
        if let Some(taken_up) = self.taken_up.get() {
            taken_up.journal.removed(pod_uid);
        }
        self.remove_output(pod_uid);
    }

    fn doomed(&self) -> MutexGuard<'_, BTreeSet<Arc<str>>> {
        self.doomed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove_output(&self, pod_uid: &str) {
        let directory = output::pod_directory(&self.logs_root, pod_uid);
        if let Err(error) = self.host.disk.remove_directory(&directory) {
            tracing::warn!(path = %directory.display(), %error, "output of a removed pod stays");
        }
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
