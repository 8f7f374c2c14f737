//! The agent's session with the control plane: join, receive assignments, and again from the start when anything about it
//! is doubtful. Owns the order of these steps, the sequence check and the pause between attempts. Losing the session stops
//! no pod.

use std::sync::Arc;
use std::time::Duration;

use bosun_client::endpoint::{MESSAGE_BYTES_MAX, channel};
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

/// The pause after the first failed attempt; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How long a server may take to answer a call that opens the session.
const OPEN_MAX: Duration = Duration::from_secs(5);
/// The heartbeat interval if a server names none.
const HEARTBEAT_DEFAULT: Duration = Duration::from_millis(500);

/// What others need to speak within the session.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) client: NodeAgentsClient<Channel>,
    pub(crate) session_id: Arc<str>,
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
    /// A new session; its full set follows.
    Opened,
    FullSet(FullSet),
    Assignments(Assignments),
    OpenLogs(OpenLogs),
}

/// Keeps a session open.
pub(crate) struct SessionKeeper {
    pub(crate) host: Host,
    pub(crate) servers: Vec<String>,
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
        loop {
            let server = &self.servers[turn % self.servers.len()];
            let attempt = Box::pin(self.attempt(server)).await;
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
                        server: server.clone(),
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

    async fn attempt(&self, server: &String) -> Attempt {
        let begun = Instant::now();
        let (link, mut events) = match Box::pin(self.open(server)).await {
            Ok(open) => open,
            Err(status) if matches!(status.code(), Code::InvalidArgument) => {
                return Attempt::Refused(status.message().to_owned());
            }
            Err(status) => return Attempt::Failed(status.message().to_owned()),
        };
        let took = begun.elapsed();
        tracing::info!(%server, ?took, "joined the control plane");
        if self.inbox.send(FromServer::Opened).await.is_err() {
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

    async fn open(&self, server: &String) -> Result<(Link, Streaming<SessionEvent>), Status> {
        let channel = channel(Arc::clone(&self.host.network), std::slice::from_ref(server))
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let mut client = NodeAgentsClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let request = JoinRequest {
            node: Some(self.node.clone()),
            boot_id: self.boot_id.clone(),
        };
        let JoinResponse {
            node_uid,
            session_id,
            heartbeat_interval_ms,
            lease_ms,
            ..
        } = Box::pin(in_time(client.join(request))).await?;
        tracing::debug!(node_uid, session_id, "joined");
        let request = SessionRequest {
            node_name: self.node_name(),
            session_id: session_id.clone(),
        };
        let events = in_time(client.session(request)).await?;
        let milliseconds = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0);
        let link = Link {
            client,
            session_id: session_id.into(),
            heartbeat_interval: milliseconds(heartbeat_interval_ms)
                .map_or(HEARTBEAT_DEFAULT, Duration::from_millis),
            lease: milliseconds(lease_ms).map_or(Duration::MAX, Duration::from_millis),
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
