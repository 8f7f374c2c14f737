//! Whole servers that form a cluster, join, are replaced and leave: the real ones, over a network and disks in memory, in
//! tokio's paused time.

use std::collections::BTreeMap;
use std::time::Duration;

use bosun_core::state::{Outcome, Write, encode_snapshot};
use bosun_host::WallTime;
use bosun_host::testing::SimulatedDisk;
use bosun_proto::core_v1::Namespace;
use bosun_proto::meta_v1::ObjectMeta;
use tokio::time::{sleep, timeout};

use super::*;
use crate::cluster::verbs::{self, Refused};
use crate::raft::{Leadership, ProposeError};

/// In paused time; whoever waits so long waits in vain.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// Servers by name, with disks that outlive them.
struct World {
    network: TestNetwork,
    disks: BTreeMap<String, SimulatedDisk>,
    running: BTreeMap<String, Server>,
    written: u32,
}

use crate::test_network::TestNetwork;

fn address(name: &str) -> String {
    let number = name.bytes().map(u32::from).sum::<u32>() % 250;
    format!("10.0.0.{number}:7600")
}

fn list(names: &str) -> Vec<String> {
    names.split_whitespace().map(address).collect()
}

impl World {
    fn new() -> Self {
        Self {
            network: TestNetwork::default(),
            disks: BTreeMap::new(),
            running: BTreeMap::new(),
            written: 0,
        }
    }

    /// Servers `a`, `b` and `c`, which have formed a cluster.
    async fn of_three() -> Self {
        let mut world = Self::new();
        let starts = ["a", "b", "c"].map(|name| world.begin(name, "a b c"));
        for (name, server) in ["a", "b", "c"]
            .iter()
            .zip(futures::future::join_all(starts).await)
        {
            world.running.insert((*name).to_owned(), server.unwrap());
        }
        world.until_voters("a b c").await;
        world
    }

    fn config(name: &str, servers: &str) -> Config {
        Config {
            name: Some(name.to_owned()),
            servers: list(servers),
            insecure_plaintext: true,
            ..Config::new("/data", address(name).parse().unwrap())
        }
    }

    /// Starts a server on its disk, which is empty at first.
    fn begin(
        &mut self,
        name: &str,
        servers: &str,
    ) -> impl Future<Output = Result<Server, ServerError>> + use<> {
        self.begin_with(name, Self::config(name, servers))
    }

    fn begin_with(
        &mut self,
        disk: &str,
        config: Config,
    ) -> impl Future<Output = Result<Server, ServerError>> + use<> {
        let (mut host, fresh) = bosun_host::testing::host(self.disks.len() as u64, WallTime::UNIX_EPOCH);
        let disk = self.disks.entry(disk.to_owned()).or_insert(fresh);
        host.disk = Arc::new(disk.clone());
        let advertised = config.advertised(config.listen).unwrap();
        host.network = self.network.at(&advertised);
        Server::start(config, host)
    }

    async fn start(&mut self, name: &str, servers: &str) {
        let server = timeout(PATIENCE, self.begin(name, servers))
            .await
            .unwrap()
            .unwrap();
        self.running.insert(name.to_owned(), server);
    }

    async fn stop(&mut self, name: &str) {
        self.running.remove(name).unwrap().stop().await;
    }

    fn leadership(&self, name: &str) -> Leadership {
        self.running[name].replica.leadership().borrow().clone()
    }

    fn leader(&self) -> Option<String> {
        let leads = |name: &&String| self.leadership(name).leader;
        self.running.keys().find(leads).cloned()
    }

    fn follower(&self) -> String {
        let leader = self.leader().unwrap();
        self.running.keys().find(|name| **name != leader).unwrap().clone()
    }

    async fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let waited = timeout(PATIENCE, async {
            while !holds(self) {
                sleep(LOOK).await;
            }
        });
        assert!(waited.await.is_ok(), "in vain: {what}");
    }

    /// Waits until every running server has exactly these voters and no learner.
    async fn until_voters(&self, names: &str) {
        self.until(&format!("voters {names}"), |world| {
            world.running.values().all(|server| {
                let members = server.replica.node().members();
                let mut voters: Vec<&str> = members
                    .voters()
                    .map(|member| member.server.name.as_str())
                    .collect();
                voters.sort_unstable();
                members.settled
                    && voters == names.split_whitespace().collect::<Vec<_>>()
                    && members.servers.len() == voters.len()
            })
        })
        .await;
    }

    /// Has an object written by whoever leads.
    async fn write(&mut self) {
        self.written += 1;
        let name = format!("written-{}", self.written);
        let object = Namespace {
            metadata: Some(ObjectMeta {
                uid: name.clone(),
                name,
                ..ObjectMeta::default()
            }),
            ..Namespace::default()
        };
        let written = timeout(PATIENCE, async {
            loop {
                if let Some(leader) = self.leader() {
                    let write = Write::Create(object.clone().into());
                    match self.running[&leader].replica.propose(vec![write]).await {
                        Ok(Outcome::Applied(_)) => return,
                        Ok(Outcome::Rejected(rejection)) => panic!("{rejection:?}"),
                        Err(ProposeError::NoLeader | ProposeError::ForwardToLeader(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                sleep(LOOK).await;
            }
        });
        written.await.expect("a leader takes it");
    }

    /// Has a server removed by whoever leads.
    async fn remove(&self, name: &str) {
        loop {
            self.until("a leader", |world| world.leader().is_some()).await;
            let leader = self.leader().unwrap();
            match verbs::remove(&self.running[&leader].replica, name, 0).await {
                Ok(_) => return,
                Err(Refused::NotLeader(Some(_))) => {}
                Err(refused) => panic!("{refused:?}"),
            }
        }
    }

    fn state(&self, name: &str) -> Vec<u8> {
        let mut state = Vec::new();
        encode_snapshot(&self.running[name].replica.snapshot(), &mut state).unwrap();
        state
    }

    /// Waits until all that run hold the same state, with all that was written in it.
    async fn until_equal(&self) {
        self.until("equal states", |world| {
            let states: Vec<Vec<u8>> = world.running.keys().map(|name| world.state(name)).collect();
            let last = format!("written-{}", world.written);
            let has_last = |server: &Server| {
                world.written == 0 || server.replica.snapshot().find::<Namespace>("", &last).is_some()
            };
            states.windows(2).all(|pair| pair[0] == pair[1]) && world.running.values().all(has_last)
        })
        .await;
    }

    fn number(&self, name: &str) -> u64 {
        self.running[name].replica.node().status().node_id
    }
}

fn refusal(server: Result<Server, ServerError>) -> String {
    server.err().expect("it is refused").to_string()
}

#[tokio::test(start_paused = true)]
async fn three_servers_form_one_cluster_and_hold_one_state() {
    let mut world = World::of_three().await;
    world.write().await;
    world.until_equal().await;
    // All at once gone and back, on the same disks.
    for name in ["a", "b", "c"] {
        world.stop(name).await;
    }
    for name in ["c", "b", "a"] {
        world.start(name, "a b c").await;
    }
    world.write().await;
    world.until_equal().await;
    assert_eq!(world.number("a"), 1);
}

#[tokio::test(start_paused = true)]
async fn no_cluster_is_formed_and_nothing_is_written_while_one_of_the_list_is_missing() {
    let mut world = World::new();
    let (a, b) = (world.begin("a", "a b c"), world.begin("b", "a b c"));
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let waited = timeout(PATIENCE, futures::future::select(&mut a, &mut b)).await;
    assert!(waited.is_err(), "one of them formed a cluster");
    let c = world.begin("c", "a b c");
    let (a, b, c) = tokio::join!(a, b, c);
    for (name, server) in [("a", a), ("b", b), ("c", c)] {
        world.running.insert(name.into(), server.unwrap());
    }
    world.until_voters("a b c").await;
    world.write().await;
    world.until_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_founder_left_alone_takes_no_writes_until_the_majority_is_back() {
    let mut world = World::new();
    // The others answer that they have no cluster, and are gone before they can join.
    let mut a = Box::pin(world.begin("a", "a b c"));
    let mut others = Box::pin(futures::future::join(
        world.begin("b", "a b c"),
        world.begin("c", "a b c"),
    ));
    let a = tokio::select! {
        a = &mut a => a.unwrap(),
        _ = &mut others => panic!("they joined before the founder served"),
    };
    for name in ["b", "c"] {
        world.network.cut_off(&address(name));
    }
    world.running.insert("a".into(), a);
    world.until("a leads", |world| world.leadership("a").leader).await;
    let write = || Write::Create(Namespace::default().into());
    for _ in 0..100 {
        let refused = world.running["a"].replica.propose(vec![write()]).await;
        assert!(matches!(refused, Err(ProposeError::NoLeader)), "{refused:?}");
        sleep(LOOK).await;
    }
    world.network.heal();
    let (b, c) = others.await;
    world.running.insert("b".into(), b.unwrap());
    world.running.insert("c".into(), c.unwrap());
    world.write().await;
    world.until_equal().await;
}

#[tokio::test(start_paused = true)]
async fn lists_and_names_that_cannot_be_meant_are_refused() {
    let mut world = World::new();
    let (a, b) = (world.begin("a", "a b"), world.begin("b", "b a"));
    let (a, b) = (Box::pin(a), Box::pin(b));
    let refused = match futures::future::select(a, b).await {
        futures::future::Either::Left((first, _)) | futures::future::Either::Right((first, _)) => {
            refusal(first)
        }
    };
    assert!(refused.contains("the same list, in the same order"), "{refused}");

    let mut world = World::new();
    let unnamed = Config {
        name: None,
        ..World::config("a", "a b")
    };
    let refused = refusal(world.begin_with("a", unnamed).await);
    assert!(refused.contains("--name"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_directory_belongs_to_its_server() {
    let mut world = World::new();
    world.start("a", "a").await;
    world.write().await;
    world.stop("a").await;
    let other = Config {
        listen: address("b").parse().unwrap(),
        ..World::config("b", "b")
    };
    let refused = refusal(world.begin_with("a", other).await);
    assert!(refused.contains("belongs to server a (number 1"), "{refused}");
    // Without a name it is who it was.
    let unnamed = Config {
        name: None,
        ..World::config("a", "")
    };
    let server = world.begin_with("a", unnamed).await.unwrap();
    world.running.insert("a".into(), server);
    world.write().await;
    world.stop("a").await;
    // Without its log it has forgotten its votes.
    let disk: &dyn bosun_host::Disk = &world.disks["a"];
    disk.remove_directory("/data/raft/log".as_ref()).unwrap();
    let refused = refusal(world.begin("a", "a").await);
    assert!(
        refused.contains("missing") && refused.contains("joins anew"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dead_server_is_replaced_under_its_name_and_a_living_one_is_not() {
    let mut world = World::of_three().await;
    world.write().await;
    let (victim, before) = (world.follower(), 3);
    let number = world.number(&victim);
    let twin = Config {
        advertise: Some(address("d")),
        listen: address("d").parse().unwrap(),
        ..World::config(&victim, "a b c")
    };
    let refused = refusal(world.begin_with("d", twin).await);
    assert!(refused.contains("is alive at"), "{refused}");

    world.stop(&victim).await;
    world.disks.remove(&victim);
    world.start(&victim, "a b c").await;
    world.until_voters("a b c").await;
    assert!(
        world.number(&victim) > number.max(before),
        "a number is not used twice"
    );
    world.write().await;
    world.until_equal().await;
    // The new one counts: with another one gone, writing goes on.
    let other = ["a", "b", "c"].into_iter().find(|name| *name != victim).unwrap();
    world.stop(other).await;
    world.write().await;
    world.until_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_server_stops_by_itself_and_does_not_come_back_on_its_directory() {
    let mut world = World::of_three().await;
    let leader = world.leader().unwrap();
    // The leader itself: it hands over first.
    world.remove(&leader).await;
    assert_ne!(world.leader(), Some(leader.clone()));
    let why = timeout(PATIENCE, world.running[&leader].failed()).await.unwrap();
    assert!(
        why.contains("was removed from the cluster") && why.contains("move its data directory"),
        "{why}"
    );
    world.stop(&leader).await;
    world.write().await;
    world.until_equal().await;
    let before = world.network.dialled(&address(&leader));
    sleep(Duration::from_secs(30)).await;
    assert_eq!(
        world.network.dialled(&address(&leader)),
        before,
        "somebody still calls it"
    );

    let refused = refusal(world.begin(&leader, "a b c").await);
    assert!(refused.contains("was removed from the cluster"), "{refused}");
    world.disks.remove(&leader);
    world.start(&leader, "a b c").await;
    world.until_voters("a b c").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_away_when_it_was_removed_learns_of_it() {
    let mut world = World::of_three().await;
    let (leader, victim) = (world.leader().unwrap(), world.follower());
    world.stop(&victim).await;
    world.remove(&victim).await;
    world.start(&victim, "a b c").await;
    let why = timeout(PATIENCE, world.running[&victim].failed()).await.unwrap();
    assert!(why.contains("was removed from the cluster"), "{why}");
    let leadership = world.leadership(&leader);
    assert!(leadership.leader, "it disturbed the leader");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_moved_is_found_where_it_is() {
    let mut world = World::of_three().await;
    let moved = world.follower();
    world.stop(&moved).await;
    world.write().await;
    let elsewhere = Config {
        listen: address("z").parse().unwrap(),
        ..World::config(&moved, "a b c")
    };
    let server = world.begin_with(&moved, elsewhere).await.unwrap();
    world.running.insert(moved.clone(), server);
    world
        .until("its address is known", |world| {
            world.running.values().all(|server| {
                let members = server.replica.node().members();
                members
                    .servers
                    .iter()
                    .any(|member| member.server.name == moved && member.server.address == address("z"))
            })
        })
        .await;
    world.until_equal().await;
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_was_cut_off_does_not_depose_the_leader() {
    let mut world = World::of_three().await;
    world.write().await;
    world.until_equal().await;
    let (leader, follower) = (world.leader().unwrap(), world.follower());
    let before = world.leadership(&leader);
    world.network.cut_off(&address(&follower));
    // Many election timeouts.
    for _ in 0..20 {
        world.write().await;
        sleep(Duration::from_secs(1)).await;
    }
    world.network.heal();
    world.until_equal().await;
    sleep(Duration::from_secs(5)).await;
    let after = world.leadership(&leader);
    assert_eq!((after.leader, after.term), (true, before.term));
    assert_eq!(after.since, before.since, "it led without a break");
}
