//! The supervisor: holds the containers and serves one agent at a time. Owns when it ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bosun_host::{DiskLock, Host};
use bosun_proto::supervisor::from_agent::Request;
use bosun_proto::supervisor::from_supervisor::Event;
use bosun_proto::supervisor::{self as wire_message, FromAgent, FromSupervisor, Hello, Welcome, hello};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::wire::{WAITING_BYTES_MAX, Wire};
use super::{PROTOCOL, lock_path, log_reading, message, pid_path, socket_path};
use crate::runtime::process::ProcessRuntime;
use crate::runtime::{EVENTS_MAX, Runtime, RuntimeError, RuntimeEvent, StopSignal};

/// How long a supervisor that is ending may hold the lock.
const LOCK_MAX: Duration = Duration::from_secs(10);
/// The pause between two looks at the lock.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// How long whoever connects may take to say what for.
const HELLO_MAX: Duration = Duration::from_secs(5);
/// Messages that may wait for the agent. One that falls behind further is cut off; it hears what it missed when it
/// connects again.
const OUTBOX_MAX: usize = 16 << 10;
/// What connections may have heard that was not carried out yet.
const HEARD_MAX: usize = 256;
/// How often a supervisor without an agent, or with something it could not record, looks around.
const LOOK: Duration = Duration::from_secs(1);
/// A supervisor that has neither containers nor an agent ends after this long; one whose containers are bound to an agent
/// that it cut off, also with containers.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How long an agent may take to take in the last words.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// What a connection heard, with the connection's number.
enum Heard {
    /// An agent is there. It is told when events go to it.
    Agent(Agent, oneshot::Sender<()>),
    Request(Request),
    Gone,
}

/// The connection to the agent.
struct Agent {
    link: u64,
    outbox: mpsc::Sender<FromSupervisor>,
    bound: bool,
    /// Becomes an error when the connection has ended.
    over: oneshot::Receiver<()>,
}

struct Supervisor {
    host: Host,
    runtime: ProcessRuntime,
    directory: PathBuf,
    agent: Option<Agent>,
    /// The containers end with the agent.
    bound: bool,
    /// Since when there was no agent, nor a container that may run without one.
    idle_since: Option<Instant>,
    _lock: Box<dyn DiskLock>,
}

/// Whether the supervisor goes on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

/// Serves agents of `directory` until there is nothing left to do or `stop` says so; then every container is stopped.
/// `ready` is called once agents can connect.
///
/// # Errors
/// A directory that cannot be used or that has a supervisor already.
pub(crate) async fn serve(
    host: Host,
    runtime: ProcessRuntime,
    directory: &Path,
    ready: impl FnOnce(),
    stop: impl Future<Output = ()>,
) -> Result<(), RuntimeError> {
    let lock = claim(&host, directory).await?;
    let (events_sender, mut events) = mpsc::channel(EVENTS_MAX);
    runtime.recover(events_sender).await?;
    let socket_path = socket_path(directory);
    let listener = host.network.listen_local(&socket_path).await;
    let listener = listener.map_err(file_error(socket_path))?;
    let mut supervisor = Supervisor {
        host,
        runtime,
        directory: directory.to_owned(),
        agent: None,
        bound: false,
        idle_since: None,
        _lock: lock,
    };
    ready();
    let (heard_sender, mut heard) = mpsc::channel(HEARD_MAX);
    let mut links = 0;
    let mut look_at = Instant::now() + LOOK;
    let mut stop = std::pin::pin!(stop);
    loop {
        let watchful = supervisor.agent.is_none() || !supervisor.runtime.is_recorded();
        let next = tokio::select! {
            Some(event) = events.recv() => {
                supervisor.tell(&event);
                Next::GoOn
            }
            Some((link, heard)) = heard.recv() => supervisor.hear(link, heard),
            connection = listener.accept() => {
                match connection {
                    Ok(stream) => {
                        links += 1;
                        let connection = Connection {
                            link: links,
                            wire: Wire::new(stream),
                            runtime: supervisor.runtime.clone(),
                            heard: heard_sender.clone(),
                        };
                        tokio::spawn(connection.serve());
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot take a connection");
                        sleep(LOCK_PAUSE).await;
                    }
                }
                Next::GoOn
            }
            () = sleep_until(look_at), if watchful => {
                look_at = Instant::now() + LOOK;
                supervisor.look_around()
            }
            () = &mut stop => Next::Stop,
        };
        if next == Next::Stop {
            drop(listener);
            supervisor.stop(&mut events, heard).await;
            return Ok(());
        }
    }
}

/// The lock of the one supervisor of `directory`; its number is left where people find it.
async fn claim(host: &Host, directory: &Path) -> Result<Box<dyn DiskLock>, RuntimeError> {
    let lock_path = lock_path(directory);
    let lock = lock(host, &lock_path).await.map_err(file_error(lock_path))?;
    let pid_path = pid_path(directory);
    let pid = std::process::id().to_string();
    host.disk
        .write_atomically(&pid_path, pid.as_bytes())
        .map_err(file_error(pid_path))?;
    Ok(lock)
}

fn file_error(path: PathBuf) -> impl FnOnce(std::io::Error) -> RuntimeError {
    move |source| RuntimeError::File {
        path: path.display().to_string(),
        source,
    }
}

async fn lock(host: &Host, path: &Path) -> std::io::Result<Box<dyn DiskLock>> {
    let deadline = Instant::now() + LOCK_MAX;
    loop {
        match host.disk.lock(path) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                sleep(LOCK_PAUSE).await;
            }
            other => return other,
        }
    }
}

impl Supervisor {
    fn hear(&mut self, link: u64, heard: Heard) -> Next {
        let current = self.agent.as_ref().is_some_and(|agent| agent.link == link);
        match heard {
            Heard::Agent(agent, heard) => {
                tracing::info!(agent.bound, "an agent has taken over");
                self.bound = agent.bound;
                self.agent = Some(agent);
                self.idle_since = None;
                if heard.send(()).is_err() {
                    tracing::debug!("it has gone again");
                }
            }
            Heard::Gone if current => {
                tracing::info!(
                    self.bound,
                    "the agent is gone; containers go on unless they are bound to it"
                );
                self.agent = None;
                if self.bound {
                    return Next::Stop;
                }
            }
            Heard::Request(request) if current => return self.carry_out(request),
            // Of an agent that was replaced.
            Heard::Gone | Heard::Request(_) => {}
        }
        Next::GoOn
    }

    fn carry_out(&mut self, request: Request) -> Next {
        let runtime = &self.runtime;
        match request {
            Request::Start(start) => runtime.start(message::read_start(start)),
            Request::Signal(signal) => {
                let how = if signal.kill {
                    StopSignal::Kill
                } else {
                    StopSignal::Terminate
                };
                runtime.signal(&message::read_id(signal.id), how);
            }
            Request::Finish(pod_uid) => runtime.finish(&pod_uid.into()),
            Request::Remove(pod_uid) => runtime.remove(&pod_uid.into()),
            Request::Retain(retain) => {
                runtime.retain(retain.pod_uids.into_iter().map(Arc::from).collect());
            }
            Request::LeaseUntil(nanoseconds) => {
                runtime.extend_lease_since_boot(Duration::from_nanos(nanoseconds));
            }
            Request::Ping(number) => self.send(Event::Pong(number)),
            Request::StopAll(_) => return Next::Stop,
        }
        Next::GoOn
    }

    fn tell(&mut self, event: &RuntimeEvent) {
        if self.agent.is_some() {
            self.send(Event::State(message::event(event)));
        }
    }

    /// Nothing is lost without an agent: what it needs to know is recorded, and it asks for that first.
    fn send(&mut self, event: Event) {
        let Some(agent) = &self.agent else {
            return;
        };
        let sent = agent.outbox.try_send(FromSupervisor { event: Some(event) });
        if let Err(mpsc::error::TrySendError::Full(_)) = sent {
            tracing::warn!("the agent takes in nothing any more; its connection is closed");
            self.agent = None;
        }
    }

    fn look_around(&mut self) -> Next {
        self.runtime.catch_up();
        if self.agent.is_some() {
            return Next::GoOn;
        }
        if self.is_cut_off() {
            tracing::warn!("the data directory was removed, so no agent can come: everything ends");
            return Next::Stop;
        }
        if !self.runtime.is_idle() && !self.bound {
            self.idle_since = None;
            return Next::GoOn;
        }
        let since = *self.idle_since.get_or_insert_with(Instant::now);
        if since.elapsed() < IDLE_MAX {
            return Next::GoOn;
        }
        tracing::info!("nothing is left to do without an agent: ending");
        Next::Stop
    }

    /// Whether the socket is gone. Any other trouble with the directory may pass.
    fn is_cut_off(&self) -> bool {
        let socket = socket_path(&self.directory);
        match self.host.disk.list(&self.directory) {
            Ok(names) => !names.iter().any(|name| socket.ends_with(name)),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    async fn stop(
        mut self,
        events: &mut mpsc::Receiver<RuntimeEvent>,
        mut heard: mpsc::Receiver<(u64, Heard)>,
    ) {
        let runtime = self.runtime.clone();
        {
            let mut stopped = std::pin::pin!(runtime.stop_all());
            loop {
                tokio::select! {
                    () = &mut stopped => break,
                    Some(event) = events.recv() => self.tell(&event),
                    // Too late; but connections must not wait for being heard.
                    Some(_) = heard.recv() => {}
                }
            }
        }
        drop(heard);
        while let Ok(event) = events.try_recv() {
            self.tell(&event);
        }
        if !self.runtime.catch_up() {
            tracing::error!("the last ends of containers could not be recorded");
        }
        self.send(Event::AllStopped(wire_message::AllStopped {}));
        let Some(Agent { outbox, over, .. }) = self.agent else {
            return;
        };
        drop(outbox);
        if timeout(FAREWELL_MAX, over).await.is_err() {
            tracing::warn!("the agent did not take in the last words");
        }
    }
}

/// One connection, of an agent or of a reader of logs.
struct Connection {
    link: u64,
    wire: Wire,
    runtime: ProcessRuntime,
    heard: mpsc::Sender<(u64, Heard)>,
}

impl Connection {
    async fn serve(mut self) {
        let Ok(Ok(Some(hello))) = timeout(HELLO_MAX, self.wire.get::<Hello>()).await else {
            tracing::debug!(self.link, "a connection without a greeting");
            return;
        };
        self.wire.put(&Welcome {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: i32::try_from(std::process::id()).unwrap_or(0),
        });
        if hello.protocol != PROTOCOL {
            tracing::warn!(
                hello.protocol,
                hello.version,
                "somebody speaks another protocol and is turned away"
            );
            drop(timeout(FAREWELL_MAX, self.wire.flush()).await);
            return;
        }
        match hello.purpose {
            Some(hello::Purpose::Logs(query)) => {
                let request = message::read_logs(query);
                log_reading::serve(self.wire, self.runtime.logs(request).await).await;
            }
            Some(hello::Purpose::TakeOver(take_over)) => self.serve_agent(take_over.end_with_agent).await,
            None => {}
        }
    }

    async fn serve_agent(mut self, bound: bool) {
        let (outbox, news) = mpsc::channel(OUTBOX_MAX);
        // Dropped with this task.
        let (_over, over) = oneshot::channel();
        let agent = Agent {
            link: self.link,
            outbox,
            bound,
            over,
        };
        let (told, registered) = oneshot::channel();
        let sent = self.heard.send((self.link, Heard::Agent(agent, told))).await;
        if sent.is_err() || registered.await.is_err() {
            return;
        }
        // What happens from here on waits in `news`, so nothing is left out; some of it is told twice.
        for part in message::inventory(self.runtime.inventory().await) {
            let event = Some(Event::Inventory(part));
            self.wire.put(&FromSupervisor { event });
        }
        self.converse(news).await;
    }

    async fn converse(mut self, mut news: mpsc::Receiver<FromSupervisor>) {
        loop {
            tokio::select! {
                event = news.recv(), if self.wire.waiting() < WAITING_BYTES_MAX => {
                    let Some(event) = event else {
                        // Replaced, cut off, or everything ends.
                        drop(timeout(FAREWELL_MAX, self.wire.flush()).await);
                        return;
                    };
                    self.wire.put(&event);
                    while self.wire.waiting() < WAITING_BYTES_MAX
                        && let Ok(event) = news.try_recv()
                    {
                        self.wire.put(&event);
                    }
                }
                request = self.wire.get::<FromAgent>() => {
                    let heard = match request {
                        Ok(Some(FromAgent { request: Some(request) })) => Heard::Request(request),
                        // Of a newer agent that knows more.
                        Ok(Some(FromAgent { request: None })) => continue,
                        Ok(None) => Heard::Gone,
                        Err(error) => {
                            tracing::debug!(%error, "the connection to the agent broke");
                            Heard::Gone
                        }
                    };
                    let gone = matches!(heard, Heard::Gone);
                    let unheard = self.heard.send((self.link, heard)).await.is_err();
                    if gone {
                        return;
                    }
                    if unheard {
                        tracing::debug!("everything ends; only the last words are still to be said");
                    }
                }
            }
        }
    }
}
