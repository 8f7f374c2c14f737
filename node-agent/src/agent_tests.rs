//! The whole agent, with real processes, against a scripted control plane on the loopback.
#![expect(
    clippy::disallowed_methods,
    reason = "the scripted server listens by itself and files are looked at directly"
)]

use std::path::Path;
use std::pin::Pin;
use std::sync::Mutex;

use bosun_proto::core_v1::{Pod, PodStatus};
use bosun_proto::node::node_agents_server::{NodeAgents, NodeAgentsServer};
use bosun_proto::node::session_event::Event;
use bosun_proto::node::{
    Assignments, FullSet, HeartbeatRequest, HeartbeatResponse, JoinRequest, JoinResponse,
    LeaderContactRequest, LeaderContactResponse, LogRelay, ReportRequest, ReportResponse, SendLogsResponse,
    SessionEvent, SessionRequest,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::*;
use crate::pod::testing::pod;
use crate::runtime::supervisor::Lifetime;
use crate::runtime::supervisor::testing::InProcess;

/// What the agent did, in order.
#[derive(Debug)]
enum Seen {
    Joined,
    Session(mpsc::Sender<Result<SessionEvent, Status>>),
    Report(ReportRequest, Answer),
    Logs(String, String),
}

#[derive(Debug)]
struct Answer(tokio::sync::oneshot::Sender<Result<ReportResponse, Status>>);

struct Script {
    seen: mpsc::Sender<Seen>,
    heartbeats: Arc<watch::Sender<u32>>,
    sessions: Mutex<u32>,
}

#[tonic::async_trait]
impl NodeAgents for Script {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<SessionEvent, Status>> + Send>>;

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let node = request.into_inner().node.unwrap();
        if node.metadata.unwrap().name == "unwanted" {
            return Err(Status::invalid_argument("the name is taken"));
        }
        self.seen.send(Seen::Joined).await.unwrap();
        let mut sessions = self.sessions.lock().unwrap();
        *sessions += 1;
        Ok(Response::new(JoinResponse {
            session_id: format!("session-{sessions}"),
            heartbeat_interval_ms: 5,
            ..JoinResponse::default()
        }))
    }

    async fn session(
        &self,
        request: Request<SessionRequest>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let expected = format!("session-{}", self.sessions.lock().unwrap());
        assert_eq!(request.into_inner().session_id, expected);
        let (sender, receiver) = mpsc::channel(16);
        self.seen.send(Seen::Session(sender)).await.unwrap();
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn heartbeat(&self, _: Request<HeartbeatRequest>) -> Result<Response<HeartbeatResponse>, Status> {
        self.heartbeats.send_modify(|count| *count += 1);
        Ok(Response::new(HeartbeatResponse::default()))
    }

    async fn leader_contact(
        &self,
        _: Request<LeaderContactRequest>,
    ) -> Result<Response<LeaderContactResponse>, Status> {
        Ok(Response::new(LeaderContactResponse::default()))
    }

    async fn report(&self, request: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        let (sender, answer) = tokio::sync::oneshot::channel();
        let seen = Seen::Report(request.into_inner(), Answer(sender));
        self.seen.send(seen).await.unwrap();
        answer
            .await
            .unwrap_or_else(|_| Ok(ReportResponse::default()))
            .map(Response::new)
    }

    async fn send_logs(
        &self,
        request: Request<Streaming<LogRelay>>,
    ) -> Result<Response<SendLogsResponse>, Status> {
        let mut relays = request.into_inner();
        let first = relays.next().await.unwrap()?;
        let mut text = first.data.to_vec();
        let mut error = first.error;
        while let Some(relay) = relays.next().await {
            let relay = relay?;
            text.extend_from_slice(&relay.data);
            error.push_str(&relay.error);
        }
        let text = format!("{}{error}", String::from_utf8(text).unwrap());
        self.seen.send(Seen::Logs(first.relay_id, text)).await.unwrap();
        Ok(Response::new(SendLogsResponse {}))
    }
}

struct Rig {
    seen: mpsc::Receiver<Seen>,
    heartbeats: Arc<watch::Sender<u32>>,
    address: String,
    directory: Arc<TempDir>,
    supervisor: InProcess,
    agent: Option<tokio::task::JoinHandle<Result<(), AgentError>>>,
    shutdown: CancellationToken,
    events: Option<mpsc::Sender<Result<SessionEvent, Status>>>,
    sequence: u64,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.supervisor.clean_up();
    }
}

impl Rig {
    async fn new() -> Self {
        let (sender, seen) = mpsc::channel(64);
        let heartbeats = Arc::new(watch::Sender::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let script = Script {
            seen: sender,
            heartbeats: Arc::clone(&heartbeats),
            sessions: Mutex::new(0),
        };
        let server = tonic::transport::Server::builder()
            .add_service(NodeAgentsServer::new(script))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let mut rig = Self {
            seen,
            heartbeats,
            address,
            supervisor: InProcess::new(Host::system(), Arc::clone(&directory)),
            directory,
            agent: None,
            shutdown: CancellationToken::new(),
            events: None,
            sequence: 0,
        };
        rig.start_agent("node-1");
        rig.session().await;
        rig
    }

    fn start_agent(&mut self, name: &str) {
        let host = Host::system();
        let mut config = Config::new(name, vec![self.address.clone()], self.directory.path());
        self.shutdown = CancellationToken::new();
        config.shutdown = self.shutdown.clone();
        let runtime = self.supervisor.runtime(Lifetime::TheirOwn);
        self.agent = Some(tokio::spawn(run(config, host, runtime)));
    }

    /// Ends the agent in an orderly way.
    async fn stop_agent(&mut self) {
        self.shutdown.cancel();
        self.agent.take().unwrap().await.unwrap().unwrap();
    }

    async fn next(&mut self) -> Seen {
        self.seen.recv().await.unwrap()
    }

    /// Waits for the next session; reports on the way are refused as being of an ended session.
    async fn session(&mut self) {
        loop {
            match self.next().await {
                Seen::Session(sender) => {
                    self.events = Some(sender);
                    self.sequence = 0;
                    return;
                }
                Seen::Report(_, Answer(answer)) => {
                    drop(answer.send(Err(Status::failed_precondition("this session has ended"))));
                }
                Seen::Joined | Seen::Logs(..) => {}
            }
        }
    }

    async fn send(&mut self, event: Event) {
        self.sequence += 1;
        let event = SessionEvent {
            sequence: self.sequence,
            event: Some(event),
        };
        self.events.as_ref().unwrap().send(Ok(event)).await.unwrap();
    }

    async fn full_set(&mut self, pods: Vec<Pod>, finished: &[&str]) {
        let finished_uids = finished.iter().map(ToString::to_string).collect();
        let set = FullSet {
            pods,
            finished_uids,
            complete: true,
        };
        self.send(Event::FullSet(set)).await;
    }

    async fn assign(&mut self, pod: Pod) {
        let assignments = Assignments {
            pods: vec![pod],
            removed_uids: Vec::new(),
        };
        self.send(Event::Assignments(assignments)).await;
    }

    async fn remove(&mut self, uid: &str) {
        let assignments = Assignments {
            pods: Vec::new(),
            removed_uids: vec![uid.to_owned()],
        };
        self.send(Event::Assignments(assignments)).await;
    }

    /// The next report, acknowledged.
    async fn report(&mut self) -> ReportRequest {
        loop {
            if let Seen::Report(report, Answer(answer)) = self.next().await {
                drop(answer.send(Ok(ReportResponse::default())));
                return report;
            }
        }
    }

    /// Acknowledges reports until one says this phase of this pod; its status.
    async fn until(&mut self, uid: &str, phase: &str) -> PodStatus {
        loop {
            for pod in self.report().await.pods {
                let status = pod.status.unwrap();
                if pod.uid == uid && status.phase == phase {
                    assert_eq!(pod.stopped, matches!(phase, "Succeeded" | "Failed"));
                    return status;
                }
            }
        }
    }

    async fn logs(&mut self, open: OpenLogs) -> String {
        let relay_id = open.relay_id.clone();
        self.send(Event::OpenLogs(open)).await;
        loop {
            match self.next().await {
                Seen::Logs(id, text) if id == relay_id => return text,
                Seen::Report(_, Answer(answer)) => drop(answer.send(Ok(ReportResponse::default()))),
                Seen::Joined | Seen::Session(_) | Seen::Logs(..) => {}
            }
        }
    }
}

fn make(uid: &str, script: &str) -> Pod {
    let mut made = pod(&format!(
        r#"{{"metadata": {{"name": "{uid}", "namespace": "default", "uid": "{uid}"}}, "spec": {{"restartPolicy": "Never",
            "containers": [{{"name": "main", "command": ["sh", "-c", "SCRIPT"]}}]}}}}"#
    ));
    made.spec.as_mut().unwrap().containers[0].command[2] = script.to_owned();
    made
}

fn open(uid: &str) -> OpenLogs {
    OpenLogs {
        relay_id: format!("relay-{uid}"),
        pod_uid: uid.to_owned(),
        container: "main".to_owned(),
        ..OpenLogs::default()
    }
}

fn exit_code(status: &PodStatus) -> i32 {
    let state = status.container_statuses[0].state.clone().unwrap();
    state.terminated.unwrap().exit_code
}

#[tokio::test]
async fn a_pod_runs_is_told_and_leaves_its_output() {
    let mut rig = Rig::new().await;
    rig.full_set(vec![make("a", "echo out; echo err >&2; exit 3")], &[])
        .await;
    let status = rig.until("a", "Failed").await;
    assert_eq!((exit_code(&status), status.pod_ip.as_str()), (3, "127.0.0.1"));
    assert_eq!(rig.logs(open("a")).await, "out\nerr\n");
    let refusal = rig
        .logs(OpenLogs {
            previous: true,
            ..open("a")
        })
        .await;
    assert!(refusal.contains("no previous run"), "{refusal}");
    // Heard meanwhile, at the interval that the server named.
    rig.heartbeats
        .subscribe()
        .wait_for(|count| *count >= 3)
        .await
        .unwrap();
    // Gone: and with it the output.
    rig.remove("a").await;
    rig.assign(make("b", "true")).await;
    rig.until("b", "Succeeded").await;
    assert!(!rig.directory.path().join("logs/a").exists());
    rig.stop_agent().await;
}

#[tokio::test]
async fn a_finished_pod_is_not_started_again_by_a_late_message() {
    let mut rig = Rig::new().await;
    rig.full_set(vec![make("a", "echo once")], &[]).await;
    rig.until("a", "Succeeded").await;
    rig.assign(make("a", "echo twice")).await;
    rig.assign(make("b", "true")).await;
    rig.until("b", "Succeeded").await;
    assert_eq!(rig.logs(open("a")).await, "once\n");
}

#[tokio::test]
async fn after_a_gap_the_session_is_opened_anew_and_everything_is_told_again() {
    let mut rig = Rig::new().await;
    let (keep, surplus) = (
        make("keep", "exec sleep 30"),
        make("surplus", "echo x; exec sleep 30"),
    );
    rig.full_set(vec![keep.clone(), surplus], &[]).await;
    rig.until("keep", "Running").await;
    while !rig.directory.path().join("logs/surplus").exists() {
        tokio::task::yield_now().await;
    }
    rig.sequence += 1;
    rig.remove("keep").await;
    rig.session().await;
    rig.full_set(vec![keep], &[]).await;
    let again = rig.until("keep", "Running").await;
    assert_eq!(again.container_statuses[0].restart_count, 0, "it went on running");
    // The surplus pod is stopped and its leavings are removed without another word.
    while rig.directory.path().join("logs/surplus").exists() {
        tokio::task::yield_now().await;
    }
    rig.stop_agent().await;
}

#[tokio::test]
async fn a_report_that_fails_is_sent_again_and_an_ended_session_is_replaced() {
    let mut rig = Rig::new().await;
    rig.full_set(vec![make("a", "exit 5")], &[]).await;
    for status in [
        Status::unavailable("no leader"),
        Status::internal("disk"),
        Status::failed_precondition("ended"),
    ] {
        loop {
            if let Seen::Report(_, Answer(answer)) = rig.next().await {
                drop(answer.send(Err(status)));
                break;
            }
        }
    }
    rig.session().await;
    rig.full_set(vec![make("a", "exit 6")], &[]).await;
    let status = rig.until("a", "Failed").await;
    assert_eq!(
        (exit_code(&status), status.container_statuses[0].restart_count),
        (5, 0)
    );
}

#[tokio::test]
async fn a_deleted_pod_ends_gracefully_and_an_unknown_one_at_once() {
    let mut rig = Rig::new().await;
    let polite = make(
        "polite",
        "exec 2>/dev/null; trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done",
    );
    let unknown = make("unknown", "echo x; exec sleep 30");
    rig.full_set(vec![polite.clone(), unknown], &[]).await;
    rig.until("polite", "Running").await;
    while rig.logs(open("polite")).await != "up\n" {}
    let mut deleted = polite;
    let meta = deleted.metadata.as_mut().unwrap();
    meta.deletion_timestamp = Some(rig_time().into());
    meta.deletion_grace_period_seconds = Some(100);
    rig.assign(deleted).await;
    let mut events = Vec::new();
    'reports: loop {
        let report = rig.report().await;
        events.extend(report.events.into_iter().map(|event| event.reason));
        for pod in report.pods {
            if pod.uid == "polite" && pod.stopped {
                assert_eq!(pod.status.unwrap().phase, "Succeeded");
                break 'reports;
            }
        }
    }
    assert_eq!(events, ["Killing"]);
    assert_eq!(rig.logs(open("polite")).await, "up\nbye\n");
    // Something to report, answered with "there is no such pod".
    rig.sequence += 1;
    rig.remove("unknown").await;
    rig.session().await;
    rig.full_set(vec![make("unknown", "exec sleep 30")], &["polite"])
        .await;
    loop {
        if let Seen::Report(report, Answer(answer)) = rig.next().await {
            let unknown_uids = report.pods.into_iter().map(|pod| pod.uid).collect();
            drop(answer.send(Ok(ReportResponse { unknown_uids })));
            break;
        }
    }
    while rig.directory.path().join("logs/unknown").exists() {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        rig.logs(open("polite")).await,
        "up\nbye\n",
        "finished pods keep their output"
    );
    rig.stop_agent().await;
}

fn rig_time() -> WallTime {
    Host::system().clock.wall()
}

/// A script that goes on once a file is there.
fn after(file: &Path, rest: &str) -> String {
    format!("while [ ! -e {} ]; do sleep 0.01; done; {rest}", file.display())
}

#[tokio::test]
async fn containers_outlive_the_agent_and_the_next_one_hears_what_it_missed() {
    let mut rig = Rig::new().await;
    let (first, second) = (
        rig.directory.path().join("first"),
        rig.directory.path().join("second"),
    );
    let mut restarting = make("restarting", "exec sleep 30");
    restarting.spec.as_mut().unwrap().restart_policy = "Always".to_owned();
    let pods = vec![
        make("meanwhile", &after(&first, "echo unseen; exit 7")),
        make(
            "busy",
            &format!("echo here; {}", after(&second, "echo there; exit 4")),
        ),
        restarting,
        make("deleted", "echo $$; exec sleep 30"),
    ];
    rig.full_set(pods.clone(), &[]).await;
    rig.until("busy", "Running").await;
    while rig.logs(open("busy")).await != "here\n" {}
    while rig.logs(open("deleted")).await.is_empty() {}
    // Not an orderly stop: the agent vanishes.
    rig.agent.take().unwrap().abort();
    rig.wait_until_lock_is_free(rig.directory.path()).await;
    std::fs::write(&first, "").unwrap();
    let journal = rig.directory.path().join("containers.journal");
    while !std::fs::read_to_string(&journal).unwrap().contains("\"code\":7") {
        tokio::task::yield_now().await;
    }
    rig.start_agent("node-1");
    rig.session().await;
    // One of the pods was deleted meanwhile.
    rig.full_set(pods[..3].to_vec(), &[]).await;
    let mut seen = std::collections::BTreeMap::new();
    while seen.len() < 3 {
        for pod in rig.report().await.pods {
            let status = pod.status.unwrap();
            if matches!(
                (pod.uid.as_str(), status.phase.as_str()),
                ("meanwhile", "Failed") | ("restarting" | "busy", "Running")
            ) {
                seen.insert(pod.uid, status);
            }
        }
    }
    assert_eq!(exit_code(&seen["meanwhile"]), 7);
    for pod in ["busy", "restarting"] {
        assert_eq!(seen[pod].container_statuses[0].restart_count, 0, "{pod} went on");
    }
    assert_eq!(rig.logs(open("meanwhile")).await, "unseen\n");
    while rig.directory.path().join("logs/deleted").exists() {
        tokio::task::yield_now().await;
    }
    std::fs::write(&second, "").unwrap();
    assert_eq!(exit_code(&rig.until("busy", "Failed").await), 4);
    assert_eq!(rig.logs(open("busy")).await, "here\nthere\n");
    rig.stop_agent().await;
}

#[tokio::test]
async fn containers_lost_with_their_supervisor_are_told_and_started_again() {
    let mut rig = Rig::new().await;
    let mut restarting = make("restarting", "exec sleep 30");
    restarting.spec.as_mut().unwrap().restart_policy = "Always".to_owned();
    rig.full_set(vec![make("busy", "echo here; exec sleep 30"), restarting], &[])
        .await;
    rig.until("restarting", "Running").await;
    while rig.logs(open("busy")).await != "here\n" {}
    rig.supervisor.kill();
    let mut seen = std::collections::BTreeMap::new();
    while seen.len() < 2 {
        for pod in rig.report().await.pods {
            let status = pod.status.unwrap();
            let restarts = status.container_statuses[0].restart_count;
            if matches!(
                (pod.uid.as_str(), status.phase.as_str(), restarts),
                ("busy", "Failed", 0) | ("restarting", "Running", 1)
            ) {
                seen.insert(pod.uid, status);
            }
        }
    }
    let lost = seen["busy"].container_statuses[0].state.clone().unwrap();
    let lost = lost.terminated.unwrap();
    assert_eq!(
        (lost.exit_code, lost.reason.as_str()),
        (137, "ContainerStatusUnknown")
    );
    let restarted = &seen["restarting"].container_statuses[0];
    let last = restarted.last_state.clone().unwrap().terminated.unwrap();
    assert_eq!(last.exit_code, 137);
    assert_eq!(rig.logs(open("busy")).await, "here\n");
    rig.stop_agent().await;
}

impl Rig {
    async fn wait_until_lock_is_free(&self, directory: &Path) {
        let disk = Host::system().disk;
        while DataDirectory::claim(&*disk, directory).is_err() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_refused_node_says_why() {
    let mut rig = Rig::new().await;
    rig.stop_agent().await;
    rig.start_agent("unwanted");
    let refusal = rig.agent.take().unwrap().await.unwrap().unwrap_err().to_string();
    assert!(
        refusal.contains("unwanted") && refusal.contains("the name is taken"),
        "{refusal}"
    );
}

#[tokio::test]
async fn output_that_cannot_be_had_says_why() {
    let mut rig = Rig::new().await;
    let mut pod = make("a", "true");
    pod.spec.as_mut().unwrap().containers[0].env_from =
        serde_json::from_str(r#"[{"secretRef": {"name": "s"}}]"#).unwrap();
    rig.full_set(vec![pod], &[]).await;
    rig.until("a", "Pending").await;
    let refusal = rig.logs(open("a")).await;
    assert!(
        refusal.contains("waiting to start") && refusal.contains("secretRef"),
        "{refusal}"
    );
    let refusal = rig
        .logs(OpenLogs {
            container: "other".to_owned(),
            ..open("a")
        })
        .await;
    assert!(refusal.contains("no container \"other\""), "{refusal}");
}
