//! Owns `bosun drain`: cordons a node, and deletes the pods on it so that their owners make them anew elsewhere.

use super::cordon;
use super::delete::{Ending, gone};
use crate::output::terminal::print_line;
use crate::session::Session;
use anyhow::{Result, bail};
use bosun_client::{Client, Query};
use bosun_proto::core_v1::{Pod, Volume};
use bosun_proto::{Key, Kind, Resource, meta_v1};
use clap::Args as ClapArgs;
use futures::future::try_join_all;
use std::sync::Arc;
use std::time::Duration;

/// The arguments of `drain`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  bosun drain worker-1\n  bosun drain worker-1 --force --grace-period 10 --timeout 5m"
)]
pub(crate) struct Args {
    /// The nodes; node/NAME does, too
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
    /// Also pods that have no owner: nobody makes them anew
    #[arg(long)]
    force: bool,
    /// Leave the pods of DaemonSets where they are
    #[arg(long)]
    ignore_daemonsets: bool,
    /// Also pods that keep data in an emptyDir, which is lost
    #[arg(long)]
    delete_emptydir_data: bool,
    /// Seconds a pod may take to end; -1 for what the pod says
    #[arg(long, value_name = "SECONDS", default_value_t = -1, allow_negative_numbers = true, value_parser = clap::value_parser!(i64).range(-1..))]
    grace_period: i64,
    /// Stop waiting after so long; 0 waits for ever
    #[arg(long, value_name = "SPAN", default_value = "0", value_parser = crate::duration::parse)]
    timeout: Duration,
}

/// What is to be done with one pod.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It is deleted; with a warning, if something is lost by it.
    Evicted(Option<&'static str>),
    /// It stays, and why that may be said.
    Left(&'static str),
    /// It must not be deleted without leave; why, and which option gives it.
    Kept(&'static str, &'static str),
}

/// Drains the nodes, one after the other.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    let client = session.client()?;
    for node in &args.nodes {
        let node = cordon::node_name(node);
        cordon::set(session, &client, node, true).await?;
        let query = Query::new(Kind::Pod, "").fields(&format!("spec.nodeName={node}"));
        let pods = client.list_as::<Pod>(query).await?;
        let evicted = choose(session, node, &pods, &args)?;
        let all = try_join_all(evicted.iter().map(|pod| evict(&client, pod, args.grace_period)));
        if args.timeout.is_zero() {
            all.await?;
        } else if let Ok(result) = tokio::time::timeout(args.timeout, all).await {
            result?;
        } else {
            bail!(
                "not all pods of node \"{node}\" were gone after {} s; they go on ending, and it stays cordoned",
                args.timeout.as_secs()
            );
        }
        print_line(&format!("node/{node} drained"))?;
    }
    Ok(())
}

/// The pods to delete; an error when there are some that must not be.
fn choose(session: &Session, node: &str, pods: &[Arc<Pod>], args: &Args) -> Result<Vec<Arc<Pod>>> {
    let mut evicted = Vec::new();
    let mut kept: Vec<(String, Vec<String>)> = Vec::new();
    for pod in pods {
        let name = format!("{}/{}", pod.metadata().namespace, pod.metadata().name);
        match fate(pod, args) {
            Fate::Evicted(warning) => {
                if let Some(warning) = warning {
                    session.terminal.warning(&format!("deleting {warning}: {name}"));
                }
                evicted.push(Arc::clone(pod));
            }
            Fate::Left(what) => session.terminal.warning(&format!("ignoring {what}: {name}")),
            Fate::Kept(what, option) => {
                let reason = format!("cannot delete {what} (use {option} to override)");
                match kept.iter_mut().find(|(other, _)| *other == reason) {
                    Some((_, names)) => names.push(name),
                    None => kept.push((reason, vec![name])),
                }
            }
        }
    }
    if kept.is_empty() {
        return Ok(evicted);
    }
    let reasons: Vec<String> = kept
        .iter()
        .map(|(reason, names)| format!("{reason}: {}", names.join(", ")))
        .collect();
    bail!(
        "unable to drain node \"{node}\", which stays cordoned: {}",
        reasons.join("; ")
    )
}

fn fate(pod: &Pod, args: &Args) -> Fate {
    let owner = pod
        .metadata()
        .owner_references
        .iter()
        .find(|owner| owner.controller == Some(true));
    let phase = pod.status.as_ref().map_or("", |status| status.phase.as_str());
    if matches!(phase, "Succeeded" | "Failed") {
        return Fate::Evicted(None);
    }
    if owner.is_some_and(|owner| owner.kind == "DaemonSet") {
        let what = "Pods managed by a DaemonSet";
        return if args.ignore_daemonsets {
            Fate::Left(what)
        } else {
            Fate::Kept(what, "--ignore-daemonsets")
        };
    }
    let is_empty_dir = |volume: &Volume| {
        let source = volume.volume_source.as_ref();
        source.is_some_and(|source| source.empty_dir.is_some())
    };
    let has_data = pod
        .spec
        .as_ref()
        .is_some_and(|spec| spec.volumes.iter().any(is_empty_dir));
    match (owner.is_none(), has_data) {
        (true, _) if !args.force => Fate::Kept("Pods that declare no controller", "--force"),
        (_, true) if !args.delete_emptydir_data => {
            Fate::Kept("Pods with local storage", "--delete-emptydir-data")
        }
        (true, _) => Fate::Evicted(Some("Pods that declare no controller")),
        (false, _) => Fate::Evicted(None),
    }
}

/// Deletes a pod and waits until it is gone.
async fn evict(client: &Client, pod: &Pod, grace_period: i64) -> Result<()> {
    let metadata = pod.metadata();
    print_line(&format!("evicting pod {}/{}", metadata.namespace, metadata.name))?;
    let key = Key::new(Kind::Pod, &metadata.namespace, &metadata.name);
    let options = meta_v1::DeleteOptions {
        grace_period_seconds: (grace_period >= 0).then_some(grace_period),
        preconditions: Some(meta_v1::Preconditions {
            uid: Some(metadata.uid.clone()),
            ..Default::default()
        }),
        ..Default::default()
    };
    match client.delete(&key, options).await {
        Ok(deleted) if deleted.gone => {}
        Ok(_) => {
            let uid = metadata.uid.clone();
            gone(client, &Ending { key, uid }).await?;
        }
        // Gone already, or another one of its name.
        Err(error) if error.is_not_found() || error.is_conflict() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(print_line(&format!("pod/{} evicted", metadata.name))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bosun_proto::Object;
    use serde_json::{Value, json};

    fn pod(owner: Option<&str>, volume: Option<Value>, phase: &str) -> Arc<Pod> {
        let owners = owner.map(
            |kind| json!([{"apiVersion": "v1", "kind": kind, "name": "o", "uid": "u", "controller": true}]),
        );
        let (object, unknown) = Object::from_json(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "p", "namespace": "default", "ownerReferences": owners.unwrap_or(json!([]))},
            "spec": {"containers": [{"name": "a"}], "volumes": volume.map_or(json!([]), |volume| json!([volume]))},
            "status": {"phase": phase},
        }))
        .expect("a pod");
        assert!(unknown.is_empty());
        Arc::clone(Pod::from_object(&object).expect("a pod"))
    }

    #[test]
    fn what_would_be_lost_is_deleted_only_with_leave() {
        let args = |force, data, daemonsets| Args {
            nodes: Vec::new(),
            force,
            ignore_daemonsets: daemonsets,
            delete_emptydir_data: data,
            grace_period: -1,
            timeout: Duration::ZERO,
        };
        let (none, all) = (args(false, false, false), args(true, true, true));
        let data = json!({"name": "d", "emptyDir": {}});
        let bare = "Pods that declare no controller";
        for (pod, without, with) in [
            (
                pod(Some("Job"), None, "Running"),
                Fate::Evicted(None),
                Fate::Evicted(None),
            ),
            (
                pod(None, None, "Running"),
                Fate::Kept(bare, "--force"),
                Fate::Evicted(Some(bare)),
            ),
            (
                pod(None, Some(data.clone()), "Succeeded"),
                Fate::Evicted(None),
                Fate::Evicted(None),
            ),
            (
                pod(Some("ReplicaSet"), Some(data), "Running"),
                Fate::Kept("Pods with local storage", "--delete-emptydir-data"),
                Fate::Evicted(None),
            ),
            (
                pod(
                    Some("ReplicaSet"),
                    Some(json!({"name": "h", "hostPath": {"path": "/"}})),
                    "Running",
                ),
                Fate::Evicted(None),
                Fate::Evicted(None),
            ),
            (
                pod(Some("DaemonSet"), None, "Running"),
                Fate::Kept("Pods managed by a DaemonSet", "--ignore-daemonsets"),
                Fate::Left("Pods managed by a DaemonSet"),
            ),
        ] {
            assert_eq!((fate(&pod, &none), fate(&pod, &all)), (without, with));
        }
    }

    #[test]
    fn nodes_are_named_with_or_without_their_kind() {
        for word in ["n-1", "node/n-1", "no/n-1", "nodes/n-1"] {
            assert_eq!(cordon::node_name(word), "n-1");
        }
    }
}
