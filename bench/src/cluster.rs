//! A server and an agent as processes of their own, with fresh data directories.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use bosun_client::{Client, Query};
use bosun_host::Host;
use bosun_proto::Kind;
use bosun_proto::core_v1::Node;
use tempfile::TempDir;

/// More than any load here puts on the node at once.
const PODS_MAX: &str = "1000";
/// How long the cluster may take to come up.
const START_MAX: Duration = Duration::from_secs(20);

/// A running cluster; ends when dropped.
pub(crate) struct Cluster {
    server: Process,
    agent: Process,
    /// A client of it.
    pub(crate) client: Client,
    _directory: TempDir,
}

impl Cluster {
    /// Starts one and waits until its node is ready.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let program = program()?;
        let directory = tempfile::tempdir().context("a temporary directory")?;
        let host = Host::system();
        let address = free_address(&host).await?;
        let data = |name: &str| directory.path().join(name).display().to_string();
        let listen = address.to_string();
        let server = Process::start(
            &program,
            &["server", "--data-dir", &data("server"), "--listen", &listen],
        )?;
        let agent_arguments = [
            "agent",
            "--node-name",
            "bench",
            "--data-dir",
            &data("agent"),
            "--max-pods",
            PODS_MAX,
        ];
        let agent = Process::start(&program, &[&agent_arguments[..], &["--server", &listen]].concat())?;
        let client = Client::new(host.network.clone(), &[listen])?;
        let cluster = Self {
            server,
            agent,
            client,
            _directory: directory,
        };
        tokio::time::timeout(START_MAX, cluster.node_is_ready())
            .await
            .with_context(|| format!("the node was not ready within {START_MAX:?}"))??;
        Ok(cluster)
    }

    /// Resident memory of server and agent, in bytes.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<(u64, u64)> {
        Ok((self.server.resident_bytes()?, self.agent.resident_bytes()?))
    }

    async fn node_is_ready(&self) -> anyhow::Result<()> {
        loop {
            let nodes = self
                .client
                .list_as::<Node>(Query::new(Kind::Node, ""))
                .await
                .unwrap_or_default();
            let is_ready = |node: &Node| {
                let conditions = node.status.iter().flat_map(|status| &status.conditions);
                conditions
                    .into_iter()
                    .any(|condition| condition.r#type == "Ready" && condition.status == "True")
            };
            if nodes.iter().any(|node| is_ready(node)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

struct Process(Child);

impl Process {
    fn start(program: &PathBuf, arguments: &[&str]) -> anyhow::Result<Self> {
        let child = Command::new(program)
            .args(arguments)
            .env("BOSUN_LOG", "warn")
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("start {} {}", program.display(), arguments.join(" ")))?;
        Ok(Self(child))
    }
    fn resident_bytes(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.0.id());
        let status = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let kibibytes = status.lines().find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .split(' ')
                .next()?
                .parse()
                .ok()
        });
        kibibytes
            .map(|kibibytes: u64| kibibytes * 1024)
            .with_context(|| format!("{path} has no VmRSS"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left of it.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The program to measure: what `BOSUN_PROGRAM` names, else the build of `bosun` beside this program, brought up to date first.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("BOSUN_PROGRAM") {
        return Ok(named.into());
    }
    let beside = std::env::current_exe()?.with_file_name("bosun");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "-p", "bosun-cli"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    if !build.status().context("cargo build")?.success() {
        bail!("cargo could not build bosun");
    }
    Ok(beside)
}

async fn free_address(host: &Host) -> anyhow::Result<SocketAddr> {
    let listener = host.network.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    Ok(listener.address())
}
