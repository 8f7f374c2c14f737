//! Owns `bosun server`: one server of the control plane.

use crate::embedded::{check_directory, parse_listen};
use crate::session::{DEFAULT_SERVER, Session};
use crate::signals::Stop;
use anyhow::{Result, anyhow};
use bosun_client::endpoint;
use bosun_control_plane::{Config, NodeSettings, Server};
use clap::Args as ClapArgs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The arguments of `server`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Where log and snapshots are kept [default: $XDG_DATA_HOME/bosun/server or ~/.local/share/bosun/server]
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = DEFAULT_SERVER, value_parser = parse_listen)]
    listen: SocketAddr,
    /// The server's name, unlike that of any other server of the cluster [default: as the data directory has it, or server-1]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where the other servers reach this one [default: the address it listens on]
    #[arg(long, value_name = "HOST:PORT", value_parser = parse_address)]
    advertise: Option<String>,
    /// Where all servers of the cluster are, the same list for each; with an empty data directory the server joins their
    /// cluster, or helps to form one [default: a cluster of this server alone]
    #[arg(long, value_name = "ADDRESSES", value_parser = parse_servers)]
    servers: Option<Servers>,
    /// Serve other machines although connections are not encrypted
    #[arg(long)]
    insecure_plaintext: bool,
    /// How often agents say that they live
    #[arg(long, value_name = "SPAN", default_value = "500ms", value_parser = crate::duration::parse)]
    heartbeat_interval: Duration,
    /// A node unheard for so long is not ready
    #[arg(long, value_name = "SPAN", default_value = "3s", value_parser = crate::duration::parse)]
    not_ready_after: Duration,
    /// How long an agent without an answer may run pods that must not exist twice
    #[arg(long, value_name = "SPAN", default_value = "8s", value_parser = crate::duration::parse)]
    lease: Duration,
    /// Such pods of a node unheard for so long are replaced
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = crate::duration::parse)]
    lost_after: Duration,
}

/// A list of addresses, as one argument.
#[derive(Clone, Debug, Default)]
struct Servers(Vec<String>);

fn parse_servers(text: &str) -> Result<Servers, String> {
    let servers = endpoint::parse_addresses(text).map_err(|error| error.to_string())?;
    let mut seen = std::collections::BTreeSet::new();
    match servers.iter().find(|server| !seen.insert(server.as_str())) {
        Some(twice) => Err(format!("{twice} is named twice")),
        None => Ok(Servers(servers)),
    }
}

fn parse_address(text: &str) -> Result<String, String> {
    match endpoint::parse_addresses(text) {
        Ok(mut addresses) if addresses.len() == 1 => Ok(addresses.remove(0)),
        Ok(_) => Err("name one address".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs the server until SIGINT or SIGTERM.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    let default = session
        .environment
        .data_home
        .as_ref()
        .map(|home| home.join("server"));
    let config = Config {
        name: args.name,
        advertise: args.advertise,
        servers: args.servers.unwrap_or_default().0,
        insecure_plaintext: args.insecure_plaintext,
        nodes: NodeSettings {
            heartbeat_interval: args.heartbeat_interval,
            not_ready_after: args.not_ready_after,
            lease: args.lease,
            lost_after: args.lost_after,
        },
        ..Config::new(check_directory(args.data_dir, default)?, args.listen)
    };
    let stop = Stop::listen();
    let server = tokio::select! {
        server = Server::start(config, session.host.clone()) => server?,
        // It may wait for other servers.
        () = stop.wished() => return Ok(()),
    };
    crate::output::terminal::print_line(&format!("listening on {}", server.address()))?;
    tokio::select! {
        why = server.failed() => Err(anyhow!("the server cannot go on: {why}")),
        () = stop.wished() => {
            server.stop().await;
            Ok(())
        }
    }
}
