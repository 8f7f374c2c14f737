//! What only a supervisor can do: outlive its agent, be lost, be another version, be silent, and fence.
#![expect(clippy::disallowed_methods, reason = "checks the real files")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bosun_host::{Clock, Host, WallTime};
use bosun_proto::supervisor::{Hello, Welcome};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::testing::InProcess;
use super::wire::Wire;
use super::{Lifetime, pid_path, socket_path};
use crate::runtime::process::tests::{gone, id, rig, rig_of, shell};
use crate::runtime::{ContainerSpec, Found, LEASE_EXPIRED, Runtime, StopSignal};

const LONG: Duration = Duration::from_secs(1000);

fn fenced(spec: ContainerSpec) -> ContainerSpec {
    ContainerSpec { fenced: true, ..spec }
}

fn directory() -> Arc<tempfile::TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

#[tokio::test]
async fn the_next_agent_finds_what_runs_and_what_ended_and_can_signal_it() {
    let mut first = rig().await;
    let go = first.supervisor.path().join("go");
    let script = format!(
        "while [ ! -e {} ]; do sleep 0.01; done; echo late; exit 6",
        go.display()
    );
    first.runtime().start(shell("ends", &script));
    first.started().await;
    first.runtime().start(shell("runs", "echo $$; exec sleep 30"));
    first.started().await;
    let pid: i32 = {
        let line = first.open("runs", true).await.recv().await.unwrap().unwrap();
        std::str::from_utf8(&line).unwrap().trim().parse().unwrap()
    };
    let supervisor = first.supervisor.clone();
    first.runtime = None;
    std::fs::write(&go, "").unwrap();
    let journal = supervisor.path().join("containers.journal");
    while !std::fs::read_to_string(&journal).unwrap().contains("\"code\":6") {
        tokio::task::yield_now().await;
    }
    let mut second = rig_of(supervisor, Lifetime::TheirOwn).await;
    let found = &second.recovery.containers;
    assert!(
        matches!(&found[0], (found, Found::Ended(ended)) if *found == id("ends", 0) && ended.exit_code == 6)
    );
    assert!(matches!(&found[1], (found, Found::Running { .. }) if *found == id("runs", 0)));
    assert_eq!(second.output("ends", false).await, "late\n");
    assert!(!gone(pid));
    second.runtime().signal(&id("runs", 0), StopSignal::Terminate);
    assert_eq!(second.ended().await.exit_code, 143);
}

#[tokio::test]
async fn a_start_that_was_asked_for_twice_happens_once() {
    let mut rig = rig().await;
    let spec = shell("p", "echo once; exec sleep 30");
    rig.runtime().start(spec.clone());
    rig.runtime().start(spec.clone());
    rig.started().await;
    assert_eq!(rig.open("p", true).await.recv().await.unwrap().unwrap(), "once\n");
    rig.runtime().signal(&id("p", 0), StopSignal::Kill);
    let ended = rig.ended().await;
    // Also after its end, as an agent asks that died before it heard of it: the end is told again.
    rig.runtime().start(spec);
    assert_eq!(rig.ended().await, ended);
    assert_eq!(rig.output("p", false).await, "once\n");
}

#[tokio::test]
async fn containers_bound_to_the_agent_end_with_it() {
    let supervisor = InProcess::new(Host::system(), directory());
    let mut rig = rig_of(supervisor, Lifetime::WithAgent).await;
    rig.runtime().start(shell("p", "echo $$; exec sleep 30"));
    rig.started().await;
    let line = rig.open("p", true).await.recv().await.unwrap().unwrap();
    let pid: i32 = std::str::from_utf8(&line).unwrap().trim().parse().unwrap();
    rig.runtime = None;
    while !gone(pid) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_supervisor_whose_directory_was_removed_ends_its_containers() {
    let mut rig = rig().await;
    rig.runtime().start(shell("p", "echo $$; exec sleep 30"));
    rig.started().await;
    let line = rig.open("p", true).await.recv().await.unwrap().unwrap();
    let pid: i32 = std::str::from_utf8(&line).unwrap().trim().parse().unwrap();
    rig.runtime = None;
    std::fs::remove_file(socket_path(rig.supervisor.path())).unwrap();
    while !gone(pid) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn another_protocol_and_silence_are_refused_with_the_way_out() {
    let supervisor = InProcess::new(Host::system(), directory());
    let listener = Host::system()
        .network
        .listen_local(&socket_path(supervisor.path()))
        .await
        .unwrap();
    let foreign = async {
        let mut wire = Wire::new(listener.accept().await.unwrap());
        wire.get::<Hello>().await.unwrap().unwrap();
        wire.put(&Welcome {
            protocol: 99,
            version: "9.9.9".to_owned(),
            pid: 4711,
        });
        wire.flush().await.unwrap();
    };
    let recover = || async {
        let runtime = supervisor.runtime(Lifetime::TheirOwn);
        let (sender, _events) = mpsc::channel(1);
        runtime.recover(sender).await.unwrap_err().to_string()
    };
    let (refusal, ()) = tokio::join!(recover(), foreign);
    for part in ["9.9.9", "`kill 4711`", "protocol 99", "speaks 1"] {
        assert!(refusal.contains(part), "{refusal}");
    }

    std::fs::write(pid_path(supervisor.path()), "4712").unwrap();
    tokio::time::pause();
    let refusal = recover().await;
    assert!(
        refusal.contains("kill -CONT 4712") && refusal.contains("does not answer"),
        "{refusal}"
    );
}

#[tokio::test]
async fn a_fenced_container_without_a_lease_is_not_started() {
    let mut rig = rig().await;
    rig.runtime().start(fenced(shell("p", "true")));
    let refused = rig.ended().await;
    assert_eq!(
        (refused.reason.as_str(), refused.started_at),
        (LEASE_EXPIRED, None)
    );
    // The lease reaches the supervisor before what is asked for later.
    rig.runtime().extend_lease(Instant::now() + LONG);
    assert_eq!(rig.run(fenced(shell("q", "exit 3"))).await.exit_code, 3);
}

#[tokio::test]
async fn when_the_lease_runs_out_fenced_containers_are_killed_without_an_agent() {
    let mut rig = rig().await;
    rig.runtime()
        .extend_lease(Instant::now() + Duration::from_secs(1));
    rig.runtime()
        .start(fenced(shell("fenced", "sleep 30 & echo $! $$; wait")));
    rig.started().await;
    rig.runtime().start(shell("other", "exec sleep 30"));
    rig.started().await;
    let line = rig.open("fenced", true).await.recv().await.unwrap().unwrap();
    let line = std::str::from_utf8(&line).unwrap().to_owned();
    rig.runtime = None;
    for pid in line.split_whitespace() {
        while !gone(pid.parse().unwrap()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    // The processes are gone a moment before their end is recorded.
    let journal = rig.supervisor.path().join("containers.journal");
    while !std::fs::read_to_string(&journal).unwrap().contains(LEASE_EXPIRED) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let again = rig_of(rig.supervisor.clone(), Lifetime::TheirOwn).await;
    let mut found = again.recovery.containers.clone();
    found.sort_by_key(|(id, _)| id.clone());
    let (_, Found::Ended(ended)) = &found[0] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (ended.exit_code, ended.signal, ended.reason.as_str()),
        (137, 9, LEASE_EXPIRED)
    );
    assert!(matches!(&found[1].1, Found::Running { .. }), "{found:?}");
}

/// A clock that is put forward by hand, as that of a machine that slept.
struct Sleeper(AtomicU64);

impl Clock for Sleeper {
    fn wall(&self) -> WallTime {
        Host::system().clock.wall()
    }

    fn since_boot(&self) -> Duration {
        Host::system().clock.since_boot() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn a_lease_that_ran_out_in_the_machines_sleep_is_not_mended_by_the_next() {
    let clock = Arc::new(Sleeper(AtomicU64::new(0)));
    let host = Host {
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        ..Host::system()
    };
    let mut rig = rig_of(InProcess::new(host, directory()), Lifetime::TheirOwn).await;
    rig.runtime().extend_lease(Instant::now() + LONG);
    rig.runtime().start(fenced(shell("p", "exec sleep 30")));
    rig.started().await;
    clock.0.store(LONG.as_secs() * 2, Ordering::SeqCst);
    rig.runtime().extend_lease(Instant::now() + LONG);
    assert_eq!(rig.ended().await.reason, LEASE_EXPIRED);
}
