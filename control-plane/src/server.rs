//! The server as a whole: its start, its end.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bosun_host::{Clock, DataDirectory, Host, Listener};
use bosun_proto::FILE_DESCRIPTOR_SET;
use bosun_proto::api::cluster_server::ClusterServer;
use bosun_proto::api::objects_server::ObjectsServer;
use bosun_proto::node::node_agents_server::NodeAgentsServer;
use futures::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::codegen::http::{HeaderValue, Response, header};
use tonic::service::Routes;
use tower::util::MapResponseLayer;

use crate::api::forward::{Forwarder, ForwardingLayer};
use crate::api::grpc::{ClusterService, ObjectsService};
use crate::api::logs::Logs;
use crate::api::verbs::Verbs;
use crate::cluster::entry;
use crate::cluster::keeper::Keeper;
use crate::cluster::part::take_part;
use crate::config::{Config, ServerError};
use crate::incoming::incoming;
use crate::leader::{self, NodeSettings};
use crate::nodes::{NodeAgentsService, NodeTimes, Relays, Sessions};
use crate::outgoing::{CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES};
use crate::raft::RaftSettings;
use crate::replica::Replica;

/// The largest message accepted on any service, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A running server. Dropping it without [`Server::stop`] ends it less gently; nothing acknowledged is lost either way.
pub struct Server {
    address: SocketAddr,
    replica: Replica,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
    leading: JoinHandle<()>,
    keeping: JoinHandle<()>,
    /// True once leading ended by a defect.
    defect: watch::Receiver<bool>,
    /// Says so once the cluster has taken this server out.
    removed: watch::Receiver<Option<String>>,
    _data_directory: DataDirectory,
}

impl Server {
    /// Starts a server: takes up what its data directory holds, or begins with nothing. Returns once it serves.
    pub async fn start(config: Config, host: Host) -> Result<Self, ServerError> {
        let raft_times = RaftSettings::new(0, "");
        config
            .nodes
            .check(raft_times.election_timeout_max)
            .map_err(ServerError::Config)?;
        config.check_addresses().map_err(ServerError::Config)?;
        let data_directory = DataDirectory::claim(host.disk.as_ref(), &config.data_directory)?;
        let listener: Arc<dyn Listener> = host
            .network
            .listen(config.listen)
            .await
            .map_err(|source| ServerError::Listen {
                address: config.listen,
                source,
            })?
            .into();
        let address = listener.address();
        let advertised = config.advertised(address).map_err(ServerError::Config)?;
        let identity = entry::enter(&config, &host, &listener, &advertised)
            .await
            .map_err(ServerError::Cluster)?;
        let (replica, keeper) = take_part(&config, &host, identity, advertised).await?;

        let sessions = Sessions::default();
        let stop = CancellationToken::new();
        let routes = routes(&replica, &sessions, &host, &config.nodes, &keeper).await?;
        let forwarder = Forwarder::new(replica.node().node_id(), replica.leadership(), &host);
        let clock = Arc::clone(&host.clock);
        let serving = tonic::transport::Server::builder()
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            // Otherwise the library reads a clock of its own for it.
            .layer(MapResponseLayer::new(move |answer| dated(answer, clock.as_ref())))
            .layer(ForwardingLayer(forwarder))
            .add_routes(routes)
            .serve_with_incoming_shutdown(incoming(listener), stop.clone().cancelled_owned());
        let (met, defect) = watch::channel(false);
        let leading = telling_of_defects(
            leader::run(replica.clone(), sessions, host, config.nodes, stop.clone()),
            met,
        );
        let removed = keeper.removed.subscribe();
        tracing::info!(%address, data_directory = %config.data_directory.display(), "serving");
        Ok(Self {
            address,
            replica,
            stop,
            serving: tokio::spawn(serving),
            leading: tokio::spawn(leading),
            keeping: tokio::spawn(keeper.run()),
            defect,
            removed,
            _data_directory: data_directory,
        })
    }

    /// Where it really listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the server cannot go on by itself; why.
    pub async fn failed(&self) -> String {
        let mut defect = self.defect.clone();
        let defect = async move {
            if defect.wait_for(|met| *met).await.is_err() {
                // It ended as it should.
                std::future::pending::<()>().await;
            }
        };
        let mut removed = self.removed.clone();
        let removed = async move {
            let told = removed.wait_for(Option::is_some).await;
            match told.ok().and_then(|told| told.clone()) {
                Some(why) => why,
                // It ended as it should.
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            why = removed => why,
            why = self.replica.node().failed() => why,
            () = defect => {
                "a decision of the leader met a defect of this program (standard error has the place); nothing that was \
                 acknowledged is lost: start it again, and report it"
                    .to_owned()
            }
        }
    }

    /// Ends it: no new requests, then raft, then the lock on the data directory. Open watches are cut.
    pub async fn stop(self) {
        self.stop.cancel();
        self.serving.abort();
        self.leading.abort();
        self.keeping.abort();
        // Aborted on purpose: the answer is that they were cancelled.
        drop(self.serving.await);
        drop(self.leading.await);
        drop(self.keeping.await);
        self.replica.node().shutdown().await;
        tracing::info!(address = %self.address, "stopped");
    }
}

/// Gives an answer the header `date`, which HTTP asks of a server that has a clock.
pub(crate) fn dated<B>(mut answer: Response<B>, clock: &dyn Clock) -> Response<B> {
    let date = clock.wall().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let value = HeaderValue::from_str(&date).expect("a date is ASCII");
    answer.headers_mut().insert(header::DATE, value);
    answer
}

/// Runs `leading` and says so when it panics: without a leader's decisions a server looks alive and does nothing.
async fn telling_of_defects(leading: impl Future<Output = ()>, met: watch::Sender<bool>) {
    if AssertUnwindSafe(leading).catch_unwind().await.is_err() {
        met.send_replace(true);
    }
}

async fn routes(
    replica: &Replica,
    sessions: &Sessions,
    host: &Host,
    nodes: &NodeSettings,
    keeper: &Keeper,
) -> Result<Routes, ServerError> {
    let relays = Relays::new(host.clone());
    let verbs = Verbs::new(replica.clone(), host.clone());
    let logs = Logs::new(replica.clone(), sessions.clone(), relays.clone());
    let agents = NodeAgentsService {
        replica: replica.clone(),
        sessions: sessions.clone(),
        relays,
        host: host.clone(),
        times: NodeTimes {
            heartbeat_interval: nodes.heartbeat_interval,
            lease: nodes.lease,
        },
    };
    let cluster = ClusterService {
        replica: replica.clone(),
        host: host.clone(),
        identity: keeper.identity.clone(),
        address: keeper.server.address.clone(),
        servers: keeper.servers.clone(),
    };
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<ObjectsServer<ObjectsService>>().await;
    health.set_serving::<ClusterServer<ClusterService>>().await;
    health.set_serving::<NodeAgentsServer<NodeAgentsService>>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
    };
    let mut routes = Routes::builder();
    routes
        .add_service(sized!(ObjectsServer::new(ObjectsService::new(verbs, logs))))
        .add_service(ClusterServer::new(cluster))
        .add_service(sized!(NodeAgentsServer::new(agents)))
        .add_service(replica.node().service())
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        // What older generic clients ask for.
        .add_service(reflection().build_v1alpha()?);
    Ok(routes.routes())
}

/// A service with our message limits.
macro_rules! sized {
    ($service:expr) => {
        $service
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    };
}
use sized;

#[cfg(test)]
#[path = "cluster/server_tests.rs"]
mod server_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_carry_the_date_of_the_host() {
        struct Standing;
        impl Clock for Standing {
            fn wall(&self) -> bosun_host::WallTime {
                bosun_host::WallTime::UNIX_EPOCH
            }
        }
        let answer = dated(Response::new(()), &Standing);
        assert_eq!(answer.headers()[header::DATE], "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[tokio::test]
    async fn a_defect_of_the_leader_is_told_and_an_ordinary_end_is_not() {
        let (met, defect) = watch::channel(false);
        telling_of_defects(async {}, met).await;
        assert!(!*defect.borrow());
        let (met, defect) = watch::channel(false);
        telling_of_defects(async { panic!("a defect, as this test wants it") }, met).await;
        assert!(*defect.borrow());
    }
}
