//! Whole nodes, alone and as three, over real loopback gRPC and on real files.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bosun_host::Host;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tonic::transport::server::TcpIncoming;

use super::test_machine::{Seen, TestMachine, entry};
use super::{Leadership, ProposeError, RaftNode, RaftSettings, ReadError, Server, StorageLimits};

/// Long enough for a loaded machine; a test that waits this long fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn single(directory: &Path) -> RaftSettings {
    let server = Server {
        name: "one".to_owned(),
        address: "127.0.0.1:1".to_owned(),
    };
    RaftSettings::single(1, server, directory)
}

async fn start(settings: RaftSettings) -> (RaftNode<TestMachine>, Seen) {
    start_on(Host::system(), settings).await
}

async fn start_on(host: Host, settings: RaftSettings) -> (RaftNode<TestMachine>, Seen) {
    let (machine, seen) = TestMachine::new();
    (RaftNode::start(settings, host, machine).await.unwrap(), seen)
}

fn sorted(seen: &Seen) -> Vec<u64> {
    let mut numbers = seen.lock().unwrap().clone();
    numbers.sort_unstable();
    numbers
}

async fn until(node: &RaftNode<TestMachine>, wanted: impl FnMut(&Leadership) -> bool) -> Leadership {
    let mut leadership = node.leadership();
    timeout(PATIENCE, leadership.wait_for(wanted))
        .await
        .unwrap()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn a_single_server_leads_without_waiting_for_an_election_and_keeps_its_state_over_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let patient = || RaftSettings {
        // Nobody could sit through these within the test.
        election_timeout_min: Duration::from_mins(10),
        election_timeout_max: Duration::from_mins(20),
        ..single(directory.path())
    };
    for round in 0..3_u64 {
        let (node, seen) = start(patient()).await;
        until(&node, |leadership| leadership.leader).await;
        let outcomes = node.propose(entry([round * 2, round * 2 + 1])).await.unwrap();
        let applied = usize::try_from(round).unwrap() * 2;
        assert_eq!(outcomes, [applied + 1, applied + 2]);
        node.barrier().await.unwrap();
        assert_eq!(*seen.lock().unwrap(), (0..round * 2 + 2).collect::<Vec<_>>());
        node.shutdown().await;
        let refusal = node.propose(entry([99])).await.unwrap_err();
        assert!(matches!(refusal, ProposeError::Stopped { .. }), "{refusal}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_server_still_leads_after_a_long_silence() {
    let (host, _) = bosun_host::testing::host(1, bosun_host::WallTime::UNIX_EPOCH);
    let (node, _) = start_on(host, single(Path::new("/data"))).await;
    until(&node, |leadership| leadership.leader).await;
    // Many times its lease.
    sleep(Duration::from_secs(10)).await;
    assert!(node.leadership().borrow().leader);
    node.propose(entry([1])).await.unwrap();
    node.barrier().await.unwrap();
    node.shutdown().await;
}

#[tokio::test]
async fn proposals_made_together_share_their_syncs() {
    let (host, disk) = bosun_host::testing::host(1, bosun_host::WallTime::UNIX_EPOCH);
    let (machine, seen) = TestMachine::new();
    let node = RaftNode::start(single(Path::new("/data")), host, machine)
        .await
        .unwrap();
    until(&node, |leadership| leadership.leader).await;
    let before = disk.syncs();
    let proposals = (0..200).map(|number| node.propose(entry([number])));
    for outcome in futures::future::join_all(proposals).await {
        outcome.unwrap();
    }
    assert_eq!(sorted(&seen), (0..200).collect::<Vec<_>>());
    let syncs = disk.syncs() - before;
    assert!(syncs < 20, "{syncs} syncs for 200 entries");
    node.shutdown().await;
}

#[tokio::test]
async fn snapshots_are_made_by_size_and_carry_the_state_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let settings = || RaftSettings {
        storage: StorageLimits {
            snapshot_after_bytes: 20_000,
            log_segment_bytes: 8 << 10,
            log_cache_bytes: 2 << 10,
            ..StorageLimits::default()
        },
        ..single(directory.path())
    };
    let (node, _) = start(settings()).await;
    until(&node, |leadership| leadership.leader).await;
    let mut written = 0;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while node.status().purged_index.is_none() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "no purge: {:?}",
            node.status()
        );
        let batch = (0..50).map(|number| node.propose(entry([written + number])));
        futures::future::try_join_all(batch).await.unwrap();
        written += 50;
    }
    let status = node.status();
    assert!(
        status.purged_index < status.snapshot_index,
        "the log reaches back to the snapshot but one: {status:?}"
    );
    node.shutdown().await;

    let (node, seen) = start(settings()).await;
    until(&node, |leadership| leadership.leader).await;
    assert!(
        sorted(&seen) == (0..written).collect::<Vec<_>>(),
        "all that was acknowledged, each once"
    );
    node.shutdown().await;
}

#[tokio::test]
async fn a_failing_disk_stops_the_node_and_loses_nothing_acknowledged() {
    let (host, disk) = bosun_host::testing::host(1, bosun_host::WallTime::UNIX_EPOCH);
    let (machine, _) = TestMachine::new();
    let node = RaftNode::start(single(Path::new("/data")), host.clone(), machine)
        .await
        .unwrap();
    until(&node, |leadership| leadership.leader).await;
    node.propose(entry([1])).await.unwrap();
    disk.fail_syncs(1);
    let refusal = timeout(PATIENCE, node.propose(entry([2])))
        .await
        .unwrap()
        .unwrap_err();
    assert!(
        matches!(&refusal, ProposeError::Stopped { reason } if reason.contains("/data/log")),
        "{refusal}"
    );
    let reason = timeout(PATIENCE, node.failed()).await.unwrap();
    assert!(reason.contains("/data/log"), "{reason}");
    assert!(!until(&node, |leadership| !leadership.leader).await.leader);
    node.shutdown().await;

    disk.crash(bosun_host::testing::Crash::LoseAll);
    let (machine, seen) = TestMachine::new();
    let node = RaftNode::start(single(Path::new("/data")), host, machine)
        .await
        .unwrap();
    until(&node, |leadership| leadership.leader).await;
    assert_eq!(*seen.lock().unwrap(), [1]);
    node.shutdown().await;
}

#[tokio::test]
async fn a_directory_of_which_a_part_is_missing_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let (node, _) = start(single(directory.path())).await;
    until(&node, |leadership| leadership.leader).await;
    node.propose(entry([1])).await.unwrap();
    node.snapshot().await.unwrap();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while node.status().snapshot_index.is_none() {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    node.shutdown().await;
    Host::system()
        .disk
        .remove_directory(&directory.path().join("log"))
        .unwrap();
    let refusal = RaftNode::start(single(directory.path()), Host::system(), TestMachine::default()).await;
    let refusal = refusal.err().unwrap().to_string();
    assert!(
        refusal.contains(&directory.path().display().to_string()),
        "{refusal}"
    );
}

fn listen(address: SocketAddr) -> std::io::Result<TcpIncoming> {
    Ok(TcpIncoming::bind(address)?.with_nodelay(Some(true)))
}

/// Three servers, some of which may be down.
struct Cluster {
    addresses: BTreeMap<u64, SocketAddr>,
    directories: BTreeMap<u64, TempDir>,
    running: BTreeMap<u64, Member>,
    settings: fn(RaftSettings) -> RaftSettings,
    host: Host,
}

struct Member {
    node: RaftNode<TestMachine>,
    seen: Seen,
    serving: JoinHandle<()>,
}

impl Cluster {
    async fn start(settings: fn(RaftSettings) -> RaftSettings) -> Self {
        Self::start_on(Host::system(), settings).await
    }

    async fn start_on(host: Host, settings: fn(RaftSettings) -> RaftSettings) -> Self {
        let mut incoming: Vec<(u64, TcpIncoming)> = (1..=3)
            .map(|id| (id, listen("127.0.0.1:0".parse().unwrap()).unwrap()))
            .collect();
        let addresses = incoming
            .iter()
            .map(|(id, incoming)| (*id, incoming.local_addr().unwrap()))
            .collect();
        let directories = (1..=3).map(|id| (id, tempfile::tempdir().unwrap())).collect();
        let mut cluster = Self {
            addresses,
            directories,
            running: BTreeMap::new(),
            settings,
            host,
        };
        for (id, incoming) in incoming.drain(..) {
            cluster.launch(id, incoming).await;
        }
        cluster
    }

    async fn launch(&mut self, id: u64, incoming: TcpIncoming) {
        let servers = self.addresses.iter().map(|(id, address)| {
            (
                *id,
                Server {
                    name: format!("server-{id}"),
                    address: address.to_string(),
                },
            )
        });
        let bootstrap = (id == 1).then(|| servers.collect());
        let settings = RaftSettings {
            bootstrap,
            ..RaftSettings::new(id, self.directories[&id].path())
        };
        let (node, seen) = start_on(self.host.clone(), (self.settings)(settings)).await;
        let router = tonic::transport::Server::builder().add_service(node.service());
        let serving = tokio::spawn(async move { router.serve_with_incoming(incoming).await.unwrap() });
        self.running.insert(id, Member { node, seen, serving });
    }

    async fn restart(&mut self, id: u64) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let incoming = loop {
            match listen(self.addresses[&id]) {
                Ok(incoming) => break incoming,
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
            }
            tokio::task::yield_now().await;
        };
        self.launch(id, incoming).await;
    }

    async fn stop(&mut self, id: u64) {
        let member = self.running.remove(&id).unwrap();
        // Nobody is accepted any more; on connections that stay open a stopped node has nothing to say.
        member.serving.abort();
        member.node.shutdown().await;
    }

    /// The server that leads, once one does.
    async fn leader(&self) -> u64 {
        let watching = self.running.iter().map(|(id, member)| {
            Box::pin(async move {
                until(&member.node, |leadership| leadership.leader).await;
                *id
            })
        });
        futures::future::select_all(watching).await.0
    }

    /// Proposes as a client does: at the leader, again while there is none.
    async fn propose(&self, number: u64) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let leader = self.leader().await;
            match self.running[&leader].node.propose(entry([number])).await {
                Ok(_) => return,
                Err(ProposeError::NoLeader | ProposeError::ForwardToLeader(_)) => {}
                Err(error) => panic!("{error}"),
            }
            assert!(tokio::time::Instant::now() < deadline);
            tokio::task::yield_now().await;
        }
    }

    /// Waits until every running server has applied exactly 0 to `count`.
    async fn converge(&self, count: u64) {
        let wanted: Vec<u64> = (0..count).collect();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        for (id, member) in &self.running {
            loop {
                let seen = member.seen.lock().unwrap().clone();
                if seen == wanted {
                    break;
                }
                assert!(wanted.starts_with(&seen), "server {id} has {seen:?}");
                assert!(
                    tokio::time::Instant::now() < deadline,
                    "server {id} stays at {}",
                    seen.len()
                );
                sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

#[tokio::test]
async fn three_servers_agree_survive_their_leader_and_take_it_back() {
    let mut cluster = Cluster::start(|settings| settings).await;
    for number in 0..20 {
        cluster.propose(number).await;
    }
    cluster.converge(20).await;

    let old = cluster.leader().await;
    cluster.stop(old).await;
    for number in 20..40 {
        cluster.propose(number).await;
    }
    assert_ne!(cluster.leader().await, old);

    cluster.restart(old).await;
    for number in 40..60 {
        cluster.propose(number).await;
    }
    cluster.converge(60).await;
}

#[tokio::test]
async fn a_follower_names_the_leader_and_the_lead_can_be_handed_over() {
    let cluster = Cluster::start(|settings| settings).await;
    cluster.propose(0).await;
    let leader = cluster.leader().await;
    let follower = (1..=3).find(|id| *id != leader).unwrap();
    let node = &cluster.running[&follower].node;
    until(node, |leadership| leadership.current.is_some()).await;
    let refusal = node.propose(entry([9])).await.unwrap_err();
    let ProposeError::ForwardToLeader(named) = refusal else {
        panic!("{refusal}")
    };
    assert_eq!(
        named.server.address,
        cluster.addresses[&named.node_id].to_string()
    );

    cluster.running[&leader]
        .node
        .transfer_leader(follower)
        .await
        .unwrap();
    until(node, |leadership| leadership.leader).await;
    cluster.propose(1).await;
    cluster.converge(2).await;
}

#[tokio::test]
async fn nobody_reads_without_a_majority() {
    let mut cluster = Cluster::start(|settings| settings).await;
    cluster.propose(0).await;
    let leader = cluster.leader().await;
    for id in (1..=3).filter(|id| *id != leader) {
        cluster.stop(id).await;
    }
    // It may not know yet that it is alone; its state may be old all the same.
    let refusal = cluster.running[&leader].node.catch_up().await.unwrap_err();
    assert!(
        matches!(
            refusal,
            ReadError::NoLeader | ReadError::ForwardToLeader(_) | ReadError::Unanswered { .. }
        ),
        "{refusal}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_follower_that_is_behind_reads_when_it_has_applied_what_was_acknowledged() {
    let cluster = Cluster::start(|settings| settings).await;
    cluster.propose(0).await;
    let leader = cluster.leader().await;
    let follower = &cluster.running[&(1..=3).find(|id| *id != leader).unwrap()];
    until(&follower.node, |leadership| leadership.current.is_some()).await;
    follower.node.catch_up().await.unwrap();
    // As long as this is locked, the follower applies nothing.
    let (seen, (locked, held), (release, released)) = (
        Arc::clone(&follower.seen),
        std::sync::mpsc::channel(),
        std::sync::mpsc::channel(),
    );
    let holding = tokio::task::spawn_blocking(move || {
        let guard = seen.lock().unwrap();
        locked.send(()).unwrap();
        released.recv().unwrap();
        drop(guard);
    });
    held.recv().unwrap();
    cluster.propose(1).await;
    let mut reading = std::pin::pin!(follower.node.catch_up());
    // Enough for an answer from the leader, which is not enough.
    cluster.running[&leader].node.catch_up().await.unwrap();
    for _ in 0..100 {
        assert!(futures::poll!(&mut reading).is_pending());
        tokio::task::yield_now().await;
    }
    release.send(()).unwrap();
    reading.await.unwrap();
    assert_eq!(follower.seen.lock().unwrap().last(), Some(&1));
    holding.await.unwrap();
}

#[tokio::test]
async fn a_follower_that_was_away_too_long_is_sent_a_snapshot() {
    let mut cluster = Cluster::start(|settings| RaftSettings {
        storage: StorageLimits {
            snapshot_after_entries: 20,
            log_segment_bytes: 4 << 10,
            ..StorageLimits::default()
        },
        ..settings
    })
    .await;
    cluster.propose(0).await;
    let away = if cluster.leader().await == 3 { 2 } else { 3 };
    cluster.stop(away).await;
    let mut written = 1;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let leader = cluster.leader().await;
        if cluster.running[&leader].node.status().purged_index > Some(10) {
            break;
        }
        let status = cluster.running[&leader].node.status();
        assert!(tokio::time::Instant::now() < deadline, "{status:?}");
        cluster.propose(written).await;
        written += 1;
    }
    cluster.restart(away).await;
    cluster.converge(written).await;
    while cluster.running[&away].node.status().snapshot_index.is_none() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "it caught up without a snapshot"
        );
        sleep(Duration::from_millis(1)).await;
    }
}

/// Enough to take longer than many attempts on loopback.
const ENTRIES: u64 = 300;

#[tokio::test]
async fn a_dead_peer_costs_no_busy_loop() {
    let dialled = Arc::new(AtomicU64::new(0));
    let network = Counting {
        network: Host::system().network,
        dialled: Arc::clone(&dialled),
    };
    let host = Host {
        network: Arc::new(network),
        ..Host::system()
    };
    let mut cluster = Cluster::start_on(host, |settings| settings).await;
    cluster.propose(0).await;
    cluster.converge(1).await;
    let leader = cluster.leader().await;
    cluster.stop((1..=3).find(|id| *id != leader).unwrap()).await;
    cluster.propose(1).await;
    let before = dialled.load(Ordering::Relaxed);
    for entry in 2..2 + ENTRIES {
        cluster.propose(entry).await;
    }
    let attempts = dialled.load(Ordering::Relaxed) - before;
    // Heartbeats go by time, and entries share attempts with a growing back-off; a loop without a pause makes many for each.
    assert!(
        attempts < ENTRIES,
        "{attempts} attempts while {ENTRIES} entries were agreed on"
    );
}

/// The real network, counting attempts to connect.
struct Counting {
    network: Arc<dyn bosun_host::Network>,
    dialled: Arc<AtomicU64>,
}

#[tonic::async_trait]
impl bosun_host::Network for Counting {
    async fn listen(&self, address: SocketAddr) -> std::io::Result<Box<dyn bosun_host::Listener>> {
        self.network.listen(address).await
    }

    async fn connect(&self, address: &str) -> std::io::Result<bosun_host::Connection> {
        self.dialled.fetch_add(1, Ordering::Relaxed);
        self.network.connect(address).await
    }
}
