//! Three servers and three nodes, and the ways to reach them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use bosun_client::{Client, Patience};
use bosun_host::Host;

use crate::container::{Compose, RECORDS};
use crate::faults::Needs;
use crate::machine::Machine;
use crate::network::Network;
use crate::processes::Processes;

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
    /// Where clients reach the servers.
    addresses: Vec<String>,
    made_of: Material,
    pub(crate) directory: PathBuf,
}

/// What the machines are made of. Outlives them.
enum Material {
    Processes(Network),
    Containers(Compose),
}

impl Cluster {
    /// Sets up machines made of processes below `directory` and starts their programs.
    pub(crate) fn of_processes(directory: &Path) -> Result<Self> {
        std::fs::create_dir(directory.join("records"))?;
        let network = Network::make();
        let machine = |name: String, number: u8| Processes::new(&network, directory, &name, number);
        let mut servers = numbered("server", SERVERS)
            .map(|(name, number)| machine(name, number))
            .collect::<Result<Vec<_>>>()?;
        let mut nodes = numbered("node", NODES)
            .map(|(name, number)| machine(name, 100 + number))
            .collect::<Result<Vec<_>>>()?;
        let address = |server: &Processes| format!("{}:{PORT}", server.address);
        let addresses: Vec<String> = servers.iter().map(address).collect();
        let list = addresses.join(",");
        for server in &mut servers {
            let arguments = format!(
                "server --name {name} --data-dir {data} --listen {address}:{PORT} --servers {list} \
                 --insecure-plaintext",
                name = server.name,
                data = server.data().display(),
                address = server.address,
            );
            std::fs::create_dir(server.data())?;
            server.set_arguments(words(&arguments));
        }
        for node in &mut nodes {
            let arguments = format!(
                "agent --node-name {name} --data-dir {data} --address {address} --server {list} \
                 --insecure-plaintext --max-pods 40",
                name = node.name,
                data = node.data().display(),
                address = node.address,
            );
            node.set_arguments(words(&arguments));
        }
        let mut cluster = Self {
            servers: servers.into_iter().map(Machine::Processes).collect(),
            nodes: nodes.into_iter().map(Machine::Processes).collect(),
            addresses,
            made_of: Material::Processes(network),
            directory: directory.to_owned(),
        };
        // The last server's disk is one that can be filled without harm to anybody else.
        cluster.on_small_disk(&format!("mount -t tmpfs -o size={SMALL_DISK} chaos ."))?;
        cluster.start_all()?;
        Ok(cluster)
    }

    /// Brings up the compose file in the root of the repository.
    pub(crate) fn of_containers(directory: &Path) -> Result<Self> {
        let records = directory.join("records");
        std::fs::create_dir(&records)?;
        let names =
            |what: &str, count: usize| numbered(what, count).map(|(name, _)| name).collect::<Vec<_>>();
        let (servers, nodes) = (names("server", SERVERS), names("node", NODES));
        let compose = Compose::up(directory, &records, &[servers.clone(), nodes.clone()].concat())?;
        let machine = |name: &String| Ok(Machine::Container(compose.container(name)?));
        Ok(Self {
            servers: servers.iter().map(machine).collect::<Result<_>>()?,
            nodes: nodes.iter().map(machine).collect::<Result<_>>()?,
            // The ports that the file publishes.
            addresses: (0..SERVERS)
                .map(|number| format!("127.0.0.1:{}", usize::from(PORT) + number))
                .collect(),
            made_of: Material::Containers(compose),
            directory: directory.to_owned(),
        })
    }

    /// Whether a fault is possible here.
    pub(crate) fn can(&self, needs: Needs) -> bool {
        match (&self.made_of, needs) {
            (_, Needs::Nothing)
            | (Material::Processes(_), Needs::Processes)
            | (Material::Containers(_), Needs::Network) => true,
            (Material::Processes(network), Needs::Network | Needs::Places) => network.has_links(),
            (Material::Containers(_), Needs::Processes | Needs::Places) => false,
        }
    }

    /// Where the records of containers are, as this test sees them.
    pub(crate) fn records(&self) -> PathBuf {
        self.directory.join("records")
    }

    /// The same, as the containers see them.
    pub(crate) fn records_inside(&self) -> PathBuf {
        match &self.made_of {
            Material::Processes(_) => self.records(),
            Material::Containers(_) => RECORDS.into(),
        }
    }

    /// Runs lines of shell in the data directory of the server whose disk can be filled, if there is one.
    pub(crate) fn on_small_disk(&self, script: &str) -> Result<()> {
        let Some(Machine::Processes(server)) = self.servers.last() else {
            return Ok(());
        };
        let script = format!("cd {}; {script}", server.data().display());
        server.place.iter().try_for_each(|place| place.shell(&script))
    }

    /// Starts whatever does not run.
    pub(crate) fn start_all(&mut self) -> Result<()> {
        self.servers
            .iter_mut()
            .chain(&mut self.nodes)
            .try_for_each(Machine::start)
    }

    /// A client of all servers.
    pub(crate) fn client(&self, patience: Duration) -> Client {
        client(&self.addresses, patience)
    }

    /// A client for each server that talks to no other.
    pub(crate) fn clients_of_one(&self, patience: Duration) -> Vec<(String, Client)> {
        let pinned = |(server, address): (&Machine, &String)| {
            let client = client(std::slice::from_ref(address), patience);
            (server.name().to_owned(), client)
        };
        self.servers.iter().zip(&self.addresses).map(pinned).collect()
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

    /// Copies what ends with this test to where it can be looked at.
    pub(crate) fn keep(&self) -> Result<()> {
        match &self.made_of {
            Material::Processes(_) => self
                .on_small_disk("cp -a . ../data-kept")
                .context("keep the small disk"),
            Material::Containers(compose) => {
                compose.keep_logs(&self.directory.join("compose.log"));
                Ok(())
            }
        }
    }

    /// The ends of all logs, for a report.
    pub(crate) fn log_ends(&self) -> String {
        let mut ends = Vec::new();
        for machine in self.servers.iter().chain(&self.nodes) {
            let log = self.directory.join(format!("{}.log", machine.name()));
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

/// `what-1`, `what-2` ... with their numbers.
fn numbered(what: &str, count: usize) -> impl Iterator<Item = (String, u8)> {
    (1..)
        .take(count)
        .map(move |number| (format!("{what}-{number}"), number))
}

fn client(addresses: &[String], patience: Duration) -> Client {
    let client = Client::new(&Host::system(), addresses).expect("addresses");
    client.with_patience(Patience(patience))
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}
