//! What this server answers the others: the receiving end of `network.rs`.

use std::io::{self, Write};
use std::sync::Arc;

use bosun_host::Host;
use bosun_proto::raft as wire;
use bosun_proto::raft::raft_server::{Raft as RaftCalls, RaftServer};
use bosun_proto::raft::snapshot_part::Part;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use openraft::errors::Fatal;
use openraft::raft::StreamAppendError;
use openraft::{Raft, ReadPolicy, Snapshot};
use tokio::sync::{Mutex, mpsc, oneshot};
use tonic::service::Interceptor;
use tonic::{Request, Response, Status, Streaming};

use super::StateMachine;
use super::calls;
use super::contact::LastContact;
use super::machine::Machine;
use super::messages::{required, snapshot_meta_from_wire, vote_from_wire, vote_to_wire};
use super::network::{CLUSTER_HEADER, MESSAGE_BYTES_MAX};
use super::snapshots::{Draft, SnapshotFile, Snapshots};
use super::types::{NodeId, SnapshotMeta, Types};

/// Parts of a snapshot that wait for the disk; more hold up the sender.
const SNAPSHOT_PARTS_WAITING_MAX: usize = 4;

/// Refuses requests of servers that belong to another cluster: their numbers mean other servers, and their terms another
/// history. It happens when an address has gone from one cluster to another.
#[derive(Clone)]
pub struct OfCluster {
    cluster_id: Arc<str>,
}

impl OfCluster {
    pub(super) fn new(cluster_id: &str) -> Self {
        Self {
            cluster_id: cluster_id.into(),
        }
    }
}

impl Interceptor for OfCluster {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        let named = request.metadata().get(CLUSTER_HEADER);
        if named.is_some_and(|named| named.as_bytes() == self.cluster_id.as_bytes()) {
            return Ok(request);
        }
        Err(Status::failed_precondition(format!(
            "this is a server of cluster {}, the request came from another one",
            self.cluster_id
        )))
    }
}

/// The gRPC service between servers. Anyone who can reach it can speak for a server, so it is served on a network that
/// only servers can reach.
pub struct RaftService<M: StateMachine> {
    node_id: NodeId,
    host: Host,
    raft: Raft<Types, Machine<M>>,
    snapshots: Snapshots,
    /// One snapshot is received at a time: they share one draft.
    receiving: Arc<Mutex<()>>,
    /// When a leader was last in touch.
    last_contact: LastContact,
}

impl<M: StateMachine> RaftService<M> {
    pub(super) fn server(
        node_id: NodeId,
        host: Host,
        raft: Raft<Types, Machine<M>>,
        snapshots: Snapshots,
        last_contact: LastContact,
    ) -> RaftServer<Self> {
        RaftServer::new(Self {
            node_id,
            host,
            raft,
            snapshots,
            receiving: Arc::default(),
            last_contact,
        })
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Refuses what is meant for another server.
    fn check_target(&self, target: NodeId) -> Result<(), Status> {
        check_target(self.node_id, target)
    }

    async fn receive(
        &self,
        mut parts: Streaming<wire::SnapshotPart>,
        meta: SnapshotMeta,
    ) -> Result<SnapshotFile, Status> {
        let (sender, receiver) = mpsc::channel(SNAPSHOT_PARTS_WAITING_MAX);
        let (finished, file) = oneshot::channel();
        let snapshots = self.snapshots.clone();
        let work = async move {
            // If the call was given up, the draft is written over by the next one.
            drop(finished.send(write_snapshot(&snapshots, meta, receiver).await));
        };
        self.host
            .workers
            .spawn("snapshot-save", Box::pin(work))
            .map_err(|error| internal(&error))?;
        loop {
            let part = parts.message().await?.and_then(|part| part.part);
            match part {
                Some(Part::Content(bytes)) => {
                    if sender.send(Some(bytes)).await.is_err() {
                        break;
                    }
                }
                Some(Part::End(_)) => {
                    // If the worker is gone, its error is read below.
                    drop(sender.send(None).await);
                    break;
                }
                Some(Part::Head(_)) | None => {
                    return Err(Status::invalid_argument("a snapshot without its end"));
                }
            }
        }
        let file = file
            .await
            .map_err(|_| Status::internal("the snapshot could not be saved"))?;
        file.map_err(|error| internal(&error))
    }
}

/// Writes the pieces that arrive; `None` marks the end.
async fn write_snapshot(
    snapshots: &Snapshots,
    meta: SnapshotMeta,
    mut pieces: mpsc::Receiver<Option<Bytes>>,
) -> io::Result<SnapshotFile> {
    let mut writer = snapshots.draft(Draft::Received, meta)?;
    while let Some(piece) = pieces.recv().await {
        match piece {
            Some(bytes) => writer.write_all(&bytes)?,
            None => return snapshots.seal(writer),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the snapshot did not arrive to its end",
    ))
}

fn check_target(node_id: NodeId, target: NodeId) -> Result<(), Status> {
    if target == node_id {
        return Ok(());
    }
    Err(Status::failed_precondition(format!(
        "this is server {node_id}, not {target}"
    )))
}

fn internal(error: &io::Error) -> Status {
    Status::internal(error.to_string())
}

fn stopped(fatal: &Fatal<Types>) -> Status {
    Status::unavailable(fatal.to_string())
}

#[tonic::async_trait]
impl<M: StateMachine> RaftCalls for RaftService<M> {
    type AppendStream = BoxStream<'static, Result<wire::AppendResponse, Status>>;

    async fn append(
        &self,
        request: Request<Streaming<wire::AppendRequest>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let node_id = self.node_id;
        let requests = request.into_inner().map(move |request| {
            let request = request?;
            check_target(node_id, request.target)?;
            Ok::<_, Status>(calls::append_from_wire(request)?)
        });
        // The library takes a stream without errors. One that fails just ends; the leader sees that and begins anew.
        let requests = requests.take_while(|request| {
            if let Err(status) = request {
                tracing::debug!(%status, "a stream of entries ended");
            }
            futures::future::ready(request.is_ok())
        });
        let results = self
            .raft
            .stream_append(requests.filter_map(|request| futures::future::ready(request.ok())));
        let (last_contact, clock) = (self.last_contact.clone(), Arc::clone(&self.host.clock));
        let answers = results.map(move |result| match result {
            Ok(result) => {
                // Noted before the leader hears of it: it counts on this server from then on.
                if !matches!(result, Err(StreamAppendError::HigherVote(_))) {
                    last_contact.note(clock.instant());
                }
                Ok(calls::append_result_to_wire(&result))
            }
            Err(fatal) => Err(stopped(&fatal)),
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn vote(
        &self,
        request: Request<wire::VoteRequest>,
    ) -> Result<Response<wire::VoteResponse>, Status> {
        let request = request.into_inner();
        self.check_target(request.target)?;
        let answer = self.raft.vote(calls::vote_from_request(request)?).await;
        let answer = answer.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(calls::vote_response_to_wire(&answer)))
    }

    async fn pre_vote(
        &self,
        request: Request<wire::VoteRequest>,
    ) -> Result<Response<wire::VoteResponse>, Status> {
        let request = request.into_inner();
        self.check_target(request.target)?;
        let answer = self.raft.pre_vote(calls::vote_from_request(request)?).await;
        let answer = answer.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(calls::vote_response_to_wire(&answer)))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<wire::SnapshotPart>>,
    ) -> Result<Response<wire::SnapshotResponse>, Status> {
        let mut parts = request.into_inner();
        let Some(Part::Head(head)) = parts.message().await?.and_then(|part| part.part) else {
            return Err(Status::invalid_argument("a snapshot without its head"));
        };
        self.check_target(head.target)?;
        let vote = vote_from_wire(&required(head.vote, "a snapshot without vote")?);
        let meta = snapshot_meta_from_wire(required(head.metadata, "a snapshot without metadata")?)?;
        let _receiving = self.receiving.lock().await;
        let snapshot = self.receive(parts, meta.clone()).await?;
        let answer = self
            .raft
            .install_full_snapshot(vote, Snapshot { meta, snapshot })
            .await;
        let answer = answer.map_err(|fatal| stopped(&fatal))?;
        if answer.vote == vote {
            self.last_contact.note(self.host.clock.instant());
        }
        Ok(Response::new(wire::SnapshotResponse {
            vote: Some(vote_to_wire(&answer.vote)),
        }))
    }

    async fn transfer_leader(
        &self,
        request: Request<wire::TransferLeaderRequest>,
    ) -> Result<Response<wire::TransferLeaderResponse>, Status> {
        let request = request.into_inner();
        self.check_target(request.target)?;
        let answer = self
            .raft
            .handle_transfer_leader(calls::transfer_from_wire(request)?)
            .await;
        let answer = answer.map_err(|fatal| stopped(&fatal))?;
        Ok(Response::new(calls::transfer_response_to_wire(&answer)))
    }

    async fn read_index(
        &self,
        request: Request<wire::ReadIndexRequest>,
    ) -> Result<Response<wire::ReadIndexResponse>, Status> {
        self.check_target(request.into_inner().target)?;
        let reading = self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await;
        let reading = reading.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(wire::ReadIndexResponse {
            index: reading.read_log_id().index(),
        }))
    }
}
