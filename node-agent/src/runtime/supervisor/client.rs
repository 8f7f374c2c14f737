//! The runtime as an agent has it when the containers are in the care of a supervisor.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bosun_host::Host;
use bosun_proto::supervisor::from_agent::Request;
use bosun_proto::supervisor::{Retain, SignalContainer, StopAll};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::connect::{self, StartSupervisor};
use super::{conversation, log_reading, message};
use crate::runtime::process::{STOP_GRACE, STOP_KILL_MAX, strangers};
use crate::runtime::{
    ContainerId, ContainerSpec, Ended, Found, LogRequest, LogStream, Recovery, Runtime, RuntimeError,
    RuntimeEvent, StopSignal,
};

/// How long after the containers' own time the supervisor may take to say that all have stopped.
const STOPPED_MAX: Duration = Duration::from_secs(2);

/// How long containers live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until they end or are ended, whether or not the agent lives.
    TheirOwn,
    /// At most as long as the agent.
    WithAgent,
}

/// The runtime of an agent whose containers are children of a supervisor. What the agent asks for is handed on at once or,
/// when the supervisor died, to the next one.
pub struct SupervisedRuntime {
    shared: Arc<Shared>,
    requests: mpsc::UnboundedSender<Request>,
    /// Until the runtime is taken up.
    queue: Mutex<Option<mpsc::UnboundedReceiver<Request>>>,
    keeper: OnceLock<AbortHandle>,
}

/// What the runtime and its conversation share.
pub(super) struct Shared {
    pub(super) host: Host,
    pub(super) directory: PathBuf,
    pub(super) start: StartSupervisor,
    pub(super) lifetime: Lifetime,
    /// Every container that was asked for and has not ended.
    pub(super) live: Mutex<BTreeMap<ContainerId, Live>>,
    /// Until when fenced containers may run, as time since boot.
    pub(super) lease: watch::Sender<Option<Duration>>,
    /// Everything is to stop.
    pub(super) stopping: AtomicBool,
    /// Everything has.
    pub(super) stopped: watch::Sender<bool>,
}

/// What must be said again to another supervisor.
#[derive(Clone, Debug, Default)]
pub(super) struct Live {
    /// Until it is known to have begun.
    pub(super) spec: Option<ContainerSpec>,
    /// The strongest signal so far.
    pub(super) signal: Option<StopSignal>,
}

impl Shared {
    pub(super) fn live(&self) -> MutexGuard<'_, BTreeMap<ContainerId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SupervisedRuntime {
    /// A runtime over the supervisor of `directory`. Nothing is touched yet. `start` is called when there is none.
    pub fn new(host: Host, directory: &Path, start: StartSupervisor, lifetime: Lifetime) -> Self {
        // Not bounded by itself: a container has at most one start and two signals under way, a pod one removal.
        let (requests, queue) = mpsc::unbounded_channel();
        Self {
            shared: Arc::new(Shared {
                host,
                directory: directory.to_owned(),
                start,
                lifetime,
                live: Mutex::default(),
                lease: watch::Sender::new(None),
                stopping: AtomicBool::new(false),
                stopped: watch::Sender::new(false),
            }),
            requests,
            queue: Mutex::new(Some(queue)),
            keeper: OnceLock::new(),
        }
    }

    fn ask(&self, request: Request) {
        if self.requests.send(request).is_err() {
            tracing::debug!("asked of a runtime that has stopped");
        }
    }
}

impl Drop for SupervisedRuntime {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.get() {
            keeper.abort();
        }
    }
}

impl Runtime for SupervisedRuntime {
    fn version(&self) -> String {
        format!("process://{}", env!("CARGO_PKG_VERSION"))
    }

    async fn recover(&self, events: mpsc::Sender<RuntimeEvent>) -> Result<Recovery, RuntimeError> {
        let shared = &self.shared;
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let queue = queue.ok_or_else(|| RuntimeError::Unfit("the runtime is in use already".to_owned()))?;
        strangers::reap_if_init(&shared.host);
        let link = connect::take_over(
            &shared.host,
            &shared.directory,
            &shared.start,
            shared.lifetime == Lifetime::WithAgent,
        )
        .await?;
        tracing::info!(
            supervisor = link.pid,
            "containers are in the care of this process"
        );
        let recovery = link.recovery.clone();
        for (id, found) in &recovery.containers {
            if let Found::Running { .. } = found {
                shared.live().insert(id.clone(), Live::default());
            }
        }
        let keeper = tokio::spawn(conversation::keep(Arc::clone(shared), link, queue, events));
        if self.keeper.set(keeper.abort_handle()).is_err() {
            unreachable!("the queue can be taken only once");
        }
        Ok(recovery)
    }

    fn start(&self, spec: ContainerSpec) {
        let start = message::start(&spec);
        let live = Live {
            spec: Some(spec.clone()),
            signal: None,
        };
        self.shared.live().insert(spec.id, live);
        self.ask(Request::Start(start));
    }

    fn extend_lease(&self, until: Instant) {
        let clock = &self.shared.host.clock;
        let left = until.saturating_duration_since(clock.instant());
        self.shared.lease.send_replace(Some(clock.since_boot() + left));
    }

    fn signal(&self, id: &ContainerId, signal: StopSignal) {
        if let Some(live) = self.shared.live().get_mut(id) {
            live.signal = Some(signal);
        }
        self.ask(Request::Signal(SignalContainer {
            id: Some(message::id(id)),
            kill: signal == StopSignal::Kill,
        }));
    }

    fn finish(&self, pod_uid: &Arc<str>) {
        self.ask(Request::Finish(pod_uid.to_string()));
    }

    fn remove(&self, pod_uid: &Arc<str>) {
        self.ask(Request::Remove(pod_uid.to_string()));
    }

    fn retain(&self, pod_uids: BTreeSet<Arc<str>>) {
        let pod_uids = pod_uids.iter().map(ToString::to_string).collect();
        self.ask(Request::Retain(Retain { pod_uids }));
    }

    async fn logs(&self, request: LogRequest) -> Result<LogStream, String> {
        let wire = connect::ask_for_logs(&self.shared.host, &self.shared.directory, &request).await;
        let wire =
            wire.map_err(|error| format!("the supervisor of the containers cannot be asked: {error}"))?;
        log_reading::read(wire).await
    }

    async fn stop_all(&self) {
        if self.keeper.get().is_none() {
            return;
        }
        let mut stopped = self.shared.stopped.subscribe();
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.ask(Request::StopAll(StopAll {}));
        let patience = STOP_GRACE + STOP_KILL_MAX + STOPPED_MAX;
        if timeout(patience, stopped.wait_for(|stopped| *stopped))
            .await
            .is_err()
        {
            tracing::error!(
                "the supervisor does not say that its containers have stopped; some may still run"
            );
        }
    }
}

/// How a container ended that no supervisor knows any more.
pub(super) fn lost(host: &Host) -> Ended {
    Ended {
        exit_code: 137,
        signal: 0,
        reason: "ContainerStatusUnknown".to_owned(),
        message: "the record of the container was lost together with its supervisor".to_owned(),
        started_at: None,
        finished_at: host.clock.wall(),
    }
}
