//! A server in this process, and the ways to talk to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bosun_client::{Client, Patience, Query, Step};
use bosun_control_plane::{Config, Server};
use bosun_host::Host;
use bosun_proto::api::objects_client::ObjectsClient;
use bosun_proto::node::node_agents_client::NodeAgentsClient;
use bosun_proto::{Kind, Object, api};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

/// How long any one thing may take. Far more than it needs, so that a loaded machine changes no result.
const DEADLINE: Duration = Duration::from_mins(1);

/// Waits for something that must happen.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("in time")
}

/// The next message of a stream that must have one.
pub(crate) async fn next<T>(stream: &mut Streaming<T>) -> T {
    let message = soon(stream.message()).await.expect("the stream goes on");
    message.expect("the stream has not ended")
}

/// A running server on fresh data, and a client of it.
pub(crate) struct TestServer {
    server: Server,
    pub(crate) client: Client,
    pub(crate) channel: Channel,
    _directory: TempDir,
}

impl TestServer {
    /// Starts one; it leads when this returns.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let host = Host::system();
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = Config::new(directory.path(), listen);
        let server = Server::start(config, host.clone()).await.expect("it starts");
        let address = server.address().to_string();
        let client = Client::new(&host, std::slice::from_ref(&address))
            .expect("an address")
            .with_patience(Patience(DEADLINE));
        // What every cluster begins with is written by the leader.
        let mut namespaces = client.follow(Query::new(Kind::Namespace, "").named("default"));
        while !matches!(soon(namespaces.next()).await, Ok(Step::Change(_))) {}
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        Self {
            server,
            client,
            channel: endpoint.connect_lazy(),
            _directory: directory,
        }
    }

    pub(crate) fn objects(&self) -> ObjectsClient<Channel> {
        ObjectsClient::new(self.channel.clone())
    }

    pub(crate) fn agents(&self) -> NodeAgentsClient<Channel> {
        NodeAgentsClient::new(self.channel.clone())
    }

    /// Stores an object.
    pub(crate) async fn create(&self, value: Value) -> Object {
        let written = soon(self.client.create(&object(value), false)).await;
        written.expect("it is created").object
    }

    pub(crate) async fn stop(self) {
        soon(self.server.stop()).await;
    }
}

/// An object of its JSON.
pub(crate) fn object(value: Value) -> Object {
    let (object, unknown) = Object::from_json(value).expect("an object");
    assert_eq!(unknown, [""; 0]);
    object
}

/// A pod of a scheduler that does not exist, so that nobody but the test changes it.
pub(crate) fn idle_pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "schedulerName": "nobody",
            "containers": [{"name": "main", "image": "busybox", "command": ["true"]}],
        },
    })
}

/// A Job of one pod.
pub(crate) fn job(name: &str) -> Value {
    let container = json!({"name": "main", "image": "busybox", "command": ["true"]});
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    })
}

/// A namespace: the smallest object there is.
pub(crate) fn namespace(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

/// A kind as requests name it.
pub(crate) fn wire(kind: Kind) -> i32 {
    api::Kind::from(kind).into()
}

/// The names of wire objects.
pub(crate) fn names(items: Vec<api::Object>) -> Vec<String> {
    let objects = items.into_iter().filter_map(Object::from_wire);
    objects.map(|object| object.metadata().name.clone()).collect()
}
