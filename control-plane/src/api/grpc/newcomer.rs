//! What a server answers before it is part of a cluster: who it is, and to everything else "not yet".

use std::sync::Arc;

use bosun_host::Clock;
use bosun_proto::api;
use bosun_proto::api::cluster_server::{Cluster, ClusterServer};
use futures::Stream;
use tonic::codegen::http::{HeaderValue, Response as HttpResponse};
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

use crate::incoming::Incoming;
use crate::server::dated;

const NOT_YET: &str = "this server is not part of a cluster yet; try again shortly, or ask another one";

/// The services of a server that describes itself like this.
pub(crate) fn routes(description: api::DescribeResponse) -> Routes {
    Routes::new(ClusterServer::new(Newcomer { description }))
}

/// Serves until `end`.
pub(crate) async fn serve(
    routes: Routes,
    connections: impl Stream<Item = std::io::Result<Incoming>> + Send + 'static,
    end: impl Future<Output = ()> + Send + 'static,
    clock: Arc<dyn Clock>,
) {
    let served = tonic::transport::Server::builder()
        .layer(tower::util::MapResponseLayer::new(move |answer| {
            dated(answer, clock.as_ref())
        }))
        .layer(tower::util::MapResponseLayer::new(not_yet))
        .add_routes(routes)
        .serve_with_incoming_shutdown(connections, end)
        .await;
    if let Err(error) = served {
        tracing::warn!(%error, "a newcomer stopped answering");
    }
}

/// A service that is missing only until this server is a member must not look as if it did not exist.
fn not_yet<B>(mut response: HttpResponse<B>) -> HttpResponse<B> {
    let status = response.headers().get("grpc-status");
    if status.is_some_and(|code| code.as_bytes() == (Code::Unimplemented as i32).to_string().as_bytes()) {
        let headers = response.headers_mut();
        headers.insert("grpc-status", HeaderValue::from(Code::Unavailable as i32));
        headers.insert("grpc-message", HeaderValue::from_static(NOT_YET));
    }
    response
}

struct Newcomer {
    description: api::DescribeResponse,
}

#[tonic::async_trait]
impl Cluster for Newcomer {
    async fn describe(
        &self,
        _request: Request<api::DescribeRequest>,
    ) -> Result<Response<api::DescribeResponse>, Status> {
        Ok(Response::new(self.description.clone()))
    }

    async fn list_servers(
        &self,
        _request: Request<api::ListServersRequest>,
    ) -> Result<Response<api::ListServersResponse>, Status> {
        Err(Status::unavailable(NOT_YET))
    }

    async fn join_server(
        &self,
        _request: Request<api::JoinServerRequest>,
    ) -> Result<Response<api::JoinServerResponse>, Status> {
        Err(Status::unavailable(NOT_YET))
    }

    async fn remove_server(
        &self,
        _request: Request<api::RemoveServerRequest>,
    ) -> Result<Response<api::RemoveServerResponse>, Status> {
        Err(Status::unavailable(NOT_YET))
    }

    async fn transfer_leader(
        &self,
        _request: Request<api::TransferLeaderRequest>,
    ) -> Result<Response<api::TransferLeaderResponse>, Status> {
        Err(Status::unavailable(NOT_YET))
    }
}
