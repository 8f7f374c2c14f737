//! What can go wrong, one kind after the other in an order that the seed decides, and how each is undone.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use crate::cluster::{Cluster, NODES, SERVERS};
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

    /// What it needs of the machines.
    fn needs(self) -> Needs {
        match self {
            Self::DeafenLeader
            | Self::MuteLeader
            | Self::CutTwoServers
            | Self::DeafenNode
            | Self::SlowServer
            | Self::FullDisk => Needs::Places,
            Self::CutOffLeader | Self::CutOffNode => Needs::Network,
            Self::KillAgent | Self::PauseAgent => Needs::Processes,
            Self::KillLeader
            | Self::KillServer
            | Self::KillAllServers
            | Self::RestartStorm
            | Self::KillNode
            | Self::KillLeaderAndNode
            | Self::PauseLeader
            | Self::PauseNode => Needs::Nothing,
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

/// What the machines must be made of for a fault to be possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// Programs that can be hit one by one.
    Processes,
    /// Machines that can be taken off the network.
    Network,
    /// Links and disks of the test's own.
    Places,
}

/// The faults in the order in which they are made, without end: every kind once, then every kind again in another order.
pub(crate) struct Faults {
    random: Random,
    kinds: Vec<Fault>,
    coming: Vec<Fault>,
}

impl Faults {
    pub(crate) fn new(random: Random, cluster: &Cluster) -> Self {
        let possible = |fault: &Fault| cluster.can(fault.needs());
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
            cluster.servers[server].name(),
            cluster.nodes[node].name()
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
                    server.begin_kill();
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
            Fault::PauseLeader => cluster.servers[server].pause_program(),
            Fault::PauseAgent => cluster.nodes[node].pause_program(),
            Fault::PauseNode => cluster.nodes[node].freeze(),
            Fault::CutOffLeader => cut(cluster, server, Direction::Both)?,
            Fault::DeafenLeader => cut(cluster, server, Direction::ToIt)?,
            Fault::MuteLeader => cut(cluster, server, Direction::FromIt)?,
            Fault::CutTwoServers => {
                let other = (server + 1) % cluster.servers.len();
                let (one, two) = (&cluster.servers[server], &cluster.servers[other]);
                one.deafen(two)?;
                two.deafen(one)?;
            }
            Fault::CutOffNode | Fault::DeafenNode => {
                let node = &cluster.nodes[node];
                for server in &cluster.servers {
                    node.deafen(server)?;
                    if fault == Fault::CutOffNode {
                        server.deafen(node)?;
                    }
                }
                node.unplug();
            }
            Fault::SlowServer => cluster.servers[server].slow()?,
            Fault::FullDisk => cluster.on_small_disk("cat /dev/zero > filler || true")?,
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
    for other in machines.filter(|other| other.name() != cut_off.name()) {
        if direction != Direction::FromIt {
            cut_off.deafen(other)?;
        }
        if direction != Direction::ToIt {
            other.deafen(cut_off)?;
        }
    }
    cut_off.unplug();
    Ok(())
}

/// Undoes a fault.
fn end(fault: Fault, cluster: &mut Cluster, server: usize, node: usize) -> Result<()> {
    match fault {
        Fault::PauseLeader => cluster.servers[server].resume_program(),
        Fault::PauseAgent => cluster.nodes[node].resume_program(),
        Fault::PauseNode => cluster.nodes[node].thaw(),
        Fault::FullDisk => cluster.on_small_disk("rm -f filler")?,
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
    let mut machines = cluster.servers.iter().chain(&cluster.nodes);
    machines.try_for_each(crate::machine::Machine::heal)
}
