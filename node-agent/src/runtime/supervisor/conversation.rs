//! The agent's conversation with the supervisor: hands requests on, takes events in, notices silence, and begins again with
//! another supervisor when this one ends.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bosun_proto::supervisor::from_agent::Request;
use bosun_proto::supervisor::from_supervisor::Event;
use bosun_proto::supervisor::{FromAgent, FromSupervisor, SignalContainer, StopAll};
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::client::{Lifetime, Live, Shared, lost};
use super::connect::{self, Link};
use super::message;
use super::wire::{MESSAGE_BYTES_MAX, WAITING_BYTES_MAX, Wire};
use crate::runtime::{ContainerId, Ended, Found, RuntimeEvent, StopSignal};

/// A supervisor that does not answer for so long is complained about.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// No command and environment is longer, in bytes; a few times what the kernel takes, which says so by itself.
const START_BYTES_MAX: usize = MESSAGE_BYTES_MAX / 2;
/// The first pause before another attempt to come by a supervisor.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How a conversation ended.
enum End {
    /// All containers have stopped, as asked for.
    Stopped,
    /// The runtime was dropped.
    Over,
    Lost(io::Error),
}

/// Converses until everything has stopped.
pub(super) async fn keep(
    shared: Arc<Shared>,
    mut link: Link,
    mut requests: mpsc::UnboundedReceiver<Request>,
    events: mpsc::Sender<RuntimeEvent>,
) {
    loop {
        match converse(&shared, &mut link, &mut requests, &events).await {
            End::Stopped => {
                shared.stopped.send_replace(true);
                return;
            }
            End::Over => return,
            End::Lost(error) => {
                tracing::error!(
                    supervisor = link.pid,
                    %error,
                    "lost the supervisor of this node's containers; another one takes its place"
                );
            }
        }
        link = replace(&shared).await;
        tracing::info!(
            supervisor = link.pid,
            "containers are in the care of this process"
        );
        catch_up(&shared, &mut link, &events).await;
    }
}

async fn replace(shared: &Shared) -> Link {
    let mut pause = PAUSE_FIRST;
    loop {
        let end_with_agent = shared.lifetime == Lifetime::WithAgent;
        match connect::take_over(&shared.host, &shared.directory, &shared.start, end_with_agent).await {
            Ok(link) => return link,
            Err(error) => tracing::error!(%error, "this node can run no containers; trying on"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Compares what should be with what the supervisor has.
async fn catch_up(shared: &Shared, link: &mut Link, events: &mpsc::Sender<RuntimeEvent>) {
    put_lease(shared, &mut link.wire);
    let found: BTreeMap<ContainerId, Found> = std::mem::take(&mut link.recovery.containers)
        .into_iter()
        .collect();
    let live = shared.live().clone();
    for (id, Live { spec, signal }) in live {
        let found = match (found.get(&id), &spec) {
            (Some(found), _) => found.clone(),
            // It was never begun, or by a supervisor that died before it could record it, and then it was killed.
            (None, Some(spec)) => {
                let start = Request::Start(message::start(spec));
                hand_on(shared, &mut link.wire, events, start).await;
                continue;
            }
            (None, None) => Found::Ended(lost(&shared.host)),
        };
        if let (Found::Running { .. }, Some(signal)) = (&found, signal) {
            let kill = signal == StopSignal::Kill;
            let id = Some(message::id(&id));
            put(&mut link.wire, Request::Signal(SignalContainer { id, kill }));
        }
        tell(shared, events, id, found).await;
    }
    if shared.stopping.load(Ordering::SeqCst) {
        put(&mut link.wire, Request::StopAll(StopAll {}));
    }
}

/// What waits for an answer.
#[derive(Default)]
struct Pings {
    sent: u64,
    /// Since when an answer is due.
    due: Option<Instant>,
    complained: bool,
}

impl Pings {
    /// One question is under way at a time, and none when there was nothing to say.
    fn ask(&mut self, wire: &mut Wire) {
        if self.due.is_none() {
            self.sent += 1;
            self.due = Some(Instant::now() + ANSWER_MAX);
            put(wire, Request::Ping(self.sent));
        }
    }

    fn answered(&mut self, pid: i32) {
        self.due = None;
        if std::mem::take(&mut self.complained) {
            tracing::info!(
                supervisor = pid,
                "the supervisor of this node's containers answers again"
            );
        }
    }
}

async fn converse(
    shared: &Shared,
    link: &mut Link,
    requests: &mut mpsc::UnboundedReceiver<Request>,
    events: &mpsc::Sender<RuntimeEvent>,
) -> End {
    let mut lease = shared.lease.subscribe();
    // What was set before this moment counts as seen otherwise, and would never be told.
    lease.mark_changed();
    let mut pings = Pings::default();
    let wire = &mut link.wire;
    loop {
        let complain_at = pings.due.filter(|_| !pings.complained);
        tokio::select! {
            request = requests.recv(), if wire.waiting() < WAITING_BYTES_MAX => {
                let Some(request) = request else {
                    return End::Over;
                };
                // A start that was asked for under a lease must not overtake it.
                if matches!(lease.has_changed(), Ok(true)) {
                    lease.mark_unchanged();
                    put_lease(shared, wire);
                }
                hand_on(shared, wire, events, request).await;
                while wire.waiting() < WAITING_BYTES_MAX
                    && let Ok(request) = requests.try_recv()
                {
                    if matches!(lease.has_changed(), Ok(true)) {
                        lease.mark_unchanged();
                        put_lease(shared, wire);
                    }
                    hand_on(shared, wire, events, request).await;
                }
                pings.ask(wire);
            }
            Ok(()) = lease.changed() => {
                put_lease(shared, wire);
                pings.ask(wire);
            }
            event = wire.get::<FromSupervisor>() => match event {
                Ok(Some(FromSupervisor { event })) => match event {
                    Some(Event::State(state)) => {
                        if let Some((id, found)) = message::read_state(state) {
                            tell(shared, events, id, found).await;
                        }
                    }
                    Some(Event::Pong(number)) if number == pings.sent => pings.answered(link.pid),
                    Some(Event::AllStopped(_)) if shared.stopping.load(Ordering::SeqCst) => return End::Stopped,
                    Some(Event::AllStopped(_)) => {
                        return End::Lost(io::Error::other("it was told to stop, with all containers"));
                    }
                    Some(Event::Pong(_) | Event::Inventory(_)) | None => {}
                },
                Ok(None) => return End::Lost(io::ErrorKind::UnexpectedEof.into()),
                Err(error) => return End::Lost(error),
            },
            () = sleep_until(complain_at.unwrap_or_else(Instant::now)), if complain_at.is_some() => {
                pings.complained = true;
                tracing::error!(
                    supervisor = link.pid,
                    seconds = ANSWER_MAX.as_secs(),
                    "the supervisor of this node's containers does not answer: none is started or ended until it does; \
                     if the process is stopped, let it go on with kill -CONT; if it hangs, end it with kill -KILL, which \
                     ends the containers too"
                );
            }
        }
    }
}

/// Puts a request into the wire, unless it cannot be carried out and is answered here.
async fn hand_on(shared: &Shared, wire: &mut Wire, events: &mpsc::Sender<RuntimeEvent>, request: Request) {
    if let Request::Start(start) = &request
        && start.encoded_len() > START_BYTES_MAX
    {
        let ended = Ended {
            exit_code: 128,
            signal: 0,
            reason: "StartError".to_owned(),
            message: "command, args and env are together longer than the kernel takes".to_owned(),
            started_at: None,
            finished_at: shared.host.clock.wall(),
        };
        let id = message::read_id(start.id.clone());
        tell(shared, events, id, Found::Ended(ended)).await;
        return;
    }
    put(wire, request);
}

/// Passes on how a container is.
async fn tell(shared: &Shared, events: &mpsc::Sender<RuntimeEvent>, id: ContainerId, found: Found) {
    let event = match found {
        Found::Running { started_at: at } => {
            if let Some(live) = shared.live().get_mut(&id) {
                live.spec = None;
            }
            RuntimeEvent::Started { id, at }
        }
        Found::Ended(ended) => {
            shared.live().remove(&id);
            RuntimeEvent::Ended { id, ended }
        }
    };
    if events.send(event).await.is_err() {
        tracing::debug!("the agent is ending and hears nothing more");
    }
}

fn put(wire: &mut Wire, request: Request) {
    wire.put(&FromAgent {
        request: Some(request),
    });
}

fn put_lease(shared: &Shared, wire: &mut Wire) {
    if let Some(until) = *shared.lease.borrow() {
        let nanoseconds = u64::try_from(until.as_nanos()).unwrap_or(u64::MAX);
        put(wire, Request::LeaseUntil(nanoseconds));
    }
}
