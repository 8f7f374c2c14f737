//! Owns `bosun up`: the embedded cluster, kept running until it is told to stop. What it holds is there again at the next
//! start.

use crate::embedded::{self, Embedded, Settings};
use crate::output::terminal::print_line;
use crate::session::{DEFAULT_SERVER, Session};
use crate::signals::Stop;
use anyhow::Result;
use bosun_node_agent::runtime::supervisor::Lifetime;
use clap::Args as ClapArgs;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The arguments of `up`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Where everything is kept [default: $XDG_DATA_HOME/bosun or ~/.local/share/bosun]
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = DEFAULT_SERVER, value_parser = embedded::parse_listen)]
    listen: SocketAddr,
    /// Serve other machines although connections are not encrypted
    #[arg(long)]
    insecure_plaintext: bool,
}

/// Runs the cluster until SIGINT or SIGTERM.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    let data_directory = embedded::check_directory(args.data_dir, session.environment.data_home.clone())?;
    let settings = Settings {
        data_directory: data_directory.clone(),
        listen: args.listen,
        insecure_plaintext: args.insecure_plaintext,
        containers: Lifetime::TheirOwn,
    };
    let stop = Stop::listen();
    let mut cluster = tokio::select! {
        cluster = Embedded::start(&session.host, settings) => cluster?,
        () = stop.wished() => return Ok(()),
    };
    let address = cluster.address().to_string();
    let client = session.client_of(std::slice::from_ref(&address))?;
    let result = tokio::select! {
        ready = cluster.ready(&client) => ready,
        () = stop.wished() => return cluster.stop().await,
    };
    if let Err(error) = result {
        // Why it is not ready matters more than how it ends.
        drop(cluster.stop().await);
        return Err(error);
    }
    print_line(&format!(
        "A cluster of one node is running at {address}; its data is in {}.",
        data_directory.display()
    ))?;
    if address == DEFAULT_SERVER {
        print_line("In other terminals: bosun get nodes, bosun apply -f FILE. Ctrl-C stops it.")?;
    } else {
        print_line(&format!(
            "In other terminals: export BOSUN_SERVER={address}. Ctrl-C stops it."
        ))?;
    }
    tokio::select! {
        why = cluster.failed() => {
            drop(cluster.stop().await);
            Err(why)
        }
        () = stop.wished() => {
            session.terminal.note("Stopping. What is stored is there again at the next start.");
            cluster.stop().await
        }
    }
}
