//! Owns the embedded cluster: one server and one agent in this process, the same code as `bosun server` and `bosun agent`,
//! joined by real connections on loopback.

use anyhow::{Context as _, Result, anyhow, bail};
use bosun_client::{Client, Query};
use bosun_control_plane::Server;
use bosun_core::kinds;
use bosun_host::Host;
use bosun_node_agent::AgentError;
use bosun_node_agent::runtime::supervisor::{Lifetime, SupervisedRuntime, own_program};
use bosun_proto::Kind;
use bosun_proto::Resource as _;
use bosun_proto::core_v1::Node;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The name of the one node.
const NODE_NAME: &str = "node-1";
/// How long the node may take to be ready.
const READY_TIMEOUT: Duration = Duration::from_secs(20);
/// The pause between two looks whether the server leads.
const LEADER_PAUSE: Duration = Duration::from_millis(5);
/// How long the agent may take to end its containers before the program ends anyway.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);

/// Where and how an embedded cluster runs.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where everything is kept.
    pub(crate) data_directory: PathBuf,
    /// Where it can be reached; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// Listen on an address that other machines can reach.
    pub(crate) insecure_plaintext: bool,
    /// How long containers live when this process dies without a word.
    pub(crate) containers: Lifetime,
}

/// A running embedded cluster.
pub(crate) struct Embedded {
    server: Server,
    agent: JoinHandle<Result<(), AgentError>>,
    shutdown: CancellationToken,
}

impl Embedded {
    /// Starts server and agent, and returns when the server leads. The node may not be ready yet.
    pub(crate) async fn start(host: &Host, settings: Settings) -> Result<Self> {
        let directory = &settings.data_directory;
        let config = bosun_control_plane::Config {
            insecure_plaintext: settings.insecure_plaintext,
            ..bosun_control_plane::Config::new(directory.join("server"), settings.listen)
        };
        let server = Server::start(config, host.clone()).await?;
        led(host, reachable(server.address())).await?;
        let shutdown = CancellationToken::new();
        let agent_directory = directory.join("agent");
        let servers = vec![reachable(server.address()).to_string()];
        let agent = bosun_node_agent::Config {
            shutdown: shutdown.clone(),
            ..bosun_node_agent::Config::new(NODE_NAME, servers, agent_directory.clone())
        };
        let supervisor = own_program(host.clone(), &agent_directory);
        let runtime = SupervisedRuntime::new(host.clone(), &agent_directory, supervisor, settings.containers);
        let agent = tokio::spawn(bosun_node_agent::run(agent, host.clone(), runtime));
        Ok(Self {
            server,
            agent,
            shutdown,
        })
    }

    /// The address to talk to.
    pub(crate) fn address(&self) -> SocketAddr {
        reachable(self.server.address())
    }

    /// Waits until the node takes pods.
    pub(crate) async fn ready(&mut self, client: &Client) -> Result<()> {
        let ready = async {
            let mut nodes = client.follow(Query::new(Kind::Node, "").named(NODE_NAME));
            loop {
                nodes.next().await?;
                if nodes
                    .known()
                    .values()
                    .filter_map(Node::from_object)
                    .any(|node| kinds::node::takes_pods(node))
                {
                    return anyhow::Ok(());
                }
            }
        };
        tokio::select! {
            ready = tokio::time::timeout(READY_TIMEOUT, ready) => ready
                .map_err(|_| anyhow!("the node was not ready within {} s; run with -v to see why", READY_TIMEOUT.as_secs()))?
                .context("the cluster does not answer"),
            why = Self::failed_parts(&self.server, &mut self.agent) => Err(why),
        }
    }

    /// Waits until server or agent cannot go on; why.
    pub(crate) async fn failed(&mut self) -> anyhow::Error {
        Self::failed_parts(&self.server, &mut self.agent).await
    }

    async fn failed_parts(server: &Server, agent: &mut JoinHandle<Result<(), AgentError>>) -> anyhow::Error {
        tokio::select! {
            why = server.failed() => anyhow!("the server cannot go on: {why}"),
            ended = agent => match ended {
                Ok(Ok(())) => anyhow!("the agent ended"),
                Ok(Err(error)) => anyhow::Error::from(error).context("the agent cannot go on"),
                Err(panic) => anyhow!("the agent ended by a defect: {panic}"),
            },
        }
    }

    /// Ends the containers, then agent and server.
    pub(crate) async fn stop(self) -> Result<()> {
        self.shutdown.cancel();
        let ended = if self.agent.is_finished() {
            Ok(())
        } else {
            match tokio::time::timeout(STOP_TIMEOUT, self.agent).await {
                Ok(Ok(Ok(()))) => Ok(()),
                Ok(Ok(Err(error))) => Err(error.into()),
                Ok(Err(panic)) => Err(anyhow!("the agent ended by a defect: {panic}")),
                Err(_) => Err(anyhow!(
                    "the agent did not end within {} s",
                    STOP_TIMEOUT.as_secs()
                )),
            }
        };
        self.server.stop().await;
        ended
    }
}

/// Waits until the server leads, so that the agent is not turned away at first.
async fn led(host: &Host, address: SocketAddr) -> Result<()> {
    let client = Client::new(host, &[address.to_string()])?;
    let leads = async {
        while client.server_state().await?.leader_id.is_none() {
            tokio::time::sleep(LEADER_PAUSE).await;
        }
        anyhow::Ok(())
    };
    let led = tokio::time::timeout(READY_TIMEOUT, leads).await;
    led.map_err(|_| {
        anyhow!(
            "the server did not take the lead within {} s; run with -v to see why",
            READY_TIMEOUT.as_secs()
        )
    })?
}

/// An address that can be dialled: listening on all addresses includes loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Reads a listening address. For clap's `value_parser`.
pub(crate) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!(
            "{text:?} is not an address; write IP:PORT, for example 127.0.0.1:7600 (port 0 takes a free one)"
        )
    })
}

/// Refuses a data directory that cannot be meant.
pub(crate) fn check_directory(directory: Option<PathBuf>, default: Option<PathBuf>) -> Result<PathBuf> {
    match directory.or(default) {
        Some(directory) if directory.as_os_str().is_empty() => bail!("--data-dir is empty; name a directory"),
        Some(directory) => Ok(directory),
        None => bail!("neither HOME nor XDG_DATA_HOME is set; name a directory with --data-dir"),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_listen, reachable};

    #[test]
    fn listening_everywhere_is_reached_on_loopback() {
        let dialled = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(dialled("0.0.0.0:7600"), "127.0.0.1:7600");
        assert_eq!(dialled("[::]:7600"), "[::1]:7600");
        assert_eq!(dialled("10.0.0.1:7600"), "10.0.0.1:7600");
        assert!(parse_listen("7600").unwrap_err().contains("IP:PORT"));
    }
}
