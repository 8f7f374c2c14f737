//! Three servers as processes of their own, with fresh data directories, and nodes that can be killed as a whole.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use bosun_client::{Client, Patience, ServerEntry};
use bosun_host::Host;
use tempfile::TempDir;

use crate::process::{Process, free_addresses, program};

/// How long anything may take to come up.
const START_MAX: Duration = Duration::from_secs(30);
/// The pause between two looks at what is awaited.
const LOOK: Duration = Duration::from_millis(10);
/// How long a client tries: longer than any failover.
const PATIENCE: Duration = Duration::from_secs(30);
/// A server is in step when the leader has heard it within this.
const HEARD_MAX: Duration = Duration::from_secs(1);
/// More than any load here puts on a node at once.
const PODS_MAX: &str = "1000";

/// Three servers; those that run end when dropped.
pub(crate) struct Trio {
    program: PathBuf,
    host: Host,
    /// Where each listens.
    pub(crate) addresses: Vec<String>,
    servers: Vec<Option<Process>>,
    directory: TempDir,
}

impl Trio {
    /// Starts them and waits until all three vote.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let host = Host::system();
        let mut trio = Self {
            program: program()?,
            addresses: free_addresses(&host, 3).await?,
            servers: (0..3).map(|_| None).collect(),
            directory: tempfile::tempdir().context("a temporary directory")?,
            host,
        };
        for server in 0..3 {
            trio.start_server(server)?;
        }
        trio.whole().await?;
        Ok(trio)
    }

    /// Starts a server that does not run, with the data it had.
    pub(crate) fn start_server(&mut self, server: usize) -> anyhow::Result<()> {
        let name = format!("server-{}", server + 1);
        let data = self.data_directory(&name);
        let (listen, servers) = (&self.addresses[server], self.addresses.join(","));
        let arguments = [
            "server",
            "--name",
            &name,
            "--data-dir",
            &data,
            "--listen",
            listen,
            "--servers",
            &servers,
        ];
        self.servers[server] = Some(Process::start(self.program.as_os_str(), &arguments)?);
        Ok(())
    }

    /// Kills a server and waits until its process is gone.
    pub(crate) fn kill_server(&mut self, server: usize) {
        if let Some(process) = self.servers[server].take() {
            process.kill();
        }
    }

    /// Starts a node as a machine of its own, with the data it had: the agent is the first process of a process namespace,
    /// so that killing it kills all that it started, in the same instant.
    pub(crate) fn start_node(&self, name: &str) -> anyhow::Result<Process> {
        let data = self.data_directory(name);
        let servers = self.addresses.join(",");
        let mut arguments = vec!["--pid", "--fork", "--kill-child", "--mount-proc"];
        if !rustix::process::geteuid().is_root() {
            arguments.extend(["--user", "--map-root-user"]);
        }
        arguments.push("--");
        let program = self.program.display().to_string();
        arguments.push(&program);
        arguments.extend(["agent", "--node-name", name, "--data-dir", &data]);
        arguments.extend(["--max-pods", PODS_MAX, "--server", &servers]);
        Process::start("unshare".as_ref(), &arguments)
    }

    /// A client that knows all servers and outlasts a failover.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let client = Client::new(&self.host, &self.addresses)?;
        Ok(client.with_patience(Patience(PATIENCE)))
    }

    /// Which server leads.
    pub(crate) async fn leader(&self) -> anyhow::Result<usize> {
        awaited("no server leads", async || {
            for server in 0..3 {
                if self.leads(server).await? {
                    return Ok(server);
                }
            }
            bail!("none says so")
        })
        .await
    }

    /// Resident memory of each server, in bytes.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<Vec<u64>> {
        self.servers
            .iter()
            .flatten()
            .map(Process::resident_bytes)
            .collect()
    }

    /// Waits until all three vote, are heard and have what the leader has.
    pub(crate) async fn whole(&self) -> anyhow::Result<()> {
        let in_step = |server: &&ServerEntry| {
            let heard = server.leader || server.heard.is_some_and(|ago| ago < HEARD_MAX);
            server.voter && heard && (server.leader || server.behind == Some(0))
        };
        awaited("the three servers did not get in step", async || {
            let leader = self.leader().await?;
            let listed = self.client_of(leader)?.servers().await?;
            if listed.servers.iter().filter(in_step).count() < 3 {
                bail!("they are {:?}", listed.servers);
            }
            Ok(())
        })
        .await
    }

    async fn leads(&self, server: usize) -> anyhow::Result<bool> {
        if self.servers[server].is_none() {
            return Ok(false);
        }
        let state = self.client_of(server)?.server_state().await;
        Ok(state.is_ok_and(|state| state.leader_id == Some(state.server_id)))
    }

    /// A client of this server alone.
    fn client_of(&self, server: usize) -> anyhow::Result<Client> {
        let address = std::slice::from_ref(&self.addresses[server]);
        Ok(Client::new(&self.host, address)?)
    }

    fn data_directory(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }
}

/// Looks again and again until the look succeeds.
///
/// # Errors
/// When it never does; with the last reason.
pub(crate) async fn awaited<T>(
    otherwise: &str,
    look: impl AsyncFn() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut last = anyhow::anyhow!("no look came to an end");
    let found = tokio::time::timeout(START_MAX, async {
        loop {
            match look().await {
                Ok(found) => return found,
                Err(error) => last = error,
            }
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
    found.map_err(|_| last.context(format!("{otherwise} within {START_MAX:?}")))
}
