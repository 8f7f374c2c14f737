//! The containers of one machine, played: they run for as long as their command says. Owned by the machine and not by the
//! agent, as a supervisor that outlives the agent would: they go on when the agent is killed, they end when the power
//! is cut, and fenced ones end when their lease does, agent or not.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bosun_host::Host;
use bosun_node_agent::runtime::{
    ContainerId, ContainerSpec, Ended, Found, LEASE_EXPIRED, LogRequest, LogStream, Recovery, Runtime,
    RuntimeError, RuntimeEvent, StopSignal,
};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep};

use super::lives::{Life, Lives};
use super::{Trace, elapsed};

/// How long a container takes to end when it is asked to.
const CLEAN_UP: Duration = Duration::from_millis(60);

/// What runs on a machine. Clones are the same.
#[derive(Clone)]
pub(crate) struct Containers {
    node: Arc<str>,
    lives: Lives,
    trace: Trace,
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct State {
    containers: BTreeMap<ContainerId, Container>,
    finished: BTreeSet<Arc<str>>,
    /// Until when fenced containers may run.
    lease: Option<Duration>,
}

struct Container {
    fenced: bool,
    /// Absent when it could not be started.
    began: Option<(Duration, usize)>,
    /// The end that is coming, unless something ends it sooner.
    due: Option<End>,
    end: Option<End>,
    start_told: bool,
    end_told: bool,
}

#[derive(Clone)]
struct End {
    at: Duration,
    exit_code: i32,
    signal: i32,
    reason: &'static str,
}

impl End {
    fn killed(at: Duration, reason: &'static str) -> Self {
        Self {
            at,
            exit_code: 137,
            signal: 9,
            reason,
        }
    }
}

impl Containers {
    pub(crate) fn new(node: Arc<str>, lives: &Lives, trace: &Trace) -> Self {
        Self {
            node,
            lives: lives.clone(),
            trace: trace.clone(),
            state: Arc::default(),
            changed: Arc::default(),
        }
    }

    /// The runtime that an agent is started with.
    pub(crate) fn runtime(&self, host: Host) -> PlayedRuntime {
        PlayedRuntime {
            containers: self.clone(),
            host,
        }
    }

    /// Everything that ran is over, and its exit codes with it.
    pub(crate) fn lose_power(&self, now: Duration) {
        let mut state = self.lock();
        self.settle(&mut state, now);
        for (id, container) in &mut state.containers {
            if container.end.is_none() {
                self.end(id, container, End::killed(now, "ContainerStatusUnknown"));
            }
        }
        state.lease = None;
    }

    /// Lets end what had to end by now. To be called outside of a machine, when all is over.
    pub(crate) fn settle_at(&self, now: Duration) {
        let mut state = self.lock();
        self.settle(&mut state, now);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, id: &ContainerId, container: &mut Container, end: End) {
        if let Some((_, life)) = container.began {
            self.lives.ended(life, end.at, end.exit_code);
        }
        let text = format!("{} {}", end.reason, end.exit_code);
        self.trace
            .note(&self.node, &format!("ends {id}"), text.as_bytes());
        container.end = Some(end);
    }

    /// Lets everything end that had to end before now, at its own time.
    fn settle(&self, state: &mut State, now: Duration) {
        let lease = state.lease;
        for (id, container) in &mut state.containers {
            if container.end.is_some() {
                continue;
            }
            let expiry = lease
                .filter(|_| container.fenced)
                .map(|at| End::killed(at, LEASE_EXPIRED));
            let first = container
                .due
                .clone()
                .into_iter()
                .chain(expiry)
                .min_by_key(|end| end.at);
            if let Some(end) = first.filter(|end| end.at <= now) {
                self.end(id, container, end);
            }
        }
    }

    /// When something ends next, if nothing else happens.
    fn next(state: &State) -> Option<Duration> {
        let running = state
            .containers
            .values()
            .filter(|container| container.end.is_none());
        running
            .filter_map(|container| {
                let expiry = state.lease.filter(|_| container.fenced);
                container.due.iter().map(|end| end.at).chain(expiry).min()
            })
            .min()
    }
}

/// What an agent sees of the containers.
pub(crate) struct PlayedRuntime {
    containers: Containers,
    host: Host,
}

impl PlayedRuntime {
    fn ended(&self, container: &Container, end: &End) -> Ended {
        Ended {
            exit_code: end.exit_code,
            signal: end.signal,
            reason: end.reason.to_owned(),
            message: String::new(),
            started_at: container.began.map(|(at, _)| self.wall(at)),
            finished_at: self.wall(end.at),
        }
    }

    /// A moment as this machine's calendar has it now.
    fn wall(&self, at: Duration) -> bosun_host::WallTime {
        let now = self.host.clock.wall();
        now - elapsed().saturating_sub(at)
    }

    /// What the agent has not heard yet, and when to look again.
    fn news(&self) -> (Vec<RuntimeEvent>, Option<Duration>) {
        let mut state = self.containers.lock();
        self.containers.settle(&mut state, elapsed());
        let mut news = Vec::new();
        let next = Containers::next(&state);
        for (id, container) in &mut state.containers {
            if let Some((at, _)) = container.began.filter(|_| !container.start_told) {
                container.start_told = true;
                news.push(RuntimeEvent::Started {
                    id: id.clone(),
                    at: self.wall(at),
                });
            }
            if let Some(end) = container.end.clone().filter(|_| !container.end_told) {
                container.end_told = true;
                let ended = self.ended(container, &end);
                news.push(RuntimeEvent::Ended {
                    id: id.clone(),
                    ended,
                });
            }
        }
        (news, next)
    }

    async fn tell(self, events: mpsc::Sender<RuntimeEvent>) {
        loop {
            let (news, next) = self.news();
            for event in news {
                if events.send(event).await.is_err() {
                    return;
                }
            }
            let changed = self.containers.changed.notified();
            match next {
                Some(next) => {
                    tokio::select! {
                        biased;
                        () = changed => {}
                        () = sleep(next.saturating_sub(elapsed()).max(Duration::from_millis(1))) => {}
                    }
                }
                None => changed.await,
            }
        }
    }
}

fn drop_pod(state: &mut State, pod_uid: &Arc<str>) {
    state.containers.retain(|id, container| {
        let of_pod = id.pod_uid == *pod_uid;
        assert!(
            !of_pod || container.end.is_some(),
            "the agent forgets {id}, which runs"
        );
        !of_pod
    });
}

/// What a command stands for: how long it runs (`None`: until it is told to stop) and its exit code.
fn script(command: &[String]) -> Option<(Option<Duration>, i32)> {
    match command {
        [word] if word == "serve" => Some((None, 0)),
        [word, milliseconds, exit_code] if word == "work" => {
            let time = Duration::from_millis(milliseconds.parse().ok()?);
            Some((Some(time), exit_code.parse().ok()?))
        }
        _ => None,
    }
}

impl Runtime for PlayedRuntime {
    fn version(&self) -> String {
        "played://1".to_owned()
    }

    async fn recover(&self, events: mpsc::Sender<RuntimeEvent>) -> Result<Recovery, RuntimeError> {
        let recovery = {
            let mut state = self.containers.lock();
            self.containers.settle(&mut state, elapsed());
            let found = state.containers.iter_mut().map(|(id, container)| {
                (container.start_told, container.end_told) = (true, container.end.is_some());
                let found = match (&container.end, container.began) {
                    (None, Some((at, _))) => Found::Running {
                        started_at: self.wall(at),
                    },
                    (Some(end), _) => Found::Ended(self.ended(container, end)),
                    (None, None) => unreachable!("what did not begin has ended"),
                };
                (id.clone(), found)
            });
            Recovery {
                containers: found.collect(),
                finished: state.finished.clone(),
            }
        };
        let teller = self.containers.runtime(self.host.clone());
        tokio::spawn(teller.tell(events));
        Ok(recovery)
    }

    fn start(&self, spec: ContainerSpec) {
        let ContainerSpec {
            id,
            command,
            environment,
            fenced,
            ..
        } = spec;
        let now = elapsed();
        let mut state = self.containers.lock();
        self.containers.settle(&mut state, now);
        let leased = state.lease.is_some_and(|until| until > now);
        let script = script(&command);
        let refused = match &script {
            None => Some("ContainerCannotRun"),
            Some(_) if fenced && !leased => Some(LEASE_EXPIRED),
            Some(_) => None,
        };
        let mut container = Container {
            fenced,
            began: None,
            due: None,
            end: None,
            start_told: false,
            end_told: false,
        };
        match (refused, script) {
            (None, Some((time, exit_code))) => {
                let life = Life::begin(&self.containers.node, &id, &environment, now);
                self.containers
                    .trace
                    .note(&self.containers.node, &format!("starts {id}"), &[]);
                container.began = Some((now, self.containers.lives.begun(life)));
                container.due = time.map(|time| End {
                    at: now + time,
                    exit_code,
                    signal: 0,
                    reason: if exit_code == 0 { "Completed" } else { "Error" },
                });
            }
            (refused, _) => {
                let reason = refused.unwrap_or("ContainerCannotRun");
                self.containers.end(&id, &mut container, End::killed(now, reason));
            }
        }
        state.containers.insert(id, container);
        self.containers.changed.notify_one();
    }

    fn extend_lease(&self, until: Instant) {
        let mut state = self.containers.lock();
        self.containers.settle(&mut state, elapsed());
        let until = elapsed() + until.saturating_duration_since(Instant::now());
        state.lease = state.lease.max(Some(until));
        self.containers.changed.notify_one();
    }

    fn signal(&self, id: &ContainerId, signal: StopSignal) {
        let now = elapsed();
        let mut state = self.containers.lock();
        self.containers.settle(&mut state, now);
        let Some(container) = state
            .containers
            .get_mut(id)
            .filter(|container| container.end.is_none())
        else {
            return;
        };
        let end = match signal {
            StopSignal::Terminate => End {
                at: now + CLEAN_UP,
                exit_code: 143,
                signal: 15,
                reason: "Error",
            },
            StopSignal::Kill => End::killed(now, "Error"),
        };
        if container.due.as_ref().is_none_or(|due| due.at > end.at) {
            container.due = Some(end);
        }
        self.containers.changed.notify_one();
    }

    fn finish(&self, pod_uid: &Arc<str>) {
        let mut state = self.containers.lock();
        drop_pod(&mut state, pod_uid);
        state.finished.insert(Arc::clone(pod_uid));
    }

    fn remove(&self, pod_uid: &Arc<str>) {
        let mut state = self.containers.lock();
        drop_pod(&mut state, pod_uid);
        state.finished.remove(pod_uid);
    }

    fn retain(&self, pod_uids: BTreeSet<Arc<str>>) {
        let mut state = self.containers.lock();
        // What still runs is the agent's to stop; it says `remove` then.
        state
            .containers
            .retain(|id, container| container.end.is_none() || pod_uids.contains(&id.pod_uid));
        state.finished.retain(|uid| pod_uids.contains(uid));
    }

    async fn logs(&self, _: LogRequest) -> Result<LogStream, String> {
        Err("played containers say nothing".to_owned())
    }

    fn stop_all(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
