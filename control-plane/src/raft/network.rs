//! Calls to the other servers, as the raft library asks for them.
//!
//! Every call is bounded in time, and a connection on which a call failed is given up, so that nothing waits for a
//! connection that a partition has silently cut. Heartbeats and snapshots have connections of their own.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bosun_host::Host;
use bosun_proto::raft as wire;
use bosun_proto::raft::raft_client::RaftClient;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkFactory, RaftNetworkV2, Snapshot};
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::calls;
use super::error::StartError;
use super::leadership::Leader;
use super::log::RECORD_BYTES_MAX;
use super::messages::vote_from_wire;
use super::snapshots::SnapshotFile;
use super::types::{LeaderId, NodeId, Server, Types, Vote};
use crate::outgoing;

/// How long a follower may leave entries unanswered before the connection to it is given up. Longer than a slow disk
/// needs; whether the follower is alive is judged by heartbeats, not by this.
const APPEND_PATIENCE: Duration = Duration::from_secs(2);

/// How long the leader may take to say how far a current read must have come: it hears a majority first.
const READ_INDEX_PATIENCE: Duration = Duration::from_secs(1);

/// Entries go many to a message, as long as they are small; the largest one that the log takes must fit behind them.
pub(super) const MESSAGE_BYTES_MAX: usize = RECORD_BYTES_MAX + (16 << 20);

/// The metadata of every request that names the sender's cluster.
pub(super) const CLUSTER_HEADER: &str = "bosun-cluster";

type LibrarySnapshot = Snapshot<LeaderId, NodeId, Server, SnapshotFile>;
type AppendResults<'s> = BoxStream<'s, Result<StreamAppendResult<Types>, RPCError<Types>>>;

/// What a connection is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    Entries,
    Heartbeat,
    Snapshot,
    Reads,
}

/// The connections of this server to the others.
#[derive(Clone)]
pub(super) struct Peers {
    host: Host,
    cluster: FromCluster,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    links: BTreeMap<(NodeId, Purpose), Link>,
    /// Where the others are. The library tells an address only when it makes a peer, and does not make it anew when the
    /// server moves.
    addresses: BTreeMap<NodeId, String>,
}

type Client = RaftClient<InterceptedService<Channel, FromCluster>>;

struct Link {
    address: String,
    client: Client,
}

/// Names the cluster in every request.
#[derive(Clone)]
pub(super) struct FromCluster(MetadataValue<Ascii>);

impl Interceptor for FromCluster {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert(CLUSTER_HEADER, self.0.clone());
        Ok(request)
    }
}

impl Peers {
    pub(super) fn new(host: Host, cluster_id: &str) -> Result<Self, StartError> {
        let cluster = cluster_id.parse().map_err(|_| StartError::Settings {
            reason: format!("the cluster id {cluster_id:?} cannot be sent"),
        })?;
        Ok(Self {
            host,
            cluster: FromCluster(cluster),
            shared: Arc::default(),
        })
    }

    /// Takes over where the servers of the cluster are; what leads to others, or to where they are no more, is closed.
    pub(super) fn set_addresses(&self, addresses: BTreeMap<NodeId, String>) {
        let mut shared = self.lock();
        shared
            .links
            .retain(|(node_id, _), link| addresses.get(node_id) == Some(&link.address));
        shared.addresses = addresses;
    }

    pub(super) fn learn_address(&self, node_id: NodeId, address: &str) {
        self.lock().addresses.insert(node_id, address.to_owned());
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn peer(&self, target: NodeId, server: &Server, purpose: Purpose) -> Peer {
        Peer {
            peers: self.clone(),
            target,
            address: server.address.clone(),
            purpose,
        }
    }
}

impl RaftNetworkFactory<Types> for Peers {
    type Network = Peer;

    async fn new_client(&mut self, target: NodeId, server: &Server) -> Peer {
        self.peer(target, server, Purpose::Entries)
    }

    async fn new_heartbeat_client(&mut self, target: NodeId, server: &Server) -> Peer {
        self.peer(target, server, Purpose::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: NodeId, server: &Server) -> Peer {
        self.peer(target, server, Purpose::Snapshot)
    }
}

/// One other server, over one connection.
pub(super) struct Peer {
    peers: Peers,
    target: NodeId,
    address: String,
    purpose: Purpose,
}

impl Peer {
    /// The connection, made anew if it was given up or the server has moved. Nothing is dialled before the first call.
    fn client(&self) -> Result<Client, Unreachable<Types>> {
        let mut shared = self.peers.lock();
        let address = shared
            .addresses
            .get(&self.target)
            .unwrap_or(&self.address)
            .clone();
        let key = (self.target, self.purpose);
        if let Some(link) = shared.links.get(&key).filter(|link| link.address == address) {
            return Ok(link.client.clone());
        }
        let channel = outgoing::channel(&self.peers.host.network, &address)
            .map_err(|error| Unreachable::new(&error))?;
        let client = RaftClient::with_interceptor(channel, self.peers.cluster.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let link = Link {
            address,
            client: client.clone(),
        };
        shared.links.insert(key, link);
        Ok(client)
    }

    /// Waits for `call`, but not longer than `patience`; gives the connection up when it fails.
    async fn bounded<T>(
        &self,
        patience: Duration,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Unreachable<Types>> {
        let failure = match tokio::time::timeout(patience, call).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(status)) => Unreachable::new(&status),
            Err(_) => {
                Unreachable::from_string(format!("no answer from {} within {patience:?}", self.address))
            }
        };
        self.peers.give_up(self.target, self.purpose);
        Err(failure)
    }

    async fn append<S>(&self, mut input: S, patience: Duration) -> Result<AppendResults<'_>, RPCError<Types>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        // The library waits out its back-off inside this stream: to dial before the first request is there would retry
        // a dead server without pause.
        let Some(first) = input.next().await else {
            // Told as an error, since the library takes a stream that ends well for one that sent its payload, and then
            // sends the payload before that once more, whatever has become of those entries since.
            return Err(RPCError::Unreachable(Unreachable::from_string(
                "there is nothing to send",
            )));
        };
        let sent = Arc::new(AtomicU64::new(0));
        let (target, count) = (self.target, Arc::clone(&sent));
        // Whoever drops the answers has given up on the requests, too. But the connection goes on reading them as long as
        // it lives, and would take from the library what its next attempt is to send.
        let given_up = CancellationToken::new();
        let guard = given_up.clone().drop_guard();
        let requests = futures::stream::iter([first])
            .chain(input)
            .take_until(given_up.cancelled_owned())
            .map(move |request| {
                count.fetch_add(1, Ordering::Relaxed);
                calls::append_to_wire(target, request)
            });
        let mut client = self.client()?;
        let answers = self
            .bounded(patience, client.append(requests))
            .await?
            .into_inner();
        let state = Some((answers, 0));
        Ok(futures::stream::unfold(state, move |state| {
            let _held = &guard;
            self.next_answer(state, Arc::clone(&sent), patience)
        })
        .boxed())
    }

    /// The next answer on a stream of them. Silence is a fault only while a request is unanswered.
    async fn next_answer(
        &self,
        state: Option<(tonic::Streaming<wire::AppendResponse>, u64)>,
        sent: Arc<AtomicU64>,
        patience: Duration,
    ) -> Option<(
        Result<StreamAppendResult<Types>, RPCError<Types>>,
        Option<(tonic::Streaming<wire::AppendResponse>, u64)>,
    )> {
        let (mut answers, received) = state?;
        let failure = loop {
            match tokio::time::timeout(patience, answers.message()).await {
                Ok(Ok(Some(answer))) => match calls::append_result_from_wire(answer) {
                    Ok(result) => return Some((Ok(result), Some((answers, received + 1)))),
                    Err(error) => break Unreachable::new(&error),
                },
                // A server that stops just ends the stream; unless that is told, the leader keeps its log for it.
                Ok(Ok(None)) if sent.load(Ordering::Relaxed) > received => {
                    break Unreachable::from_string(format!("{} ended the stream early", self.address));
                }
                Ok(Ok(None)) => return None,
                Ok(Err(status)) => break Unreachable::new(&status),
                Err(_) if sent.load(Ordering::Relaxed) > received => {
                    break Unreachable::from_string(format!(
                        "no answer from {} within {patience:?}",
                        self.address
                    ));
                }
                Err(_) => {}
            }
        };
        self.peers.give_up(self.target, self.purpose);
        Some((Err(RPCError::Unreachable(failure)), None))
    }
}

impl Peers {
    /// Asks the leader how far the log must be applied for a current read; the error says why it did not answer.
    pub(super) async fn read_index(&self, leader: &Leader) -> Result<u64, String> {
        let peer = self.peer(leader.node_id, &leader.server, Purpose::Reads);
        let told = |unreachable: Unreachable<Types>| unreachable.to_string();
        let mut client = peer.client().map_err(told)?;
        let request = wire::ReadIndexRequest {
            target: leader.node_id,
        };
        let answer = peer
            .bounded(READ_INDEX_PATIENCE, client.read_index(request))
            .await;
        Ok(answer.map_err(told)?.into_inner().index)
    }

    fn give_up(&self, target: NodeId, purpose: Purpose) {
        self.lock().links.remove(&(target, purpose));
    }
}

impl RaftNetworkV2<Types> for Peer {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let mut results = self
            .append(futures::stream::iter([request]), option.soft_ttl())
            .await?;
        let silent = || RPCError::Network(NetworkError::from_string("the stream ended without an answer"));
        results
            .next()
            .await
            .unwrap_or_else(|| Err(silent()))
            .map(AppendEntriesResponse::from)
    }

    fn stream_append<S>(
        &mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'_, Result<AppendResults<'_>, RPCError<Types>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        let patience = match self.purpose {
            Purpose::Heartbeat => option.soft_ttl(),
            Purpose::Entries | Purpose::Snapshot | Purpose::Reads => APPEND_PATIENCE,
        };
        Box::pin(self.append(input, patience))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let mut client = self.client()?;
        let call = client.vote(calls::vote_to_wire(self.target, &request));
        let answer = self.bounded(option.soft_ttl(), call).await?.into_inner();
        Ok(calls::vote_response_from_wire(answer).map_err(|error| NetworkError::new(&error))?)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let mut client = self.client()?;
        let call = client.pre_vote(calls::vote_to_wire(self.target, &request));
        let answer = self.bounded(option.soft_ttl(), call).await?.into_inner();
        Ok(calls::vote_response_from_wire(answer).map_err(|error| NetworkError::new(&error))?)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: LibrarySnapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let parts = calls::snapshot_parts(&self.peers.host, self.target, &vote, snapshot)
            .map_err(|error| NetworkError::new(&error))?;
        let mut client = self.client()?;
        let answer = tokio::select! {
            answer = self.bounded(option.soft_ttl(), client.install_snapshot(parts)) => answer?.into_inner(),
            closed = cancel => return Err(StreamingError::Closed(closed)),
        };
        let vote = answer
            .vote
            .ok_or_else(|| NetworkError::from_string("an answer without vote"))?;
        Ok(SnapshotResponse::new(vote_from_wire(&vote)))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let mut client = self.client()?;
        let call = client.transfer_leader(calls::transfer_to_wire(self.target, &request));
        let answer = self.bounded(option.soft_ttl(), call).await?.into_inner();
        Ok(calls::transfer_response_from_wire(answer).map_err(|error| NetworkError::new(&error))?)
    }
}
