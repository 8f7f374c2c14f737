//! Owns `bosun supervisor`, which agents start and people need not know: the process whose children the containers are.

use crate::output::terminal::print_line;
use crate::session::Session;
use crate::signals::Stop;
use anyhow::Result;
use bosun_node_agent::runtime::supervisor::{READY, supervise};
use clap::Args as ClapArgs;
use std::path::PathBuf;

/// Threads that carry messages and output; processes are started on others.
pub(crate) const THREADS: usize = 2;

/// The arguments of `supervisor`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The data directory of the agent
    #[arg(long, value_name = "DIRECTORY")]
    directory: PathBuf,
}

/// Keeps containers until there are none and nobody wants any, or until SIGINT or SIGTERM, which end them.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    let stop = Stop::listen();
    // Nobody may be left to read it, which is no reason to end.
    let ready = || drop(print_line(READY));
    let ended = supervise(session.host.clone(), &args.directory, ready, stop.wished()).await;
    if let Err(error) = &ended {
        // For the agent, which waits for the one line.
        drop(print_line(&error.to_string()));
    }
    Ok(ended?)
}
