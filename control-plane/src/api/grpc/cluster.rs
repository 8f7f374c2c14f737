//! The Cluster service: what the server says about itself.

use bosun_proto::api;
use bosun_proto::api::cluster_server::Cluster;
use bosun_proto::core_v1::Namespace;
use tonic::{Request, Response, Status};

use crate::replica::Replica;

/// Answers for one server.
pub(crate) struct ClusterService {
    replica: Replica,
}

impl ClusterService {
    pub(crate) fn new(replica: Replica) -> Self {
        Self { replica }
    }
}

#[tonic::async_trait]
impl Cluster for ClusterService {
    async fn describe(
        &self,
        _request: Request<api::DescribeRequest>,
    ) -> Result<Response<api::DescribeResponse>, Status> {
        let snapshot = self.replica.snapshot();
        let status = self.replica.node().status();
        let leadership = self.replica.leadership().borrow().clone();
        // The one object that every cluster has from its first moment and that is never deleted.
        let oldest = snapshot.find::<Namespace>("", "kube-system");
        let cluster_id = oldest
            .and_then(|namespace| namespace.metadata.as_ref())
            .map(|metadata| metadata.uid.clone());
        Ok(Response::new(api::DescribeResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_id: cluster_id.unwrap_or_default(),
            server_id: status.node_id,
            leader_id: leadership.current.map_or(0, |leader| leader.node_id),
            term: leadership.term,
            resource_version: snapshot.version(),
            applied_index: status.applied_index.unwrap_or(0),
        }))
    }
}
