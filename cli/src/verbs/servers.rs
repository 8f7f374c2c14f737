//! Owns `bosun servers`: who makes up the control plane, and changes of that.

use crate::output::table::Table;
use crate::output::terminal::print_line;
use crate::session::Session;
use anyhow::Result;
use bosun_client::{ServerEntry, Servers};
use clap::{Args as ClapArgs, Subcommand};

/// The arguments of `servers`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  bosun servers\n  bosun servers remove server-2\n  bosun servers transfer server-1"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    change: Option<Change>,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Take a server out of the cluster for good, alive or dead
    Remove {
        /// Its name
        name: String,
        /// Its number, where two have the name
        #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
        id: u64,
    },
    /// Hand the lead to a server
    Transfer {
        /// Its name
        name: String,
    },
}

/// Shows or changes the servers.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    let client = session.client()?;
    match args.change {
        None => {
            for line in table(&client.servers().await?).lines(true) {
                print_line(&line)?;
            }
        }
        Some(Change::Remove { name, id }) => {
            let number = client.remove_server(&name, id).await?;
            print_line(&format!("server {name} (number {number}) removed"))?;
        }
        Some(Change::Transfer { name }) => {
            client.transfer_leader(&name).await?;
            print_line(&format!("server {name} leads"))?;
        }
    }
    Ok(())
}

fn table(servers: &Servers) -> Table {
    let mut table = Table::new(["name", "number", "address", "role", "answered", "behind"]);
    for server in &servers.servers {
        table.push(row(server, servers.from_leader));
    }
    table
}

fn row(server: &ServerEntry, from_leader: bool) -> Vec<String> {
    let role = match (server.leader, server.voter) {
        (true, _) => "leader",
        (false, true) => "voter",
        (false, false) => "learner",
    };
    let answered = match (server.heard, from_leader) {
        (_, false) => "unknown".to_owned(),
        (None, true) => "never".to_owned(),
        (Some(ago), true) if ago.as_secs() == 0 => "now".to_owned(),
        (Some(ago), true) => format!("{} s ago", ago.as_secs()),
    };
    let behind = server
        .behind
        .map_or_else(|| "unknown".to_owned(), |entries| entries.to_string());
    vec![
        server.name.clone(),
        server.server_id.to_string(),
        server.address.clone(),
        role.to_owned(),
        answered,
        behind,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn server(name: &str, server_id: u64) -> ServerEntry {
        ServerEntry {
            server_id,
            name: name.to_owned(),
            address: format!("{name}:7600"),
            voter: true,
            leader: false,
            heard: Some(Duration::from_millis(40)),
            behind: Some(0),
        }
    }

    #[test]
    fn servers_in_a_table() {
        let leader = ServerEntry {
            leader: true,
            ..server("a", 1)
        };
        let dead = ServerEntry {
            heard: Some(Duration::from_secs(7)),
            behind: Some(120),
            ..server("b", 3)
        };
        let new = ServerEntry {
            voter: false,
            heard: None,
            behind: None,
            ..server("c", 9)
        };
        let listed = |from_leader| {
            let servers = vec![leader.clone(), dead.clone(), new.clone()];
            table(&Servers { servers, from_leader }).lines(true)
        };
        assert_eq!(
            listed(true),
            [
                "NAME   NUMBER   ADDRESS   ROLE      ANSWERED   BEHIND",
                "a      1        a:7600    leader    now        0",
                "b      3        b:7600    voter     7 s ago    120",
                "c      9        c:7600    learner   never      unknown",
            ]
        );
        assert!(listed(false)[1].contains("unknown"));
    }
}
