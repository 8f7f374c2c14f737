//! What the agent asks of the thing that runs containers. Owns the trait and its plain data; how a container comes to
//! life is the business of [`process`], that it outlives the agent that of [`supervisor`], when it shall run is decided in
//! [`crate::pod`].
//!
//! Everything goes by container id and a runtime lists what it has when it is taken up, so that an implementation may
//! outlive the agent.

pub mod process;
pub mod supervisor;

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use bosun_host::WallTime;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How many events of a runtime may wait for the agent before the runtime itself waits.
pub const EVENTS_MAX: usize = 1024;
/// The reason of a container that ended, or did not start, because the lease on fenced containers ran out.
pub const LEASE_EXPIRED: &str = "LeaseExpired";

/// One run of one container of one pod. A restart is the next run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId {
    /// The uid of the pod.
    pub pod_uid: Arc<str>,
    /// The name of the container in the pod's spec.
    pub container: Arc<str>,
    /// 0 for the first run.
    pub run: u32,
}

impl fmt::Display for ContainerId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.pod_uid, self.container, self.run)
    }
}

/// Everything a runtime needs to start one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Which run this is.
    pub id: ContainerId,
    /// Program and arguments; never empty.
    pub command: Vec<String>,
    /// The whole environment that the pod asks for, in order; a later entry of one name wins.
    pub environment: Vec<(String, String)>,
    /// Where it starts; the runtime's default when absent.
    pub working_directory: Option<String>,
    /// The pod's host name.
    pub hostname: String,
    /// What it may use at most.
    pub limits: Limits,
    /// It must never run twice in the cluster, so it may run only while the lease does ([`Runtime::extend_lease`]).
    pub fenced: bool,
}

/// Upper bounds of one container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Thousandths of a core.
    pub cpu_milli: Option<u64>,
    /// Bytes.
    pub memory: Option<u64>,
}

impl Limits {
    /// Whether nothing is bounded.
    pub fn is_empty(self) -> bool {
        self.cpu_milli.is_none() && self.memory.is_none()
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// 0 to 255; 128 + signal when a signal ended it.
    pub exit_code: i32,
    /// The signal that ended it, else 0.
    pub signal: i32,
    /// One word: Completed, Error, OOMKilled, StartError, ContainerCannotRun, ContainerStatusUnknown,
    /// [`LEASE_EXPIRED`].
    pub reason: String,
    /// More for people; often empty.
    pub message: String,
    /// When it began; absent when it never did.
    pub started_at: Option<WallTime>,
    /// When it ended.
    pub finished_at: WallTime,
}

/// What a runtime tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeEvent {
    /// The container runs.
    Started {
        /// Which one.
        id: ContainerId,
        /// Since when.
        at: WallTime,
    },
    /// The container is over, or could not be started; no process of it is left.
    Ended {
        /// Which one.
        id: ContainerId,
        /// How.
        ended: Ended,
    },
}

/// How to ask a container to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGTERM: it may clean up.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// What a container is doing, as found when the runtime is taken up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It still runs; its end will be an event.
    Running {
        /// Since when.
        started_at: WallTime,
    },
    /// It is over.
    Ended(Ended),
}

/// What an earlier life of the agent left in the runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The last runs (at most two) of each container that is not known to be reported to the end, oldest run first.
    pub containers: Vec<(ContainerId, Found)>,
    /// Pods whose end was acknowledged; only their output is kept.
    pub finished: BTreeSet<Arc<str>>,
}

/// Which output is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// The uid of the pod.
    pub pod_uid: Arc<str>,
    /// The container's name.
    pub container: Arc<str>,
    /// The run if known; else the last one that left a trace.
    pub run: Option<u32>,
    /// The run before that one.
    pub previous: bool,
    /// Go on until the run ends.
    pub follow: bool,
    /// Only the last so many lines.
    pub tail_lines: Option<u64>,
    /// Only lines written at this time or later.
    pub since: Option<WallTime>,
    /// Put the time in front of each line.
    pub timestamps: bool,
    /// Stop after so many bytes.
    pub limit_bytes: Option<u64>,
}

/// Output in pieces; ends when there is no more. An error is said once, last.
pub type LogStream = mpsc::Receiver<Result<Bytes, String>>;

/// Why a runtime cannot be used at all. The message names the file or feature and the way out.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// A file below the data directory.
    #[error(
        "{path}: {source}; check that the agent's data directory is on a working disk and can be written"
    )]
    File {
        /// Which file.
        path: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The record of an agent of another version.
    #[error(
        "{path} is of format {found}, this agent reads format {known}; use the agent that wrote it, or, when no pod \
         of this node matters any more, remove the file"
    )]
    Format {
        /// Which file.
        path: String,
        /// What the file says.
        found: String,
        /// What is understood.
        known: u32,
    },
    /// A supervisor of another version.
    #[error(
        "the containers of this node are in the care of a supervisor of bosun {version} (process {pid}), which speaks \
         protocol {theirs}, and this agent speaks {ours}; run the agent of that version, or end the supervisor with \
         `kill {pid}`, which gives its containers a few seconds to end and keeps how they ended, and start this agent again"
    )]
    ForeignSupervisor {
        /// Its process.
        pid: i32,
        /// The version of its program.
        version: String,
        /// Its protocol.
        theirs: u32,
        /// The agent's.
        ours: u32,
    },
    /// A supervisor that listens and says nothing.
    #[error(
        "the supervisor of this node's containers (process {pid}) does not answer within {seconds} s; if it is stopped, \
         let it go on with `kill -CONT {pid}`; if it hangs, `kill -KILL {pid}` ends it, and its containers with it"
    )]
    SilentSupervisor {
        /// Its process as it wrote it down.
        pid: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The machine lacks something.
    #[error("{0}")]
    Unfit(String),
}

/// Runs containers. None of the calls waits for a container; what happens comes as [`RuntimeEvent`]s.
pub trait Runtime: Send + Sync + 'static {
    /// Name and version as a Node object shows them, such as `process://0.1.0`.
    fn version(&self) -> String;

    /// Takes up what is there; called once, before everything else. Events go to `events` from now on.
    fn recover(
        &self,
        events: mpsc::Sender<RuntimeEvent>,
    ) -> impl Future<Output = Result<Recovery, RuntimeError>> + Send;

    /// Starts a container; `Started` and `Ended`, or only `Ended`, follow.
    fn start(&self, spec: ContainerSpec);

    /// The lease on fenced containers runs until this time; it never gets shorter. When it runs out, every fenced
    /// container is ended by SIGKILL, with [`LEASE_EXPIRED`] as its reason and whether or not the agent still lives. Where
    /// no lease runs (before the first call, and after one ran out), the start of a fenced container is refused: it ends
    /// with the same reason and no start time. So a lease is to be had before the first start.
    ///
    /// Does nothing in a runtime that cannot fence.
    fn extend_lease(&self, _until: Instant) {}

    /// Signals all processes of a running container; nothing happens when it is over.
    fn signal(&self, id: &ContainerId, signal: StopSignal);

    /// The pod's end is known to the control plane: only its output is to be kept.
    fn finish(&self, pod_uid: &Arc<str>);

    /// The pod is gone: drop its output and all that is known about it, once none of its containers runs any more.
    fn remove(&self, pod_uid: &Arc<str>);

    /// Drops what is left of all pods but these, in the same way.
    fn retain(&self, pod_uids: BTreeSet<Arc<str>>);

    /// The output of a container, during and after its run. The error says why there is none.
    fn logs(&self, request: LogRequest) -> impl Future<Output = Result<LogStream, String>> + Send;

    /// Ends every container, with a few seconds to clean up, and starts none any more; for a stop of the agent.
    fn stop_all(&self) -> impl Future<Output = ()> + Send;
}
