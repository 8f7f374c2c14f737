//! The Cluster service: what a server says about itself and the others, and changes of who takes part.

use std::time::Duration;

use bosun_core::refusal::Refusal;
use bosun_host::Host;
use bosun_proto::api;
use bosun_proto::api::cluster_server::Cluster;
use tonic::{Request, Response, Status};

use crate::cluster::ask::{self, LEADER_HEADER};
use crate::cluster::identity::Identity;
use crate::cluster::verbs::{self, Place, Refused};
use crate::raft::{Member, Server};
use crate::replica::Replica;

/// Answers for one server.
pub(crate) struct ClusterService {
    pub(crate) replica: Replica,
    pub(crate) host: Host,
    pub(crate) identity: Identity,
    /// Where the other servers reach it.
    pub(crate) address: String,
    /// The list it was started with.
    pub(crate) servers: Vec<String>,
}

#[tonic::async_trait]
impl Cluster for ClusterService {
    async fn describe(
        &self,
        _request: Request<api::DescribeRequest>,
    ) -> Result<Response<api::DescribeResponse>, Status> {
        let status = self.replica.node().status();
        let leadership = self.replica.leadership().borrow().clone();
        Ok(Response::new(api::DescribeResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_id: self.identity.cluster_id.clone(),
            server_id: status.node_id,
            leader_id: leadership.current.map_or(0, |leader| leader.node_id),
            term: leadership.term,
            resource_version: self.replica.snapshot().version(),
            applied_index: status.applied_index.unwrap_or(0),
            name: self.identity.name.clone(),
            address: self.address.clone(),
            servers: self.servers.clone(),
        }))
    }

    async fn list_servers(
        &self,
        request: Request<api::ListServersRequest>,
    ) -> Result<Response<api::ListServersResponse>, Status> {
        let leadership = self.replica.leadership().borrow().clone();
        let elsewhere = leadership.current.as_ref().filter(|_| !leadership.leader);
        if let Some(leader) = elsewhere.filter(|_| !request.get_ref().local) {
            match ask::list(&self.host.network, &leader.server.address).await {
                Ok(listed) => return Ok(Response::new(listed)),
                // Then what is known here is better than nothing; it says that the leader did not say so.
                Err(why) => tracing::debug!(%why, "the leader was not asked about the servers"),
            }
        }
        let members = self.replica.node().members();
        let leader_id = leadership.current.map(|leader| leader.node_id);
        let info = |member: &Member| api::ServerInfo {
            id: member.node_id,
            name: member.server.name.clone(),
            address: member.server.address.clone(),
            voter: member.voter,
            leader: leader_id == Some(member.node_id),
            heard_ms_ago: member.heard.filter(|_| leadership.leader).map(milliseconds),
            matched_index: member.matched_index,
            entries_behind: member
                .matched_index
                .map_or(0, |index| members.last_index.saturating_sub(index)),
        };
        Ok(Response::new(api::ListServersResponse {
            servers: members.servers.iter().map(info).collect(),
            from_leader: leadership.leader,
            term: leadership.term,
            cluster_id: self.identity.cluster_id.clone(),
        }))
    }

    async fn join_server(
        &self,
        request: Request<api::JoinServerRequest>,
    ) -> Result<Response<api::JoinServerResponse>, Status> {
        let request = request.into_inner();
        let cluster_id = self.identity.cluster_id.clone();
        if !request.cluster_id.is_empty() && request.cluster_id != cluster_id {
            return Err(Status::failed_precondition(format!(
                "{} belongs to cluster {}, this is a server of {cluster_id}",
                request.name, request.cluster_id
            )));
        }
        let known_as = (request.server_id != 0).then_some(request.server_id);
        let server = Server {
            name: request.name,
            address: request.address,
        };
        let place = verbs::join(&self.replica, known_as, server).await;
        Ok(Response::new(match place.map_err(status_of)? {
            Place::Member(server_id) => api::JoinServerResponse {
                cluster_id,
                server_id,
                removed: false,
            },
            Place::Removed => api::JoinServerResponse {
                cluster_id,
                server_id: request.server_id,
                removed: true,
            },
        }))
    }

    async fn remove_server(
        &self,
        request: Request<api::RemoveServerRequest>,
    ) -> Result<Response<api::RemoveServerResponse>, Status> {
        let request = request.into_inner();
        let removed = verbs::remove(&self.replica, &request.name, request.server_id).await;
        let server_id = removed.map_err(status_of)?;
        Ok(Response::new(api::RemoveServerResponse { server_id }))
    }

    async fn transfer_leader(
        &self,
        request: Request<api::TransferLeaderRequest>,
    ) -> Result<Response<api::TransferLeaderResponse>, Status> {
        let name = request.into_inner().name;
        let transferred = verbs::transfer(&self.replica, &name).await;
        let server_id = transferred.map_err(status_of)?;
        Ok(Response::new(api::TransferLeaderResponse { server_id }))
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn not_led(message: String) -> Status {
    super::status_of(Refusal::NotLed(message))
}

/// FAILED_PRECONDITION is a no, UNAVAILABLE is worth another try; the metadata names who leads.
fn status_of(refused: Refused) -> Status {
    match refused {
        Refused::No(why) => Status::failed_precondition(why),
        Refused::Later(why) => Status::unavailable(why),
        Refused::NotLeader(None) => not_led("no server leads just now; try again shortly".into()),
        Refused::NotLeader(Some(leader)) => {
            let mut status = not_led(format!("server {} leads and decides about that", leader.server));
            // An address that cannot be sent is one that nobody could dial either.
            if let Ok(address) = leader.server.address.parse() {
                status.metadata_mut().insert(LEADER_HEADER, address);
            }
            status
        }
    }
}
