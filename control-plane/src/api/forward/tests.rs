//! Forwarding between servers whose lead is told by the test. Real HTTP/2, over pipes in memory.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bosun_host::{Connection, Listener, Network};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use http::{HeaderMap, HeaderValue};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot};
use tonic::{Code, Status};
use tower::{Layer, service_fn};

use super::*;
use crate::raft::Server;

const CREATE: &str = "/bosun.api.v1.Objects/Create";
const CHANGE: &str = "/bosun.api.v1.Cluster/JoinServer";
const SEND_LOGS: &str = "/bosun.node.v1.NodeAgents/SendLogs";
const HEARTBEAT: &str = "/bosun.node.v1.NodeAgents/Heartbeat";
const SESSION: &str = "/bosun.node.v1.NodeAgents/Session";
const LIST: &str = "/bosun.api.v1.Objects/List";

/// Pipes to the servers that are up, by address.
#[derive(Default)]
struct Pipes(Mutex<BTreeMap<String, mpsc::UnboundedSender<DuplexStream>>>);

#[tonic::async_trait]
impl Network for Pipes {
    async fn listen(&self, _: SocketAddr) -> io::Result<Box<dyn Listener>> {
        Err(io::Error::other("not needed here"))
    }

    async fn connect(&self, address: &str) -> io::Result<Connection> {
        let server = self.0.lock().unwrap().get(address).cloned();
        let server = server.ok_or_else(|| io::Error::other(format!("{address} is down")))?;
        let (near, far) = tokio::io::duplex(64 << 10);
        server.send(far).map_err(io::Error::other)?;
        Ok(Connection::new(near, ([127, 0, 0, 1], 1).into()))
    }
}

/// What a server was asked: path, headers, content.
type Asked = Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>;
type Routes = tower::util::BoxCloneService<Request<Body>, Response<Body>, Infallible>;

/// A server as forwarding sees it.
struct Peer {
    lead: watch::Sender<Leadership>,
    service: service::Forwarding<Routes>,
    asked: Asked,
}

impl Peer {
    async fn ask(&self, path: &str) -> Response<Body> {
        self.service.clone().oneshot(request(path)).await.unwrap()
    }
}

fn request(path: &str) -> Request<Body> {
    Request::post(format!("http://here{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-note", "kept")
        .header("grpc-timeout", "90S")
        .body(Body::new(Full::new(Bytes::from_static(b"question"))))
        .unwrap()
}

fn server(node_id: u64) -> Leader {
    let server = Server {
        name: format!("s{node_id}"),
        address: format!("s{node_id}:1"),
    };
    Leader { node_id, server }
}

/// What server `here` thinks when `leader` leads.
fn led_by(here: u64, leader: Option<u64>) -> Leadership {
    Leadership {
        leader: leader == Some(here),
        term: leader.unwrap_or(0),
        since: None,
        current: leader.map(server),
    }
}

/// A server that answers what reaches its routes with `answer`.
fn peer<A>(network: &Arc<Pipes>, node_id: u64, leader: Option<u64>, answer: A) -> Peer
where
    A: Fn() -> BoxFuture<'static, Response<Body>> + Clone + Send + Sync + 'static,
{
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let inner = service_fn(move |request: Request<Body>| {
        let (answer, noted) = (answer.clone(), Arc::clone(&noted));
        async move {
            let (head, body) = request.into_parts();
            let content = body.collect().await.unwrap().to_bytes();
            noted
                .lock()
                .unwrap()
                .push((head.uri.path().to_owned(), head.headers, content));
            Ok::<_, Infallible>(answer().await)
        }
    });
    let (lead, leadership) = watch::channel(led_by(node_id, leader));
    let forwarder = Forwarder::new(
        node_id,
        leadership,
        &Host {
            network: network.clone(),
            ..bosun_host::testing::host(node_id, bosun_host::WallTime::UNIX_EPOCH).0
        },
    );
    let service = ForwardingLayer(forwarder).layer(Routes::new(inner));
    let (sender, mut receiver) = mpsc::unbounded_channel();
    network
        .0
        .lock()
        .unwrap()
        .insert(server(node_id).server.address, sender);
    let incoming = stream::poll_fn(move |context| receiver.poll_recv(context)).map(Ok::<_, io::Error>);
    let serving = tonic::transport::Server::builder().serve_with_incoming(service.clone(), incoming);
    tokio::spawn(serving);
    Peer { lead, service, asked }
}

/// A good answer of one message, with trailers.
fn good() -> BoxFuture<'static, Response<Body>> {
    async {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let frames = [
            Frame::data(Bytes::from_static(b"answer")),
            Frame::trailers(trailers),
        ];
        let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Status>)));
        Response::new(Body::new(body))
    }
    .boxed()
}

/// An answer that never comes.
fn silence() -> BoxFuture<'static, Response<Body>> {
    std::future::pending().boxed()
}

/// A stream that stays open without a word.
fn open_stream() -> BoxFuture<'static, Response<Body>> {
    let frames = stream::pending::<Result<Frame<Bytes>, Status>>();
    async { Response::new(Body::new(StreamBody::new(frames))) }.boxed()
}

/// Content and status of an answer, wherever the status stands.
async fn read(response: Response<Body>) -> (Bytes, Code) {
    let (head, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let status = Status::from_header_map(&trailers).or_else(|| Status::from_header_map(&head.headers));
    (collected.to_bytes(), status.unwrap().code())
}

fn asked(peer: &Peer) -> usize {
    peer.asked.lock().unwrap().len()
}

#[tokio::test]
async fn what_needs_the_leader_goes_there_and_back_unchanged_and_the_rest_stays() {
    let network = Arc::new(Pipes::default());
    let here = peer(&network, 1, Some(2), good);
    let leader = peer(&network, 2, Some(2), good);
    for path in [CREATE, HEARTBEAT] {
        assert_eq!(
            read(here.ask(path).await).await,
            (Bytes::from_static(b"answer"), Code::Ok)
        );
    }
    assert_eq!((asked(&here), asked(&leader)), (0, 2));
    let (path, headers, content) = leader.asked.lock().unwrap()[0].clone();
    assert_eq!(
        (path.as_str(), content.as_ref()),
        (CREATE, b"question".as_slice())
    );
    for (name, value) in [("x-note", "kept"), ("grpc-timeout", "90S"), (FORWARDED_BY, "1")] {
        assert_eq!(headers[name], value);
    }
    here.ask(LIST).await;
    assert_eq!((asked(&here), asked(&leader)), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn while_nobody_leads_a_request_waits_a_while() {
    let network = Arc::new(Pipes::default());
    let here = peer(&network, 1, None, good);
    let leader = peer(&network, 2, Some(2), good);
    let begun = Instant::now();
    let response = here.ask(CREATE).await;
    assert!(response.headers().contains_key(NOT_LED));
    assert_eq!(read(response).await.1, Code::Unavailable);
    assert!(begun.elapsed() >= LEADER_SEARCH_MAX && begun.elapsed() < LEADER_SEARCH_MAX * 2);
    // Its leader is dead: refused connections are no answer either, until it hears of the next one.
    here.lead.send_replace(led_by(1, Some(3)));
    let (answer, ()) = tokio::join!(here.ask(CREATE), async {
        tokio::time::sleep(LEADER_SEARCH_MAX / 2).await;
        here.lead.send_replace(led_by(1, Some(2)));
    });
    assert_eq!(read(answer).await.1, Code::Ok);
    assert_eq!(asked(&leader), 1);
}

#[tokio::test(start_paused = true)]
async fn a_forwarded_request_goes_no_further_and_is_done_once_when_the_leader_is_found() {
    let network = Arc::new(Pipes::default());
    let [here, other] = [(1, 2), (2, 1)].map(|(node, leader)| peer(&network, node, Some(leader), good));
    let response = here.ask(CREATE).await;
    assert!(response.headers().contains_key(NOT_LED));
    assert_eq!((asked(&here), asked(&other)), (0, 0));
    let (answer, ()) = tokio::join!(here.ask(CREATE), async {
        tokio::time::sleep(LEADER_SEARCH_MAX / 2).await;
        other.lead.send_replace(led_by(2, Some(2)));
    });
    assert_eq!(read(answer).await.1, Code::Ok);
    assert_eq!((asked(&here), asked(&other)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_lead_lost_meanwhile_leaves_a_change_undecided_and_ends_streams() {
    let network = Arc::new(Pipes::default());
    let here = peer(&network, 1, Some(2), good);
    let leader = peer(&network, 2, Some(2), silence);
    for (path, code) in [(CHANGE, Code::DeadlineExceeded), (SEND_LOGS, Code::Unavailable)] {
        let before = asked(&leader);
        let (answer, ()) = tokio::join!(here.ask(path), async {
            while asked(&leader) == before {
                tokio::task::yield_now().await;
            }
            here.lead.send_replace(led_by(1, None));
        });
        assert_eq!(read(answer).await.1, code, "{path}");
        here.lead.send_replace(led_by(1, Some(2)));
    }
    peer(&network, 3, Some(3), open_stream);
    here.lead.send_replace(led_by(1, Some(3)));
    let session = here.ask(SESSION).await;
    here.lead.send_replace(led_by(1, Some(2)));
    assert_eq!(read(session).await.1, Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_leader_died_is_repeated_at_the_next_under_the_same_id() {
    let network = Arc::new(Pipes::default());
    let here = peer(&network, 1, Some(2), good);
    let old = peer(&network, 2, Some(2), silence);
    let new = peer(&network, 3, Some(3), good);
    let (answer, ()) = tokio::join!(here.ask(CREATE), async {
        while asked(&old) == 0 {
            tokio::task::yield_now().await;
        }
        here.lead.send_replace(led_by(1, None));
        tokio::time::sleep(LEADER_SEARCH_MAX / 2).await;
        here.lead.send_replace(led_by(1, Some(3)));
    });
    assert_eq!(read(answer).await.1, Code::Ok);
    let id_of = |peer: &Peer| peer.asked.lock().unwrap()[0].1[REQUEST_ID].clone();
    assert_eq!(id_of(&old), id_of(&new));
}

#[tokio::test]
async fn a_client_that_goes_away_ends_what_it_asked_of_the_leader() {
    let network = Arc::new(Pipes::default());
    let here = peer(&network, 1, Some(2), good);
    let (sender, ended) = oneshot::channel::<()>();
    let held = Arc::new(Mutex::new(Some(sender)));
    let leader = peer(&network, 2, Some(2), move || {
        let held = held.lock().unwrap().take();
        async move {
            std::future::pending::<()>().await;
            drop(held);
            good().await
        }
        .boxed()
    });
    let asking = async {
        while asked(&leader) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = here.ask(CREATE) => panic!("the leader does not answer"),
        () = asking => {}
    }
    // The other end is dropped with the request there.
    assert!(ended.await.is_err());
}
