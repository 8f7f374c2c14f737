//! Three servers in this process: any of them answers any client and any agent.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bosun_client::{Client, Patience, Query};
use bosun_control_plane::{Config, Server};
use bosun_host::{Connection, Host, Listener, Network};
use bosun_proto::core_v1::Node;
use bosun_proto::meta_v1::ObjectMeta;
use bosun_proto::node::node_agents_client::NodeAgentsClient;
use bosun_proto::node::{HeartbeatRequest, JoinRequest, SessionRequest};
use bosun_proto::{Key, Kind};
use tempfile::TempDir;
use tonic::transport::Channel;

use crate::server::{idle_pod, next, object, soon};

/// Far longer than an election takes on a loaded machine.
const PATIENCE: Patience = Patience(Duration::from_secs(40));

type Book = Arc<Mutex<BTreeMap<String, SocketAddr>>>;

/// Loopback, in which servers are found by name, so that no port has to be chosen beforehand.
struct Named {
    name: String,
    book: Book,
    network: Arc<dyn Network>,
}

#[tonic::async_trait]
impl Network for Named {
    async fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        let listener = self.network.listen(address).await?;
        let mut book = self.book.lock().expect("no panic");
        book.insert(self.name.clone(), listener.address());
        Ok(listener)
    }

    async fn connect(&self, address: &str) -> io::Result<Connection> {
        let found = self.book.lock().expect("no panic").get(address).copied();
        let found = found.ok_or_else(|| io::Error::other(format!("{address} does not listen yet")))?;
        self.network.connect(&found.to_string()).await
    }
}

struct Member {
    server: Server,
    client: Client,
    _directory: TempDir,
}

/// The servers by their number, and a client that knows all of them.
struct Cluster {
    members: BTreeMap<u64, Member>,
    client: Client,
}

impl Cluster {
    async fn start() -> Self {
        let book = Book::default();
        let servers: Vec<String> = (1..=3).map(|number| format!("server-{number}:1")).collect();
        let host_of = |name: &str| Host {
            network: Arc::new(Named {
                name: name.to_owned(),
                book: Arc::clone(&book),
                network: Host::system().network,
            }),
            ..Host::system()
        };
        let client_of = |addresses: &[String]| {
            let client = Client::new(&host_of(""), addresses).expect("addresses");
            client.with_patience(PATIENCE)
        };
        let starting = servers.iter().map(|address| {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let config = Config {
                name: address.split(':').next().map(str::to_owned),
                advertise: Some(address.clone()),
                servers: servers.clone(),
                insecure_plaintext: true,
                ..Config::new(directory.path(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            };
            let host = host_of(address);
            let client = client_of(std::slice::from_ref(address));
            async move {
                let server = Server::start(config, host).await.expect("it starts");
                let member = Member {
                    server,
                    client,
                    _directory: directory,
                };
                let state = soon(member.client.server_state()).await.expect("it answers");
                (state.server_id, member)
            }
        });
        let members = soon(futures::future::join_all(starting))
            .await
            .into_iter()
            .collect();
        let client = client_of(&servers);
        // What every cluster begins with is written by the leader.
        let mut namespaces = client.watch(Query::new(Kind::Namespace, "").named("default"), "0");
        soon(namespaces.next()).await.expect("the default namespace");
        let cluster = Self { members, client };
        soon(cluster.until_all_vote()).await;
        cluster
    }

    /// A cluster of two voters and one that still learns would not outlive its leader.
    async fn until_all_vote(&self) {
        while let Ok(listed) = self.client.servers().await {
            if listed.servers.iter().filter(|server| server.voter).count() == self.members.len() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the servers do not say who votes");
    }

    async fn leader(&self) -> u64 {
        loop {
            let state = soon(self.client.server_state()).await.expect("an answer");
            let leader = state.leader_id.filter(|leader| self.members.contains_key(leader));
            if let Some(leader) = leader {
                return leader;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn stop(self) {
        for (_, member) in self.members {
            soon(member.server.stop()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_server_has_acknowledged_every_other_one_shows() {
    let cluster = Cluster::start().await;
    let clients: Vec<&Client> = cluster.members.values().map(|member| &member.client).collect();
    for number in 0..9 {
        let name = format!("p{number}");
        let (here, there) = (clients[number % 3], clients[(number + 1) % 3]);
        soon(here.create(&object(idle_pod(&name)), false))
            .await
            .expect("it is created");
        let key = Key::new(Kind::Pod, "default", &name);
        soon(there.get(&key)).await.expect("it is there");
        let list = soon(clients[(number + 2) % 3].list(&Query::new(Kind::Pod, "default"))).await;
        assert_eq!(list.expect("a list").items.len(), number + 1);
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_is_served_through_any_server_and_its_session_ends_with_the_lead() {
    let mut cluster = Cluster::start().await;
    let leader = cluster.leader().await;
    let (_, follower) = cluster
        .members
        .iter()
        .find(|(id, _)| **id != leader)
        .expect("a follower");
    let address = format!("http://{}", follower.server.address());
    let channel = Channel::from_shared(address).expect("an address").connect_lazy();
    let mut agent = NodeAgentsClient::new(channel);
    let node = Node {
        metadata: Some(ObjectMeta {
            name: "n1".into(),
            ..ObjectMeta::default()
        }),
        ..Node::default()
    };
    let join = JoinRequest {
        node: Some(node),
        boot_id: "b".into(),
    };
    let joined = soon(agent.join(join.clone()))
        .await
        .expect("it joins")
        .into_inner();
    let session = SessionRequest {
        node_name: "n1".into(),
        session_id: joined.session_id.clone(),
    };
    let mut events = soon(agent.session(session))
        .await
        .expect("a session")
        .into_inner();
    assert!(next(&mut events).await.event.is_some());
    let heartbeat = HeartbeatRequest {
        node_name: "n1".into(),
        session_id: joined.session_id,
        ..HeartbeatRequest::default()
    };
    soon(agent.heartbeat(heartbeat.clone()))
        .await
        .expect("it is heard");
    let member = cluster.members.remove(&leader).expect("a member");
    soon(member.server.stop()).await;
    while let Ok(Some(_)) = soon(events.message()).await {}
    assert!(
        soon(agent.heartbeat(heartbeat)).await.is_err(),
        "the next leader knows no such session"
    );
    // An election may take longer than a request waits for it.
    soon(async { while agent.join(join.clone()).await.is_err() {} }).await;
    cluster.stop().await;
}
