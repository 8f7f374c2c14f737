//! The settings of one agent and what is wrong with them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use bosun_proto::core_v1::Taint;
use bosun_proto::scalars::Amount;
use tokio_util::sync::CancellationToken;

use crate::AgentError;

/// How many pods a node takes when nothing else is said, as in Kubernetes.
pub const PODS_DEFAULT: u32 = 110;
/// A DNS subdomain, which node names are, is at most so long.
const NAME_BYTES_MAX: usize = 253;

/// Settings of one agent.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name of the Node object; a DNS subdomain.
    pub node_name: String,
    /// Servers as `HOST:PORT`; any will do, they are tried in turn.
    pub servers: Vec<String>,
    /// Talk to servers on other machines although nothing is encrypted and nobody is asked who they are.
    pub insecure_plaintext: bool,
    /// Where the agent keeps its record and the pods' output. One agent per directory.
    pub data_directory: PathBuf,
    /// The node's address as its status and its pods show it.
    pub address: IpAddr,
    /// Labels in addition to those that every node has.
    pub labels: BTreeMap<String, String>,
    /// Taints the node registers with.
    pub taints: Vec<Taint>,
    /// Replaces what the machine was found to have, by resource name (`cpu`, `memory`, `ephemeral-storage`).
    pub capacity: BTreeMap<String, Amount>,
    /// How many pods the node takes.
    pub pods_max: u32,
    /// Leave the containers running when the agent is shut down, for the next agent on its data directory.
    pub keep_pods: bool,
    /// When cancelled the agent ends its containers, unless they are to be kept, and returns.
    pub shutdown: CancellationToken,
}

impl Config {
    /// Settings with the usual defaults: loopback address, 110 pods, the machine's own capacity.
    pub fn new(
        node_name: impl Into<String>,
        servers: Vec<String>,
        data_directory: impl Into<PathBuf>,
    ) -> Self {
        Self {
            node_name: node_name.into(),
            servers,
            insecure_plaintext: false,
            data_directory: data_directory.into(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            capacity: BTreeMap::new(),
            pods_max: PODS_DEFAULT,
            keep_pods: false,
            shutdown: CancellationToken::new(),
        }
    }

    /// What cannot work, before anything is touched.
    pub(crate) fn check(&self) -> Result<(), AgentError> {
        let refuse = |field: &'static str, problem: String| Err(AgentError::Setting { field, problem });
        if !is_dns_subdomain(&self.node_name) {
            return refuse(
                "node name",
                format!(
                    "{:?} is not a DNS name; use lower-case letters, digits, '-' and '.', such as worker-1",
                    self.node_name
                ),
            );
        }
        if let Err(error) = bosun_client::endpoint::parse_addresses(&self.servers.join(",")) {
            return refuse("servers", error.to_string());
        }
        if let Some(distant) = self.servers.iter().find(|address| !is_loopback(address))
            && !self.insecure_plaintext
        {
            return refuse(
                "servers",
                format!(
                    "{distant} is on another machine, and connections are not encrypted yet; give --insecure-plaintext if \
                     the network is trusted"
                ),
            );
        }
        if self.pods_max == 0 {
            return refuse("max pods", "0 pods is no node; give 1 or more".to_owned());
        }
        if let Some((name, _)) = self.capacity.iter().find(|(_, amount)| amount.nanos() < 0) {
            return refuse("capacity", format!("{name} is negative; give 0 or more"));
        }
        Ok(())
    }
}

/// Whether `HOST:PORT` surely never leaves this machine. A name may lead anywhere, only "localhost" is taken at its word.
pub(crate) fn is_loopback(address: &str) -> bool {
    let plain = address.strip_prefix("http://").unwrap_or(address);
    let host = plain.rsplit_once(':').map_or(plain, |(host, _)| host);
    let number = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || number.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn is_dns_subdomain(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        label.bytes().all(|byte| inner(byte) || byte == b'-')
            && label.bytes().next().is_some_and(inner)
            && label.bytes().last().is_some_and(inner)
    };
    name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bad_setting_is_named_with_the_way_out() {
        let good = || Config::new("node-1", vec!["127.0.0.1:7400".to_owned()], "/data");
        good().check().unwrap();
        let cases: Vec<(Config, &str)> = vec![
            (
                Config {
                    node_name: "Node".to_owned(),
                    ..good()
                },
                "node name",
            ),
            (
                Config {
                    node_name: String::new(),
                    ..good()
                },
                "node name",
            ),
            (
                Config {
                    node_name: "a-.b".to_owned(),
                    ..good()
                },
                "node name",
            ),
            (
                Config {
                    servers: Vec::new(),
                    ..good()
                },
                "servers",
            ),
            (
                Config {
                    servers: vec!["x:0".to_owned()],
                    ..good()
                },
                "HOST:PORT",
            ),
            (
                Config {
                    servers: vec!["x".to_owned()],
                    ..good()
                },
                "HOST:PORT",
            ),
            (
                Config {
                    pods_max: 0,
                    ..good()
                },
                "max pods",
            ),
            (
                Config {
                    capacity: BTreeMap::from([("cpu".to_owned(), Amount::from_value(-1))]),
                    ..good()
                },
                "cpu is negative",
            ),
        ];
        for (config, expected) in cases {
            let refusal = config.check().unwrap_err().to_string();
            assert!(refusal.contains(expected), "{refusal}");
        }
    }

    #[test]
    fn servers_on_other_machines_need_consent() {
        let agent = |address: &str, insecure_plaintext| Config {
            insecure_plaintext,
            ..Config::new(
                "node-1",
                vec!["127.0.0.1:7400".to_owned(), address.to_owned()],
                "/data",
            )
        };
        for near in [
            "127.0.0.2:7400",
            "[::1]:7400",
            "localhost:7400",
            "http://127.0.0.1:7400",
        ] {
            agent(near, false).check().unwrap();
        }
        for far in [
            "10.0.0.1:7400",
            "server-1:7400",
            "localhost.example.org:7400",
            "[fd00::1]:7400",
        ] {
            let refusal = agent(far, false).check().unwrap_err().to_string();
            assert!(
                refusal.contains(far) && refusal.contains("--insecure-plaintext"),
                "{refusal}"
            );
            agent(far, true).check().unwrap();
        }
    }
}
