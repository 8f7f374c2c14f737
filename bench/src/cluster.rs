//! A server and an agent as processes of their own, with fresh data directories.

use std::time::Duration;

use anyhow::Context;
use bosun_client::{Client, Query};
use bosun_host::Host;
use bosun_proto::Kind;
use bosun_proto::core_v1::Node;
use tempfile::TempDir;

use crate::process::{Process, free_addresses, program};

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
        let listen = free_addresses(&host, 1).await?.remove(0);
        let data = |name: &str| directory.path().join(name).display().to_string();
        let server = Process::start(
            program.as_os_str(),
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
        let agent = Process::start(
            program.as_os_str(),
            &[&agent_arguments[..], &["--server", &listen]].concat(),
        )?;
        let client = Client::new(&host, &[listen])?;
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
