//! Owns `bosun server`: one server of the control plane.

use crate::embedded::{check_directory, parse_listen};
use crate::session::{DEFAULT_SERVER, Session};
use crate::signals::Stop;
use anyhow::{Result, anyhow};
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
    /// The server's number, unlike that of any other server of the cluster
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    id: u64,
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

/// Runs the server until SIGINT or SIGTERM.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    let default = session
        .environment
        .data_home
        .as_ref()
        .map(|home| home.join("server"));
    let config = Config {
        server_id: args.id,
        name: format!("server-{}", args.id),
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
    let server = Server::start(config, session.host.clone()).await?;
    crate::output::terminal::print_line(&format!("listening on {}", server.address()))?;
    tokio::select! {
        why = server.failed() => Err(anyhow!("the server cannot go on: {why}")),
        () = stop.wished() => {
            server.stop().await;
            Ok(())
        }
    }
}
