//! The agent's session with the control plane: join, receive assignments, and again from the start when anything about it
//! is doubtful. Owns the order of these steps, the sequence check and the pause between attempts. Losing the session stops
//! no pod.

use std::sync::Arc;
use std::time::Duration;

use bosun_client::endpoint::{MESSAGE_BYTES_MAX, channel, parse_addresses};
use bosun_host::Host;
use bosun_proto::core_v1::Node;
use bosun_proto::node::node_agents_client::NodeAgentsClient;
use bosun_proto::node::session_event::Event;
use bosun_proto::node::{
    Assignments, FullSet, JoinRequest, JoinResponse, OpenLogs, SessionEvent, SessionRequest,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use crate::AgentError;
use crate::config::is_loopback;
use crate::lease::LeaseKeeper;

/// The pause after the first failed attempt; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// The longest pause. Short against the silence after which a node is not ready, so that a leader that has just been elected
/// hears its nodes in time.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long a server may take to answer a call that opens the session; another one may be better.
const OPEN_MAX: Duration = Duration::from_secs(3);
/// The heartbeat interval if a server names none.
const HEARTBEAT_DEFAULT: Duration = Duration::from_millis(500);
/// The lease if a server names none.
const LEASE_DEFAULT: Duration = Duration::from_secs(8);

/// Where servers are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Servers {
    /// Of the list that the servers gave.
    pub(crate) version: u64,
    /// Those that the agent was told of at its start, and those that vote now.
    pub(crate) addresses: Vec<String>,
}

/// The servers that an agent knows: those of its settings, and those it hears of.
pub(crate) struct KnownServers {
    configured: Vec<String>,
    /// Whether those on other machines may be talked to.
    insecure_plaintext: bool,
    known: watch::Sender<Servers>,
}

impl KnownServers {
    pub(crate) fn new(configured: Vec<String>, insecure_plaintext: bool) -> Self {
        let known = Servers {
            version: 0,
            addresses: configured.clone(),
        };
        Self {
            configured,
            insecure_plaintext,
            known: watch::Sender::new(known),
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Servers> {
        self.known.subscribe()
    }

    pub(crate) fn version(&self) -> u64 {
        self.known.borrow().version
    }

    /// Takes in a list that a server gave; an empty one is none.
    pub(crate) fn learn(&self, version: u64, servers: Vec<String>) {
        if servers.is_empty() || version == self.version() {
            return;
        }
        let mut addresses = self.configured.clone();
        for server in servers {
            let allowed = self.insecure_plaintext || is_loopback(&server);
            if allowed && !addresses.contains(&server) && parse_addresses(&server).is_ok() {
                addresses.push(server);
            }
        }
        self.known.send_replace(Servers { version, addresses });
    }

    /// The one to try in this turn.
    fn at_turn(&self, turn: usize) -> String {
        let known = self.known.borrow();
        known.addresses[turn % known.addresses.len()].clone()
    }
}

/// What others need to speak within the session.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) client: NodeAgentsClient<Channel>,
    pub(crate) session_id: Arc<str>,
    /// 1 for the first session of this life of the agent.
    pub(crate) number: u64,
    pub(crate) heartbeat_interval: Duration,
    /// How long after the sending of an acknowledged heartbeat fenced pods may run.
    pub(crate) lease: Duration,
    /// To be cancelled by whoever finds that the session is no good any more.
    pub(crate) broken: CancellationToken,
}

impl Link {
    /// Gives the session up when the server's answer says that it is over.
    pub(crate) fn judge(&self, status: &Status) {
        if matches!(
            status.code(),
            Code::FailedPrecondition | Code::Unauthenticated | Code::NotFound
        ) {
            self.broken.cancel();
        }
    }
}

/// The present link, or none; changes with each session.
pub(crate) type Links = watch::Receiver<Option<Link>>;

/// Waits for a session. `None` when there will never be one again.
pub(crate) async fn next_link(links: &mut Links) -> Option<Link> {
    links.wait_for(Option::is_some).await.ok()?.clone()
}

/// What the control plane says.
#[derive(Debug)]
pub(crate) enum FromServer {
    /// A new session, by its number; its full set follows.
    Opened(u64),
    FullSet(FullSet),
    Assignments(Assignments),
    OpenLogs(OpenLogs),
}

/// Keeps a session open.
pub(crate) struct SessionKeeper {
    pub(crate) host: Host,
    pub(crate) servers: Arc<KnownServers>,
    pub(crate) lease: Arc<LeaseKeeper>,
    pub(crate) node: Node,
    /// New at each start of the agent.
    pub(crate) boot_id: String,
    pub(crate) links: watch::Sender<Option<Link>>,
    pub(crate) inbox: mpsc::Sender<FromServer>,
}

/// How an attempt went.
enum Attempt {
    /// A session was there and is not any more.
    Lost(String),
    /// No session came to be.
    Failed(String),
    /// The server will never take this node.
    Refused(String),
    /// The agent is ending.
    Over,
}

impl SessionKeeper {
    /// Runs until the agent ends or the node is refused; then says why.
    pub(crate) async fn run(self) -> Option<AgentError> {
        let mut pause = PAUSE_FIRST;
        let mut told = false;
        let mut turn = 0;
        let mut number = 0;
        loop {
            let server = self.servers.at_turn(turn);
            number += 1;
            let attempt = Box::pin(self.attempt(&server, number)).await;
            self.links.send_replace(None);
            match attempt {
                Attempt::Lost(reason) => {
                    tracing::warn!(%server, reason, "lost the control plane; pods keep running");
                    pause = PAUSE_FIRST;
                    told = true;
                }
                Attempt::Failed(reason) if told => {
                    tracing::debug!(%server, reason, "cannot join the control plane");
                }
                Attempt::Failed(reason) => {
                    tracing::warn!(%server, reason, "cannot join the control plane; trying on");
                    told = true;
                }
                Attempt::Refused(message) => {
                    return Some(AgentError::Refused {
                        server,
                        node: self.node_name(),
                        message,
                    });
                }
                Attempt::Over => return None,
            }
            turn += 1;
            sleep(self.with_jitter(pause)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn node_name(&self) -> String {
        self.node
            .metadata
            .as_ref()
            .map(|meta| meta.name.clone())
            .unwrap_or_default()
    }

    /// Between half of it and all of it, so that many agents do not come back in the same moment.
    fn with_jitter(&self, pause: Duration) -> Duration {
        let parts = u32::try_from(self.host.entropy.next_u64() % 1024).unwrap_or(0);
        pause / 2 + pause / 2 * parts / 1024
    }

    async fn attempt(&self, server: &String, number: u64) -> Attempt {
        let begun = Instant::now();
        let (link, mut events) = match Box::pin(self.open(server, number)).await {
            Ok(open) => open,
            Err(status) if matches!(status.code(), Code::InvalidArgument) => {
                return Attempt::Refused(status.message().to_owned());
            }
            Err(status) => return Attempt::Failed(status.message().to_owned()),
        };
        let took = begun.elapsed();
        tracing::info!(%server, ?took, "joined the control plane");
        if self.inbox.send(FromServer::Opened(number)).await.is_err() {
            return Attempt::Over;
        }
        let broken = link.broken.clone();
        self.links.send_replace(Some(link));
        let mut sequence = 0;
        loop {
            let event = tokio::select! {
                event = events.message() => event,
                () = broken.cancelled() => return Attempt::Lost("the session has ended".to_owned()),
            };
            let SessionEvent {
                sequence: number,
                event,
            } = match event {
                Ok(Some(event)) => event,
                Ok(None) => return Attempt::Lost("the server ended the session".to_owned()),
                Err(status) => return Attempt::Lost(status.message().to_owned()),
            };
            sequence += 1;
            if number != sequence {
                return Attempt::Lost(format!("message {sequence} is missing: {number} came"));
            }
            let message = match event {
                Some(Event::FullSet(part)) => FromServer::FullSet(part),
                Some(Event::Assignments(assignments)) => FromServer::Assignments(assignments),
                Some(Event::OpenLogs(open)) => FromServer::OpenLogs(open),
                None => continue,
            };
            if self.inbox.send(message).await.is_err() {
                return Attempt::Over;
            }
        }
    }

    async fn open(&self, server: &String, number: u64) -> Result<(Link, Streaming<SessionEvent>), Status> {
        let channel = channel(Arc::clone(&self.host.network), std::slice::from_ref(server))
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let mut client = NodeAgentsClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let request = JoinRequest {
            node: Some(self.node.clone()),
            boot_id: self.boot_id.clone(),
        };
        let sent_at = self.lease.now();
        let JoinResponse {
            node_uid,
            session_id,
            heartbeat_interval_ms,
            lease_ms,
            servers,
            servers_version,
        } = Box::pin(in_time(client.join(request))).await?;
        tracing::debug!(node_uid, session_id, "joined");
        let milliseconds = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0);
        let lease = milliseconds(lease_ms).map_or(LEASE_DEFAULT, Duration::from_millis);
        // The first heartbeat need not be waited for.
        self.lease.grant(sent_at, lease, number);
        self.servers.learn(servers_version, servers);
        let request = SessionRequest {
            node_name: self.node_name(),
            session_id: session_id.clone(),
        };
        let events = in_time(client.session(request)).await?;
        let link = Link {
            client,
            session_id: session_id.into(),
            number,
            heartbeat_interval: milliseconds(heartbeat_interval_ms)
                .map_or(HEARTBEAT_DEFAULT, Duration::from_millis),
            lease,
            broken: CancellationToken::new(),
        };
        Ok((link, events))
    }
}

async fn in_time<T>(call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, Status> {
    match timeout(OPEN_MAX, call).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded(format!(
            "no answer within {} s",
            OPEN_MAX.as_secs()
        ))),
    }
}
