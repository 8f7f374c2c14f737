//! The node protocol with an agent played by the test: join, full set, increments, reports, output, sessions.

use bosun_client::{LogOptions, Query, Step};
use bosun_proto::api;
use bosun_proto::core_v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStatus, Pod, PodStatus,
};
use bosun_proto::meta_v1::DeleteOptions;
use bosun_proto::node::session_event::Event;
use bosun_proto::node::{
    FullSet, HeartbeatRequest, JoinRequest, JoinResponse, LogRelay, OpenLogs, PodReport, ReportRequest,
    SessionEvent, SessionRequest,
};
use bosun_proto::{Key, Kind, Object, Resource};
use futures::stream;
use serde_json::json;
use tonic::{Code, Status, Streaming};

use crate::server::{TestServer, job, next, object, soon};

const NODE: &str = "played";

/// An agent without processes.
struct Agent<'a> {
    server: &'a TestServer,
    joined: JoinResponse,
    events: Streaming<SessionEvent>,
    sequence: u64,
}

async fn join(server: &TestServer) -> JoinResponse {
    let room = json!({"cpu": "4", "memory": "4Gi", "pods": "20"});
    let node = object(json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}},
        "status": {"capacity": room, "allocatable": room},
    }));
    let Object::Node(node) = node else { unreachable!() };
    let request = JoinRequest {
        node: Some(node.as_ref().clone()),
        boot_id: "boot".into(),
    };
    soon(server.agents().join(request))
        .await
        .expect("it may join")
        .into_inner()
}

impl<'a> Agent<'a> {
    /// Joins and takes in the full set.
    async fn start(server: &'a TestServer) -> (Self, FullSet) {
        let joined = join(server).await;
        let request = SessionRequest {
            node_name: NODE.into(),
            session_id: joined.session_id.clone(),
        };
        let events = soon(server.agents().session(request))
            .await
            .expect("a session")
            .into_inner();
        let mut agent = Self {
            server,
            joined,
            events,
            sequence: 0,
        };
        let mut whole = FullSet::default();
        while !whole.complete {
            let Event::FullSet(part) = agent.event().await else {
                panic!("the full set comes first");
            };
            whole.pods.extend(part.pods);
            whole.finished_uids.extend(part.finished_uids);
            whole.complete = part.complete;
        }
        (agent, whole)
    }

    /// The next event, in sequence.
    async fn event(&mut self) -> Event {
        let event = next(&mut self.events).await;
        self.sequence += 1;
        assert_eq!(event.sequence, self.sequence);
        event.event.expect("an event")
    }

    /// The next pod that is assigned or changed.
    async fn pod(&mut self) -> Pod {
        let Event::Assignments(mut assignments) = self.event().await else {
            panic!("no assignments");
        };
        assert_eq!(assignments.removed_uids, [""; 0]);
        assert_eq!(assignments.pods.len(), 1);
        assignments.pods.remove(0)
    }

    async fn report(&self, reports: Vec<PodReport>) -> Result<Vec<String>, Status> {
        let request = ReportRequest {
            node_name: NODE.into(),
            session_id: self.joined.session_id.clone(),
            pods: reports,
            events: Vec::new(),
        };
        let answer = soon(self.server.agents().report(request)).await?;
        Ok(answer.into_inner().unknown_uids)
    }

    async fn heartbeat(&self) -> Result<(), Status> {
        let request = HeartbeatRequest {
            node_name: NODE.into(),
            session_id: self.joined.session_id.clone(),
            ..HeartbeatRequest::default()
        };
        soon(self.server.agents().heartbeat(request)).await.map(drop)
    }
}

/// A report that the pod's container runs, or has ended with a code.
fn report(pod: &Pod, ended: Option<i32>) -> PodReport {
    let state = ContainerState {
        running: ended.is_none().then(ContainerStateRunning::default),
        terminated: ended.map(|exit_code| ContainerStateTerminated {
            exit_code,
            reason: "Completed".into(),
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    };
    let container = ContainerStatus {
        name: "main".into(),
        state: Some(state),
        ..ContainerStatus::default()
    };
    let phase = match ended {
        None => "Running",
        Some(0) => "Succeeded",
        Some(_) => "Failed",
    };
    PodReport {
        namespace: pod.metadata().namespace.clone(),
        name: pod.metadata().name.clone(),
        uid: pod.metadata().uid.clone(),
        status: Some(PodStatus {
            phase: phase.into(),
            container_statuses: vec![container],
            ..PodStatus::default()
        }),
        stopped: ended.is_some(),
    }
}

/// Waits until the Job satisfies a question about its JSON.
async fn job_until(server: &TestServer, name: &str, holds: impl Fn(&serde_json::Value) -> bool) {
    let mut follow = server.client.follow(Query::new(Kind::Job, "default").named(name));
    loop {
        if let Step::Change(change) = soon(follow.next()).await.expect("it goes on")
            && holds(&change.object.to_json())
        {
            return;
        }
    }
}

#[tokio::test]
async fn a_job_goes_from_assignment_over_reports_to_complete() {
    let server = TestServer::start().await;
    let (mut agent, whole) = Agent::start(&server).await;
    assert!(whole.pods.is_empty() && whole.finished_uids.is_empty());
    assert!(agent.joined.heartbeat_interval_ms > 0 && agent.joined.lease_ms > 0);
    agent.heartbeat().await.expect("heard");
    server.create(job("x")).await;
    let pod = agent.pod().await;
    assert_eq!(pod.spec.as_ref().map(|spec| &*spec.node_name), Some(NODE));
    assert_eq!(
        agent.report(vec![report(&pod, None)]).await.expect("taken in"),
        [""; 0]
    );
    let stored = soon(server.client.get(&pod.key()))
        .await
        .expect("the pod")
        .to_json();
    assert_eq!(stored["status"]["phase"], "Running", "acknowledged means stored");
    // Twice the same changes nothing, also not the counters.
    for _ in 0..2 {
        agent.report(vec![report(&pod, Some(0))]).await.expect("taken in");
    }
    job_until(&server, "x", |job| {
        job["status"]["conditions"].to_string().contains("\"Complete\"")
    })
    .await;
    let key = Key::new(Kind::Job, "default", "x");
    let status = soon(server.client.get(&key)).await.expect("the Job").to_json()["status"].clone();
    assert_eq!(
        (&status["succeeded"], &status["failed"]),
        (&json!(1), &json!(null))
    );
    // An end cannot be taken back.
    agent.report(vec![report(&pod, None)]).await.expect("taken in");
    let stored = soon(server.client.get(&pod.key()))
        .await
        .expect("the pod")
        .to_json();
    assert_eq!(stored["status"]["phase"], "Succeeded");
    server.stop().await;
}

#[tokio::test]
async fn pods_that_do_not_exist_are_told_to_the_agent() {
    let server = TestServer::start().await;
    let (mut agent, _) = Agent::start(&server).await;
    server.create(job("x")).await;
    let pod = agent.pod().await;
    let mut impostor = report(&pod, None);
    impostor.uid = "of another life".into();
    let mut stranger = report(&pod, None);
    stranger.name = "stranger".into();
    stranger.uid = "stranger".into();
    let mut unknown = agent
        .report(vec![impostor, stranger, report(&pod, None)])
        .await
        .expect("taken in");
    unknown.sort();
    assert_eq!(unknown, ["of another life", "stranger"]);
    server.stop().await;
}

#[tokio::test]
async fn a_deleted_pod_stays_until_its_agent_has_stopped_it() {
    let server = TestServer::start().await;
    let (mut agent, _) = Agent::start(&server).await;
    let mut manifest = crate::server::idle_pod("x");
    manifest["spec"]["schedulerName"] = json!("default-scheduler");
    server.create(manifest).await;
    let pod = agent.pod().await;
    agent.report(vec![report(&pod, None)]).await.expect("taken in");
    let deleted = soon(server.client.delete(&pod.key(), DeleteOptions::default())).await;
    assert!(!deleted.expect("it begins to end").gone);
    let ending = agent.pod().await;
    assert!(ending.metadata().deletion_timestamp.is_some());
    soon(server.client.get(&pod.key()))
        .await
        .expect("it is still there");
    agent.report(vec![report(&pod, Some(0))]).await.expect("taken in");
    let Event::Assignments(removed) = agent.event().await else {
        panic!("no assignments");
    };
    assert_eq!(removed.removed_uids, [pod.metadata().uid.clone()]);
    let gone = soon(server.client.get(&pod.key())).await.expect_err("gone");
    assert!(gone.is_not_found());
    server.stop().await;
}

#[tokio::test]
async fn a_newer_session_ends_the_older_one() {
    let server = TestServer::start().await;
    let (mut first, _) = Agent::start(&server).await;
    server.create(job("running")).await;
    let running = first.pod().await;
    first
        .report(vec![report(&running, None)])
        .await
        .expect("taken in");
    server.create(job("ended")).await;
    let ended = first.pod().await;
    first
        .report(vec![report(&ended, Some(0))])
        .await
        .expect("taken in");

    let (second, whole) = Agent::start(&server).await;
    let uids: Vec<_> = whole.pods.iter().map(|pod| pod.metadata().uid.clone()).collect();
    assert_eq!(uids, [running.metadata().uid.clone()]);
    assert_eq!(whole.finished_uids, [ended.metadata().uid.clone()]);
    assert_eq!(second.joined.node_uid, first.joined.node_uid);
    assert_ne!(second.joined.session_id, first.joined.session_id);

    for refused in [
        first.heartbeat().await.expect_err("too late"),
        first
            .report(vec![report(&running, Some(1))])
            .await
            .expect_err("too late"),
    ] {
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    }
    let end = async { while let Ok(Some(_)) = first.events.message().await {} };
    soon(end).await;
    second.heartbeat().await.expect("the newer one lives");
    let stored = soon(server.client.get(&running.key()))
        .await
        .expect("the pod")
        .to_json();
    assert_eq!(
        stored["status"]["phase"], "Running",
        "the old session's word does not count"
    );
    server.stop().await;
}

#[tokio::test]
async fn nobody_speaks_for_a_node_that_has_not_joined() {
    let server = TestServer::start().await;
    let request = SessionRequest {
        node_name: "unknown".into(),
        session_id: "guessed".into(),
    };
    let status = soon(server.agents().session(request))
        .await
        .expect_err("no session");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    let nameless = soon(server.agents().join(JoinRequest::default()))
        .await
        .expect_err("no name");
    assert!(nameless.message().contains("metadata.name"), "{nameless}");
    server.stop().await;
}

#[tokio::test]
async fn output_comes_from_the_agent_when_asked_for() {
    let server = TestServer::start().await;
    let (mut agent, _) = Agent::start(&server).await;
    server.create(job("x")).await;
    let pod = agent.pod().await;
    agent.report(vec![report(&pod, None)]).await.expect("taken in");
    let name = pod.metadata().name.clone();
    let mut options = LogOptions::of("default", &name, "");
    options.tail_lines = Some(2);
    let (opened, asked) = futures::join!(soon(server.client.logs(options)), agent.event());
    let Event::OpenLogs(OpenLogs {
        relay_id,
        pod_uid,
        container,
        tail_lines,
        ..
    }) = asked
    else {
        panic!("not asked for output");
    };
    assert_eq!(
        (&*pod_uid, &*container, tail_lines),
        (&*pod.metadata().uid, "main", Some(2))
    );
    let relay = |id: &str, data: &'static str| LogRelay {
        relay_id: id.into(),
        data: data.into(),
        error: String::new(),
    };
    let sent = stream::iter([relay(&relay_id, "one\n"), relay("", "two\n")]);
    soon(server.agents().send_logs(sent))
        .await
        .expect("somebody waits");
    let mut output = opened.expect("a stream");
    let mut text = Vec::new();
    while let Some(chunk) = soon(output.next()).await.expect("it goes well") {
        text.extend_from_slice(&chunk);
    }
    assert_eq!(text, b"one\ntwo\n");
    // Nobody waits at a meeting point twice.
    let late = stream::iter([relay(&relay_id, "late\n")]);
    let status = soon(server.agents().send_logs(late))
        .await
        .expect_err("nobody waits");
    assert_eq!(status.code(), Code::NotFound, "{status}");

    let request = api::LogsRequest {
        namespace: "default".into(),
        pod: name,
        container: "other".into(),
        ..api::LogsRequest::default()
    };
    let status = soon(server.objects().logs(request))
        .await
        .expect_err("no such container");
    assert!(status.message().contains("other"), "{status}");
    server.stop().await;
}
