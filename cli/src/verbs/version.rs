//! Owns `bosun version`.

use crate::output::terminal::print_line;
use crate::session::Session;
use anyhow::Result;
use clap::Args as ClapArgs;

/// The arguments of `version`.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Only the client's version; asks no server
    #[arg(long)]
    client: bool,
}

/// Prints the versions.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    print_line(&format!("Client: {}", env!("CARGO_PKG_VERSION")))?;
    if args.client {
        return Ok(());
    }
    let server = session.client()?.server_state().await?;
    let leader = server
        .leader_id
        .map_or_else(|| "none known".to_owned(), |id| format!("server {id}"));
    print_line(&format!(
        "Server: {} (server {} of cluster {}, leader: {leader}, term {}, version {})",
        server.version, server.server_id, server.cluster_id, server.term, server.resource_version
    ))?;
    Ok(())
}
