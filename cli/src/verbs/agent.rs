//! Owns `bosun agent`: the agent of one node, with containers as processes of the machine.

use crate::embedded::check_directory;
use crate::failure::UsageError;
use crate::session::Session;
use crate::signals::Stop;
use anyhow::{Context as _, Result};
use bosun_node_agent::runtime::supervisor::{Lifetime, SupervisedRuntime, own_program};
use bosun_node_agent::{Config, PODS_DEFAULT};
use bosun_proto::core_v1::Taint;
use clap::Args as ClapArgs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// The file in which Linux keeps the machine's name.
const HOSTNAME_FILE: &str = "/proc/sys/kernel/hostname";

/// The arguments of `agent`. The servers are those of --server.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// The node's name [default: the machine's name]
    #[arg(long, value_name = "NAME")]
    node_name: Option<String>,
    /// Where records and output are kept [default: $XDG_DATA_HOME/bosun/agent or ~/.local/share/bosun/agent]
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
    /// The node's address as others see it
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// Talk to servers on other machines although connections are not encrypted
    #[arg(long)]
    insecure_plaintext: bool,
    /// A label of the node; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_label)]
    label: Vec<(String, String)>,
    /// A taint the node begins with; may be given several times
    #[arg(long, value_name = "KEY[=VALUE]:EFFECT", value_parser = parse_taint)]
    taint: Vec<Taint>,
    /// How many pods the node takes
    #[arg(long, value_name = "PODS", default_value_t = PODS_DEFAULT, value_parser = clap::value_parser!(u32).range(1..))]
    max_pods: u32,
    /// Leave the pods running when the agent is stopped, as for an upgrade: the next agent with this data directory goes on
    /// with them. Without it SIGTERM and Ctrl-C stop the pods too. An agent that dies in another way always leaves them
    #[arg(long)]
    keep_pods: bool,
}

/// Runs the agent until SIGINT or SIGTERM.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    let default = session
        .environment
        .data_home
        .as_ref()
        .map(|home| home.join("agent"));
    let data_directory = check_directory(args.data_dir, default)?;
    let node_name = match args.node_name {
        Some(name) => name,
        None => hostname(session)?,
    };
    let mut config = Config::new(node_name, session.addresses()?, data_directory.clone());
    config.insecure_plaintext = args.insecure_plaintext;
    config.address = args.address;
    config.labels = args.label.into_iter().collect();
    config.taints = args.taint;
    config.pods_max = args.max_pods;
    config.keep_pods = args.keep_pods;
    let shutdown = config.shutdown.clone();
    let supervisor = own_program(session.host.clone(), &data_directory);
    let runtime = SupervisedRuntime::new(
        session.host.clone(),
        &data_directory,
        supervisor,
        Lifetime::TheirOwn,
    );
    let stop = Stop::listen();
    let mut agent = std::pin::pin!(bosun_node_agent::run(config, session.host.clone(), runtime));
    let ended = tokio::select! {
        ended = &mut agent => ended,
        () = stop.wished() => {
            shutdown.cancel();
            agent.await
        }
    };
    Ok(ended?)
}

fn hostname(session: &Session) -> Result<String> {
    let text = session.host.disk.read(HOSTNAME_FILE.as_ref());
    let text = text.context("the machine's name cannot be read; give one with --node-name")?;
    let name = String::from_utf8_lossy(&text).trim().to_lowercase();
    if name.is_empty() {
        return Err(UsageError::new("the machine has no name; give one with --node-name").into());
    }
    Ok(name)
}

fn parse_label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("write KEY=VALUE, for example zone=a")?;
    if key.is_empty() {
        Err("the key is missing; write KEY=VALUE".to_owned())
    } else {
        Ok((key.to_owned(), value.to_owned()))
    }
}

fn parse_taint(text: &str) -> Result<Taint, String> {
    const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    let wrong = || format!("write KEY[=VALUE]:EFFECT, where EFFECT is {}", EFFECTS.join(", "));
    let (what, effect) = text.rsplit_once(':').ok_or_else(wrong)?;
    let (key, value) = what.split_once('=').unwrap_or((what, ""));
    if key.is_empty() || !EFFECTS.contains(&effect) {
        return Err(wrong());
    }
    Ok(Taint {
        key: key.to_owned(),
        value: value.to_owned(),
        effect: effect.to_owned(),
        ..Taint::default()
    })
}

#[cfg(test)]
mod tests {
    use super::{parse_label, parse_taint};

    #[test]
    fn labels_and_taints() {
        assert_eq!(parse_label("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert!(parse_label("a").is_err() && parse_label("=b").is_err());
        let taint = parse_taint("dedicated=gpu:NoSchedule").unwrap();
        assert_eq!(
            (taint.key.as_str(), taint.value.as_str(), taint.effect.as_str()),
            ("dedicated", "gpu", "NoSchedule")
        );
        assert_eq!(parse_taint("x:NoExecute").unwrap().value, "");
        for wrong in ["x", "x:Never", ":NoExecute", "x=y"] {
            assert!(parse_taint(wrong).unwrap_err().contains("NoSchedule"), "{wrong}");
        }
    }
}
