//! The whole agent against scripted servers, without processes or sockets, so that time can be made to pass: what becomes
//! of fenced pods when nobody answers any more.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, OnceLock};

use async_trait::async_trait;
use bosun_host::{Connection, Listener, Network};
use bosun_proto::core_v1::Pod;
use bosun_proto::node::node_agents_server::{NodeAgents, NodeAgentsServer};
use bosun_proto::node::session_event::Event;
use bosun_proto::node::{
    FullSet, HeartbeatRequest, HeartbeatResponse, JoinRequest, JoinResponse, LeaderContactRequest,
    LeaderContactResponse, LogRelay, ReportRequest, ReportResponse, SendLogsResponse, SessionEvent,
    SessionRequest, VoterSet, Voters,
};
use tokio::io::DuplexStream;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::*;
use crate::pod::testing::pod;
use crate::runtime::{
    ContainerId, ContainerSpec, Ended, LogRequest, LogStream, Recovery, RuntimeError, StopSignal,
};

/// What the three servers do, and what they saw.
struct Script {
    /// Whether the one that leads answers the agent.
    leads: bool,
    /// What each says about leaders: which entry made its voters; `None` when it knows a leader.
    no_leader: BTreeMap<u64, Option<u64>>,
    assigned: Vec<Pod>,
    /// When the last heartbeat that was answered came in.
    heard: Instant,
    sessions: u64,
    /// Phase and reason of each pod, as last told.
    told: BTreeMap<String, (String, String)>,
    /// What the runtime was asked, and when.
    asked: Vec<(Instant, String)>,
    /// Until when fenced containers may run.
    until: Option<Instant>,
}

type Shared = Arc<Mutex<Script>>;

struct Server {
    id: u64,
    script: Shared,
}

impl Server {
    fn require_lead(&self) -> Result<std::sync::MutexGuard<'_, Script>, Status> {
        let script = self.script.lock().unwrap();
        if self.id == 1 && script.leads {
            Ok(script)
        } else {
            Err(Status::unavailable("no server leads just now"))
        }
    }
}

#[async_trait]
impl NodeAgents for Server {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<SessionEvent, Status>> + Send>>;

    async fn join(&self, _: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let mut script = self.require_lead()?;
        script.sessions += 1;
        Ok(Response::new(JoinResponse {
            session_id: format!("session-{}", script.sessions),
            heartbeat_interval_ms: 500,
            lease_ms: 8_000,
            servers: vec!["one:1".to_owned(), "two:1".to_owned(), "three:1".to_owned()],
            servers_version: 3,
            ..JoinResponse::default()
        }))
    }

    async fn session(&self, _: Request<SessionRequest>) -> Result<Response<Self::SessionStream>, Status> {
        let set = FullSet {
            pods: self.require_lead()?.assigned.clone(),
            finished_uids: Vec::new(),
            complete: true,
        };
        let event = SessionEvent {
            sequence: 1,
            event: Some(Event::FullSet(set)),
        };
        let stream = tokio_stream::once(Ok(event)).chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(stream)))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        let mut script = self.require_lead()?;
        if request.into_inner().session_id != format!("session-{}", script.sessions) {
            return Err(Status::failed_precondition("this session has ended"));
        }
        script.heard = Instant::now();
        Ok(Response::new(HeartbeatResponse::default()))
    }

    async fn leader_contact(
        &self,
        request: Request<LeaderContactRequest>,
    ) -> Result<Response<LeaderContactResponse>, Status> {
        assert_eq!(request.into_inner().round_ms, 1_000);
        let made_by = self.script.lock().unwrap().no_leader[&self.id];
        Ok(Response::new(LeaderContactResponse {
            server_id: self.id,
            knows_no_leader: made_by.is_some(),
            voters: Some(Voters {
                term: 1,
                leader_id: 1,
                index: made_by.unwrap_or_default(),
                sets: vec![VoterSet {
                    server_ids: vec![1, 2, 3],
                }],
            }),
        }))
    }

    async fn report(&self, request: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        let mut script = self.require_lead()?;
        for pod in request.into_inner().pods {
            let status = pod.status.unwrap();
            script.told.insert(pod.uid, (status.phase, status.reason));
        }
        Ok(Response::new(ReportResponse::default()))
    }

    async fn send_logs(&self, _: Request<Streaming<LogRelay>>) -> Result<Response<SendLogsResponse>, Status> {
        Err(Status::unimplemented("no output here"))
    }
}

/// Connections within this process.
struct Wires(BTreeMap<&'static str, mpsc::Sender<DuplexStream>>);

#[async_trait]
impl Network for Wires {
    async fn listen(&self, _: SocketAddr) -> io::Result<Box<dyn Listener>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn connect(&self, address: &str) -> io::Result<Connection> {
        let (near, far) = tokio::io::duplex(1 << 16);
        let server = self.0.get(address).ok_or(io::ErrorKind::NotFound)?;
        server.send(far).await.map_err(io::Error::other)?;
        Ok(Connection::new(near, SocketAddr::from(([127, 0, 0, 1], 1))))
    }
}

/// A runtime in which everything works at once.
struct Instantly {
    script: Shared,
    events: OnceLock<mpsc::Sender<RuntimeEvent>>,
}

impl Instantly {
    fn asked(&self, what: &str, id: &ContainerId) {
        let what = format!("{what} {}", id.pod_uid);
        self.script.lock().unwrap().asked.push((Instant::now(), what));
    }

    fn tell(&self, event: RuntimeEvent) {
        self.events.get().unwrap().try_send(event).unwrap();
    }
}

impl Runtime for Instantly {
    fn version(&self) -> String {
        "instantly://1".to_owned()
    }

    async fn recover(&self, events: mpsc::Sender<RuntimeEvent>) -> Result<Recovery, RuntimeError> {
        self.events.set(events).unwrap();
        Ok(Recovery::default())
    }

    fn start(&self, spec: ContainerSpec) {
        assert_eq!(spec.fenced, spec.id.pod_uid.starts_with("fenced"));
        self.asked("start", &spec.id);
        self.tell(RuntimeEvent::Started {
            id: spec.id,
            at: WallTime::UNIX_EPOCH,
        });
    }

    fn extend_lease(&self, until: Instant) {
        self.script.lock().unwrap().until = Some(until);
    }

    fn signal(&self, id: &ContainerId, signal: StopSignal) {
        assert_eq!(signal, StopSignal::Kill, "without grace");
        self.asked("kill", id);
        let ended = Ended {
            exit_code: 137,
            signal: 9,
            reason: "Error".to_owned(),
            message: String::new(),
            started_at: Some(WallTime::UNIX_EPOCH),
            finished_at: WallTime::UNIX_EPOCH,
        };
        self.tell(RuntimeEvent::Ended {
            id: id.clone(),
            ended,
        });
    }

    fn finish(&self, _: &Arc<str>) {}

    fn remove(&self, _: &Arc<str>) {}

    fn retain(&self, _: BTreeSet<Arc<str>>) {}

    async fn logs(&self, _: LogRequest) -> Result<LogStream, String> {
        Err("no output here".to_owned())
    }

    async fn stop_all(&self) {}
}

fn make(uid: &str, choice: &str) -> Pod {
    pod(&format!(
        r#"{{"metadata": {{"name": "{uid}", "namespace": "default", "uid": "{uid}",
            "annotations": {{"bosun.dev/on-node-loss": "{choice}"}}}},
            "spec": {{"restartPolicy": "Always", "containers": [{{"name": "main", "command": ["run"]}}]}}}}"#
    ))
}

/// An agent that runs one fenced pod and one other, and three servers, of which the first leads.
async fn rig() -> Shared {
    let script = Arc::new(Mutex::new(Script {
        leads: true,
        no_leader: BTreeMap::from([(1, None), (2, None), (3, None)]),
        assigned: vec![make("fenced", "stop"), make("kept", "keep")],
        heard: Instant::now(),
        sessions: 0,
        told: BTreeMap::new(),
        asked: Vec::new(),
        until: None,
    }));
    let mut wires = BTreeMap::new();
    for (id, address) in [(1, "one:1"), (2, "two:1"), (3, "three:1")] {
        let (sender, incoming) = mpsc::channel(16);
        wires.insert(address, sender);
        let server = Server {
            id,
            script: Arc::clone(&script),
        };
        let incoming = ReceiverStream::new(incoming).map(Ok::<_, io::Error>);
        let serving = tonic::transport::Server::builder()
            .add_service(NodeAgentsServer::new(server))
            .serve_with_incoming(incoming);
        tokio::spawn(serving);
    }
    let (mut host, _) = bosun_host::testing::host(1, WallTime::UNIX_EPOCH);
    host.network = Arc::new(Wires(wires));
    let runtime = Instantly {
        script: Arc::clone(&script),
        events: OnceLock::new(),
    };
    let config = Config {
        insecure_plaintext: true,
        ..Config::new("node-1", vec!["one:1".to_owned()], "/data")
    };
    tokio::spawn(async move { run(config, host, runtime).await.unwrap() });
    until(&script, |script| script.told.len() == 2).await;
    script
}

/// Lets time pass until something holds.
async fn until(script: &Shared, holds: impl Fn(&Script) -> bool) {
    let begun = Instant::now();
    while !holds(&script.lock().unwrap()) {
        assert!(begun.elapsed() < Duration::from_mins(2), "it never comes to that");
        sleep(Duration::from_millis(1)).await;
    }
}

fn asked(script: &Shared) -> Vec<String> {
    let script = script.lock().unwrap();
    script.asked.iter().map(|(_, what)| what.clone()).collect()
}

const STARTED: [&str; 2] = ["start fenced", "start kept"];

#[tokio::test(start_paused = true)]
async fn when_nobody_answers_fenced_pods_are_killed_in_time_and_the_others_run_on() {
    let script = rig().await;
    sleep(Duration::from_mins(5)).await;
    assert_eq!(asked(&script), STARTED);
    script.lock().unwrap().leads = false;
    let heard = script.lock().unwrap().heard;
    until(&script, |script| script.asked.len() > 2).await;
    let (killed, what) = script.lock().unwrap().asked[2].clone();
    assert_eq!(what, "kill fenced");
    let after = killed - heard;
    assert!(
        after > Duration::from_millis(7_990) && after < Duration::from_millis(8_010),
        "{after:?}"
    );
    let told_runtime = script.lock().unwrap().until.unwrap();
    assert!(told_runtime <= killed && killed - told_runtime < Duration::from_millis(10));
    sleep(Duration::from_mins(1)).await;
    // It comes back; the pod was not given up yet, but it is over.
    script.lock().unwrap().leads = true;
    until(&script, |script| script.told["fenced"].0 == "Failed").await;
    let told = script.lock().unwrap().told.clone();
    assert_eq!(told["fenced"].1, "NodeLost");
    assert_eq!(told["kept"].0, "Running");
    sleep(Duration::from_mins(1)).await;
    assert_eq!(asked(&script).len(), 3, "nothing was started again");
}

#[tokio::test(start_paused = true)]
async fn a_pod_assigned_while_it_was_cut_off_is_started_when_it_is_back() {
    let script = rig().await;
    script.lock().unwrap().leads = false;
    until(&script, |script| script.asked.len() > 2).await;
    {
        let mut script = script.lock().unwrap();
        // The control plane gave both up, and has sent another one.
        script.assigned = vec![make("fenced-2", "stop")];
        script.leads = true;
    }
    until(&script, |script| script.asked.len() > 4).await;
    let mut after = asked(&script).split_off(3);
    after.sort();
    assert_eq!(
        after,
        ["kill kept", "start fenced-2"],
        "what is surplus is stopped"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_leader_the_lease_goes_on_as_long_as_a_majority_vouches() {
    let script = rig().await;
    {
        let mut script = script.lock().unwrap();
        script.leads = false;
        script.no_leader = BTreeMap::from([(1, None), (2, Some(7)), (3, Some(7))]);
    }
    sleep(Duration::from_mins(10)).await;
    assert_eq!(
        asked(&script),
        STARTED,
        "an outage of the control plane costs no pod"
    );
    // Two that know different voters are no majority of either.
    script.lock().unwrap().no_leader.insert(3, Some(8));
    let begun = Instant::now();
    until(&script, |script| script.asked.len() > 2).await;
    assert_eq!(asked(&script)[2], "kill fenced");
    let after = begun.elapsed();
    assert!(
        after > Duration::from_millis(5_900) && after < Duration::from_millis(8_100),
        "{after:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_server_alone_cannot_vouch() {
    let script = rig().await;
    let heard = {
        let mut script = script.lock().unwrap();
        script.leads = false;
        script.no_leader.insert(2, Some(7));
        script.heard
    };
    until(&script, |script| script.asked.len() > 2).await;
    assert!(script.lock().unwrap().asked[2].0 - heard < Duration::from_millis(8_010));
}
