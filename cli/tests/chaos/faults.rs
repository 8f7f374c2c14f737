//! What can go wrong, one kind after the other in an order that the seed decides, and how each is undone.

use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;
use tokio::time::Instant;

use crate::cluster::{Cluster, NODES, SERVERS, data_of};
use crate::random::Random;
use crate::run::pass;

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// kill -9 of the leader.
    KillLeader,
    /// kill -9 of any server.
    KillServer,
    /// kill -9 of all servers at once.
    KillAllServers,
    /// kill -9 of servers again and again while they come up.
    RestartStorm,
    /// kill -9 of an agent; its containers run on.
    KillAgent,
    /// A node and everything on it is gone.
    KillNode,
    /// The leader and a node in the same instant.
    KillLeaderAndNode,
    /// The leader stands still and later goes on as if nothing had happened.
    PauseLeader,
    /// An agent stands still; its containers run on.
    PauseAgent,
    /// A node stands still with all its containers.
    PauseNode,
    /// Nobody hears the leader and it hears nobody.
    CutOffLeader,
    /// The leader hears nobody, but all hear it.
    DeafenLeader,
    /// The leader hears everybody, and no server hears it.
    MuteLeader,
    /// Two servers do not hear each other; both hear the third.
    CutTwoServers,
    /// A node is heard by nobody and hears nobody; its containers run on.
    CutOffNode,
    /// A node hears nobody, but is heard.
    DeafenNode,
    /// Everything that one server sends is late.
    SlowServer,
    /// The disk of one server is full.
    FullDisk,
}

impl Fault {
    const ALL: [Self; 18] = [
        Self::KillLeader,
        Self::KillServer,
        Self::KillAllServers,
        Self::RestartStorm,
        Self::KillAgent,
        Self::KillNode,
        Self::KillLeaderAndNode,
        Self::PauseLeader,
        Self::PauseAgent,
        Self::PauseNode,
        Self::CutOffLeader,
        Self::DeafenLeader,
        Self::MuteLeader,
        Self::CutTwoServers,
        Self::CutOffNode,
        Self::DeafenNode,
        Self::SlowServer,
        Self::FullDisk,
    ];

    /// Whether it needs links or disks of the test's own.
    fn needs_places(self) -> bool {
        match self {
            Self::CutOffLeader
            | Self::DeafenLeader
            | Self::MuteLeader
            | Self::CutTwoServers
            | Self::CutOffNode
            | Self::DeafenNode
            | Self::SlowServer
            | Self::FullDisk => true,
            Self::KillLeader
            | Self::KillServer
            | Self::KillAllServers
            | Self::RestartStorm
            | Self::KillAgent
            | Self::KillNode
            | Self::KillLeaderAndNode
            | Self::PauseLeader
            | Self::PauseAgent
            | Self::PauseNode => false,
        }
    }

    /// How long it lasts, shortest and longest, in seconds. A node is given up after ten: faults of nodes last until then or not.
    fn seconds(self) -> (u64, u64) {
        match self {
            Self::KillLeader | Self::KillServer | Self::KillAllServers => (0, 5),
            Self::RestartStorm | Self::SlowServer | Self::FullDisk => (4, 8),
            Self::KillAgent => (0, 3),
            Self::PauseLeader
            | Self::CutOffLeader
            | Self::DeafenLeader
            | Self::MuteLeader
            | Self::CutTwoServers => (1, 6),
            Self::KillNode | Self::KillLeaderAndNode => (2, 13),
            Self::PauseAgent | Self::PauseNode | Self::CutOffNode | Self::DeafenNode => (5, 14),
        }
    }
}

/// The faults in the order in which they are made, without end: every kind once, then every kind again in another order.
pub(crate) struct Faults {
    random: Random,
    kinds: Vec<Fault>,
    coming: Vec<Fault>,
}

impl Faults {
    pub(crate) fn new(random: Random, has_places: bool) -> Self {
        let possible = |fault: &Fault| has_places || !fault.needs_places();
        Self {
            random,
            kinds: Fault::ALL.into_iter().filter(possible).collect(),
            coming: Vec::new(),
        }
    }

    fn next(&mut self) -> Fault {
        if self.coming.is_empty() {
            self.coming.clone_from(&self.kinds);
            self.random.shuffle(&mut self.coming);
        }
        self.coming.pop().expect("there are kinds of faults")
    }

    /// Makes one fault and undoes it. What it did, in one line.
    pub(crate) async fn make_one(&mut self, cluster: &mut Cluster) -> Result<String> {
        let fault = self.next();
        let server = match cluster.leader().await {
            Some(leader) if fault != Fault::KillServer => leader,
            _ => self.random.below(SERVERS),
        };
        let node = self.random.below(NODES);
        let (shortest, longest) = fault.seconds();
        let length = self
            .random
            .span(Duration::from_secs(shortest), Duration::from_secs(longest));
        let what = format!(
            "{fault:?} for {:.1} s ({}, {})",
            length.as_secs_f32(),
            cluster.servers[server].name,
            cluster.nodes[node].name
        );
        eprintln!("chaos: {what}");
        self.begin(fault, cluster, server, node, length).await?;
        end(fault, cluster, server, node)?;
        Ok(what)
    }

    /// Makes a fault and lets it last.
    async fn begin(
        &mut self,
        fault: Fault,
        cluster: &mut Cluster,
        server: usize,
        node: usize,
        length: Duration,
    ) -> Result<()> {
        match fault {
            Fault::KillLeader | Fault::KillServer => cluster.servers[server].kill(),
            Fault::KillAllServers => {
                for server in &mut cluster.servers {
                    server.signal(Signal::KILL);
                }
                for server in &mut cluster.servers {
                    server.kill();
                }
            }
            Fault::RestartStorm => return self.restart_storm(cluster, length).await,
            Fault::KillAgent => cluster.nodes[node].kill(),
            Fault::KillNode => cluster.nodes[node].power_off(),
            Fault::KillLeaderAndNode => {
                cluster.nodes[node].freeze();
                cluster.servers[server].kill();
                cluster.nodes[node].power_off();
            }
            Fault::PauseLeader => cluster.servers[server].signal(Signal::STOP),
            Fault::PauseAgent => cluster.nodes[node].signal(Signal::STOP),
            Fault::PauseNode => cluster.nodes[node].freeze(),
            Fault::CutOffLeader => cut(cluster, server, Direction::Both)?,
            Fault::DeafenLeader => cut(cluster, server, Direction::ToIt)?,
            Fault::MuteLeader => cut(cluster, server, Direction::FromIt)?,
            Fault::CutTwoServers => {
                let other = (server + 1) % cluster.servers.len();
                let (one, two) = (&cluster.servers[server], &cluster.servers[other]);
                if let (Some(place), Some(other_place)) = (&one.place, &two.place) {
                    place.deafen(two.address)?;
                    other_place.deafen(one.address)?;
                }
            }
            Fault::CutOffNode | Fault::DeafenNode => {
                let node = &cluster.nodes[node];
                for server in &cluster.servers {
                    node.place
                        .iter()
                        .try_for_each(|place| place.deafen(server.address))?;
                    if fault == Fault::CutOffNode {
                        server
                            .place
                            .iter()
                            .try_for_each(|place| place.deafen(node.address))?;
                    }
                }
            }
            Fault::SlowServer => {
                let place = &cluster.servers[server].place;
                place.iter().try_for_each(crate::network::Holder::slow)?;
            }
            Fault::FullDisk => {
                let server = cluster.small_disk();
                let script = format!("cat /dev/zero > {}/filler || true", data_of(server).display());
                server.place.iter().try_for_each(|place| place.shell(&script))?;
            }
        }
        pass(length).await;
        Ok(())
    }

    async fn restart_storm(&mut self, cluster: &mut Cluster, length: Duration) -> Result<()> {
        let end = Instant::now() + length;
        while Instant::now() < end {
            let server = self.random.below(SERVERS);
            cluster.servers[server].kill();
            pass(self.random.span(Duration::ZERO, Duration::from_millis(600))).await;
            cluster.servers[server].start()?;
        }
        Ok(())
    }
}

/// Which of the messages between a server and all other machines are lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToIt,
    FromIt,
    Both,
}

/// Clients still reach it: they shall meet the server that does not know better.
fn cut(cluster: &Cluster, server: usize, direction: Direction) -> Result<()> {
    let cut_off = &cluster.servers[server];
    let machines = cluster.servers.iter().chain(&cluster.nodes);
    for other in machines.filter(|other| other.name != cut_off.name) {
        if direction != Direction::FromIt {
            cut_off
                .place
                .iter()
                .try_for_each(|place| place.deafen(other.address))?;
        }
        if direction != Direction::ToIt {
            other
                .place
                .iter()
                .try_for_each(|place| place.deafen(cut_off.address))?;
        }
    }
    Ok(())
}

/// Undoes a fault.
fn end(fault: Fault, cluster: &mut Cluster, server: usize, node: usize) -> Result<()> {
    match fault {
        Fault::PauseLeader => cluster.servers[server].signal(Signal::CONT),
        Fault::PauseAgent => cluster.nodes[node].signal(Signal::CONT),
        Fault::PauseNode => cluster.nodes[node].thaw(),
        Fault::FullDisk => {
            let server = cluster.small_disk();
            let script = format!("rm -f {}/filler", data_of(server).display());
            server.place.iter().try_for_each(|place| place.shell(&script))?;
        }
        Fault::CutOffLeader
        | Fault::DeafenLeader
        | Fault::MuteLeader
        | Fault::CutTwoServers
        | Fault::CutOffNode
        | Fault::DeafenNode
        | Fault::SlowServer => heal_links(cluster)?,
        Fault::KillLeader
        | Fault::KillServer
        | Fault::KillAllServers
        | Fault::RestartStorm
        | Fault::KillAgent
        | Fault::KillNode
        | Fault::KillLeaderAndNode => {}
    }
    cluster.start_all()
}

fn heal_links(cluster: &Cluster) -> Result<()> {
    let machines = cluster.servers.iter().chain(&cluster.nodes);
    machines
        .filter_map(|machine| machine.place.as_ref())
        .try_for_each(crate::network::Holder::heal)
}
