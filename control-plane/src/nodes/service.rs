//! The NodeAgents service: the wire that agents use.

use std::pin::Pin;
use std::time::Duration;

use bosun_core::refusal::Refusal;
use bosun_host::Host;
use bosun_proto::node::node_agents_server::NodeAgents;
use bosun_proto::node::{
    HeartbeatRequest, HeartbeatResponse, JoinRequest, JoinResponse, LeaderContactRequest,
    LeaderContactResponse, LogRelay, ReportRequest, ReportResponse, SendLogsResponse, SessionEvent,
    SessionRequest, VoterSet, Voters,
};
use futures::{Stream, StreamExt, stream};
use tonic::{Request, Response, Status, Streaming};

use super::feed::Feed;
use super::join;
use super::relay::Relays;
use super::report;
use super::sessions::Sessions;
use crate::api::grpc::status_of;
use crate::replica::Replica;

/// An agent that missed so many heartbeats does not keep another one from its node's name.
const HEARTBEATS_MISSED_MAX: u32 = 3;

/// What agents are told about time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeTimes {
    /// How often an agent says that it lives.
    pub(crate) heartbeat_interval: Duration,
    /// How long after the sending of an acknowledged heartbeat an agent may run fenced pods.
    pub(crate) lease: Duration,
}

/// Serves agents.
pub(crate) struct NodeAgentsService {
    pub(crate) replica: Replica,
    pub(crate) sessions: Sessions,
    pub(crate) relays: Relays,
    pub(crate) host: Host,
    pub(crate) times: NodeTimes,
}

impl NodeAgentsService {
    /// Sessions live in the leader's memory.
    fn require_leader(&self) -> Result<(), Status> {
        let leadership = self.replica.leadership().borrow().clone();
        if leadership.leader {
            return Ok(());
        }
        let message = match leadership.current {
            Some(leader) => format!(
                "this server does not lead; the leader is at {}",
                leader.server.address
            ),
            None => "no server leads just now: try again shortly".to_owned(),
        };
        Err(status_of(Refusal::NotLed(message)))
    }

    /// The term in which this server leads, as long as it is certain of that: whoever is answered counts its lease on the
    /// answer, and a leader that may have been replaced must not lengthen it.
    fn require_certain_lead(&self) -> Result<u64, Status> {
        self.require_leader()?;
        let certain = self.replica.certain_term(self.host.clock.instant());
        certain.ok_or_else(|| Status::unavailable("this server is not certain to lead just now: try again"))
    }

    /// An agent that has just ended is not in the way: its stream ended with it.
    fn require_unserved(&self, node: &str, boot_id: &str) -> Result<(), Status> {
        let now = self.host.clock.instant();
        let silence = self.times.heartbeat_interval * HEARTBEATS_MISSED_MAX;
        let since = now.checked_sub(silence).unwrap_or(now);
        if self.sessions.is_served_by_another(node, boot_id, since) {
            return Err(Status::already_exists(format!(
                "another agent that is alive serves node \"{node}\": stop one of the two, or give this one another --node-name"
            )));
        }
        Ok(())
    }

    fn require_session(&self, node: &str, session_id: &str) -> Result<(), Status> {
        self.require_leader()?;
        if self.sessions.is_current(node, session_id) {
            return Ok(());
        }
        Err(Status::failed_precondition("this session has ended: join again"))
    }
}

#[tonic::async_trait]
impl NodeAgents for NodeAgentsService {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<SessionEvent, Status>> + Send>>;

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        self.require_leader()?;
        let JoinRequest { node, boot_id } = request.into_inner();
        let node = node.unwrap_or_default();
        let name = node
            .metadata
            .as_ref()
            .map(|metadata| metadata.name.as_str())
            .unwrap_or_default();
        self.require_unserved(name, &boot_id)?;
        let node_uid = join::register(&self.replica, &self.host, &node)
            .await
            .map_err(status_of)?;
        let session_id = self.host.entropy.uuid().to_string();
        let now = self.host.clock.instant();
        let term = self.require_certain_lead()?;
        if !self.sessions.begin(name, &session_id, term, &boot_id, now) {
            return Err(Status::unavailable(
                "the node was not heard for too long, and its pods are being given up: try again",
            ));
        }
        tracing::info!(node = name, "node joined");
        let (servers_version, servers) = self.replica.node().voter_addresses();
        Ok(Response::new(JoinResponse {
            node_uid,
            session_id,
            heartbeat_interval_ms: milliseconds(self.times.heartbeat_interval),
            lease_ms: milliseconds(self.times.lease),
            servers,
            servers_version,
        }))
    }

    async fn session(
        &self,
        request: Request<SessionRequest>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let SessionRequest {
            node_name,
            session_id,
        } = request.into_inner();
        self.require_session(&node_name, &session_id)?;
        let Some(requests) = self.sessions.attach(&node_name, &session_id) else {
            return Err(Status::failed_precondition("this session has ended: join again"));
        };
        let feed = Feed::new(node_name, self.replica.subscribe(), requests);
        let events = stream::unfold(Some(feed), |feed| async move {
            let mut feed = feed?;
            match feed.next().await {
                Ok(Some(events)) => Some((events.into_iter().map(Ok).collect::<Vec<_>>(), Some(feed))),
                Ok(None) => None,
                Err(status) => Some((vec![Err(status)], None)),
            }
        });
        Ok(Response::new(Box::pin(events.flat_map(stream::iter))))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        let term = self.require_certain_lead()?;
        let request = request.into_inner();
        let now = self.host.clock.instant();
        if !self
            .sessions
            .heard(&request.node_name, &request.session_id, term, now)
        {
            return Err(Status::failed_precondition("this session has ended: join again"));
        }
        let (servers_version, servers) = self.replica.node().voter_addresses();
        let news = servers_version != request.servers_version;
        Ok(Response::new(HeartbeatResponse {
            servers: if news { servers } else { Vec::new() },
            servers_version,
        }))
    }

    async fn leader_contact(
        &self,
        request: Request<LeaderContactRequest>,
    ) -> Result<Response<LeaderContactResponse>, Status> {
        let round_ms = u64::try_from(request.into_inner().round_ms).map_err(|_| {
            Status::invalid_argument("round_ms is how long a round of questions lasts: 0 or more")
        })?;
        let contact = self.replica.node().leader_contact();
        let (term, leader_id, index) = contact.voters_made_by;
        Ok(Response::new(LeaderContactResponse {
            server_id: contact.node_id,
            knows_no_leader: contact.knows_no_leader(Duration::from_millis(round_ms)),
            voters: Some(Voters {
                term,
                leader_id,
                index,
                sets: contact
                    .voters
                    .into_iter()
                    .map(|server_ids| VoterSet { server_ids })
                    .collect(),
            }),
        }))
    }

    async fn report(&self, request: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        let request = request.into_inner();
        let (node, session_id) = (request.node_name.clone(), request.session_id.clone());
        let speaks = || self.require_session(&node, &session_id);
        speaks()?;
        let unknown_uids = report::take_in(&self.replica, request, speaks).await?;
        Ok(Response::new(ReportResponse { unknown_uids }))
    }

    async fn send_logs(
        &self,
        request: Request<Streaming<LogRelay>>,
    ) -> Result<Response<SendLogsResponse>, Status> {
        let mut chunks = request.into_inner();
        let Some(first) = chunks.message().await? else {
            return Ok(Response::new(SendLogsResponse {}));
        };
        let Some(client) = self.relays.arrive(&first.relay_id) else {
            return Err(Status::not_found("nobody waits for this output any more"));
        };
        let mut next = Some(first);
        while let Some(chunk) = next {
            if !chunk.error.is_empty() {
                // Whether the client still listens makes no difference: this was the last.
                drop(client.send(Err(Refusal::BadRequest(chunk.error))).await);
                break;
            }
            if !chunk.data.is_empty() && client.send(Ok(chunk.data)).await.is_err() {
                return Err(Status::cancelled("the client has gone"));
            }
            // Also notices the client going while a followed container is silent.
            next = tokio::select! {
                chunk = chunks.message() => chunk?,
                () = client.closed() => return Err(Status::cancelled("the client has gone")),
            };
        }
        Ok(Response::new(SendLogsResponse {}))
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
