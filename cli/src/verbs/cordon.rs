//! Owns `bosun cordon` and `bosun uncordon`: whether a node takes new pods.

use crate::output::terminal::print_line;
use crate::session::Session;
use anyhow::Result;
use bosun_client::{Client, PatchKind};
use bosun_proto::core_v1::Node;
use bosun_proto::{Key, Kind};
use clap::Args as ClapArgs;
use serde_json::json;

/// The arguments of both.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The nodes; node/NAME does, too
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
}

/// Keeps new pods away from the nodes.
pub(crate) async fn run_cordon(session: &Session, args: Args) -> Result<()> {
    set_all(session, args, true).await
}

/// Lets the nodes take pods again.
pub(crate) async fn run_uncordon(session: &Session, args: Args) -> Result<()> {
    set_all(session, args, false).await
}

async fn set_all(session: &Session, args: Args, unschedulable: bool) -> Result<()> {
    let client = session.client()?;
    for node in &args.nodes {
        set(session, &client, node_name(node), unschedulable).await?;
    }
    Ok(())
}

/// A node's name as it was given, without the kind in front.
pub(super) fn node_name(word: &str) -> &str {
    ["node/", "nodes/", "no/"]
        .iter()
        .find_map(|kind| word.strip_prefix(kind))
        .unwrap_or(word)
}

/// Makes one node take no new pods, or take them again, and says so.
pub(super) async fn set(session: &Session, client: &Client, node: &str, unschedulable: bool) -> Result<()> {
    let present = client.get_as::<Node>("", node).await?;
    let word = if unschedulable { "cordoned" } else { "uncordoned" };
    if present.spec.as_ref().is_some_and(|spec| spec.unschedulable) == unschedulable {
        return Ok(print_line(&format!("node/{node} already {word}"))?);
    }
    let patch = json!({"spec": {"unschedulable": unschedulable}});
    let key = Key::new(Kind::Node, "", node);
    let written = client.patch(&key, PatchKind::Merge, &patch, false).await?;
    session.warn_all(&format!("node/{node}"), &written.warnings);
    Ok(print_line(&format!("node/{node} {word}"))?)
}
