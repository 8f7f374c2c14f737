//! Three servers and three nodes, and the ways to reach them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use bosun_client::{Client, Patience};
use bosun_host::Host;

use crate::machine::Machine;
use crate::network::{Network, run};

/// Servers; a majority of them is needed.
pub(crate) const SERVERS: usize = 3;
/// Nodes that run pods.
pub(crate) const NODES: usize = 3;
/// Every machine has an address of its own, so every server can have the same port.
const PORT: u16 = 7600;
/// The size of the one disk that is small enough to be filled.
const SMALL_DISK: &str = "512m";
/// How long one question to one server may take, when the answer is only used to choose.
const GLANCE: Duration = Duration::from_millis(700);

/// The machines of a run.
pub(crate) struct Cluster {
    pub(crate) servers: Vec<Machine>,
    pub(crate) nodes: Vec<Machine>,
    pub(crate) network: Network,
    pub(crate) directory: PathBuf,
}

impl Cluster {
    /// Sets up all machines below `directory` and starts their programs.
    pub(crate) fn start(directory: &Path) -> Result<Self> {
        let network = Network::make();
        let server = |number: u8| Machine::new(&network, directory, &format!("server-{number}"), number);
        let node = |number: u8| Machine::new(&network, directory, &format!("node-{number}"), 100 + number);
        let mut cluster = Self {
            servers: (1..).take(SERVERS).map(server).collect::<Result<_>>()?,
            nodes: (1..).take(NODES).map(node).collect::<Result<_>>()?,
            network,
            directory: directory.to_owned(),
        };
        let addresses = cluster.addresses().join(",");
        for server in &mut cluster.servers {
            let arguments = format!(
                "server --name {name} --data-dir {data} --listen {address}:{PORT} --servers {addresses} \
                 --insecure-plaintext",
                name = server.name,
                data = data_of(server).display(),
                address = server.address,
            );
            std::fs::create_dir(data_of(server))?;
            server.set_arguments(words(&arguments));
        }
        for node in &mut cluster.nodes {
            let arguments = format!(
                "agent --node-name {name} --data-dir {data} --address {address} --server {addresses} \
                 --insecure-plaintext --max-pods 40",
                name = node.name,
                data = data_of(node).display(),
                address = node.address,
            );
            node.set_arguments(words(&arguments));
        }
        cluster.make_a_small_disk()?;
        cluster.start_all()?;
        Ok(cluster)
    }

    /// The last server's disk is one that can be filled without harm to anybody else.
    fn make_a_small_disk(&self) -> Result<()> {
        let server = self.small_disk();
        let data = data_of(server);
        let Some(place) = &server.place else { return Ok(()) };
        place.shell(&format!(
            "mount -t tmpfs -o size={SMALL_DISK} chaos {data}",
            data = data.display()
        ))
    }

    /// The server whose disk can be filled.
    pub(crate) fn small_disk(&self) -> &Machine {
        self.servers.last().expect("there are servers")
    }

    /// Starts whatever does not run.
    pub(crate) fn start_all(&mut self) -> Result<()> {
        self.servers
            .iter_mut()
            .chain(&mut self.nodes)
            .try_for_each(Machine::start)
    }

    /// The addresses of all servers.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let address = |server: &Machine| format!("{}:{PORT}", server.address);
        self.servers.iter().map(address).collect()
    }

    /// A client of all servers.
    pub(crate) fn client(&self, patience: Duration) -> Client {
        client(&self.addresses(), patience)
    }

    /// A client for each server that talks to no other.
    pub(crate) fn clients_of_one(&self, patience: Duration) -> Vec<(String, Client)> {
        let pinned =
            |(server, address): (&Machine, String)| (server.name.clone(), client(&[address], patience));
        self.servers.iter().zip(self.addresses()).map(pinned).collect()
    }

    /// Which server leads, if one of them says so of itself.
    pub(crate) async fn leader(&self) -> Option<usize> {
        let mut leader = None;
        for (index, (_, client)) in self.clients_of_one(GLANCE).into_iter().enumerate() {
            if let Ok(Ok(state)) = tokio::time::timeout(GLANCE, client.server_state()).await
                && state.leader_id == Some(state.server_id)
                && leader.is_none_or(|(term, _)| state.term > term)
            {
                leader = Some((state.term, index));
            }
        }
        leader.map(|(_, index)| index)
    }

    /// Copies what lies on disks that end with this test to where it can be looked at.
    pub(crate) fn keep_small_disk(&self) -> Result<()> {
        let server = self.small_disk();
        let Some(place) = &server.place else { return Ok(()) };
        let kept = self.directory.join(format!("{}-data-kept", server.name));
        run(place.command("cp").arg("-a").args([data_of(server), kept])).context("keep the small disk")
    }

    /// The ends of all logs, for a report.
    pub(crate) fn log_ends(&self) -> String {
        let mut ends = Vec::new();
        for machine in self.servers.iter().chain(&self.nodes) {
            let log = self.directory.join(format!("{}.log", machine.name));
            let text = std::fs::read(&log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            ends.push(format!("--- {}", log.display()));
            let last = &lines[lines.len().saturating_sub(6)..];
            ends.extend(last.iter().map(|line| (*line).to_owned()));
        }
        ends.join(
            "
",
        )
    }
}

/// Where a machine's program keeps its data.
pub(crate) fn data_of(machine: &Machine) -> PathBuf {
    machine.directory.join("data")
}

fn client(addresses: &[String], patience: Duration) -> Client {
    let client = Client::new(Host::system().network, addresses).expect("addresses");
    client.with_patience(Patience(patience))
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}
