//! The Node object an agent announces itself with: what the machine is and has, and the agent's settings on top.

use std::collections::BTreeMap;
use std::path::Path;

use bosun_host::{Disk, OpenMode, read_fully};
use bosun_proto::core_v1::{Node, NodeAddress, NodeSpec, NodeStatus, NodeSystemInfo};
use bosun_proto::meta_v1::ObjectMeta;
use bosun_proto::scalars::{Amount, Quantity};

use crate::config::Config;
use crate::pod::NodeFacts;

/// The files read here are shorter, in bytes.
const FILE_BYTES_MAX: usize = 16 << 10;
/// The Kubernetes release whose behaviour the agent follows; clients compare it with their own.
const KUBERNETES_VERSION: &str = "v1.33.0";

/// What the machine is and has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) cpus: i64,
    pub(crate) memory_bytes: i64,
    pub(crate) disk_bytes: i64,
    pub(crate) id: String,
    pub(crate) boot_id: String,
    pub(crate) kernel: String,
    pub(crate) os_image: String,
}

impl Machine {
    /// Looks at the machine. What cannot be found out is empty or 0.
    pub(crate) fn inspect(disk: &dyn Disk, data_directory: &Path) -> Self {
        let read = |path: &str| read_text(disk, path).unwrap_or_default();
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            cpus: i64::try_from(cpus).unwrap_or(1),
            memory_bytes: memory_bytes(&read("/proc/meminfo")),
            disk_bytes: disk
                .free_space(data_directory)
                .map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            id: read("/etc/machine-id").trim().to_owned(),
            boot_id: read("/proc/sys/kernel/random/boot_id").trim().to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            os_image: os_image(&read("/etc/os-release")),
        }
    }
}

/// Whole content of a short file, whose length may not be known beforehand.
fn read_text(disk: &dyn Disk, path: &str) -> Option<String> {
    let file = disk.open(Path::new(path), OpenMode::Read).ok()?;
    let mut buffer = vec![0_u8; FILE_BYTES_MAX];
    let length = read_fully(&*file, 0, &mut buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

fn memory_bytes(meminfo: &str) -> i64 {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<i64>().ok())
        .map_or(0, |kibibytes| kibibytes.saturating_mul(1024))
}

fn os_image(os_release: &str) -> String {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or_else(|| "Linux".to_owned(), |name| name.trim_matches('"').to_owned())
}

/// What the node has in all, by resource name.
fn capacity(config: &Config, machine: &Machine) -> BTreeMap<String, Amount> {
    let mut capacity = BTreeMap::from([
        ("cpu".to_owned(), Amount::from_value(machine.cpus)),
        ("memory".to_owned(), Amount::from_bytes(machine.memory_bytes)),
        (
            "ephemeral-storage".to_owned(),
            Amount::from_bytes(machine.disk_bytes),
        ),
        ("pods".to_owned(), Amount::from_value(i64::from(config.pods_max))),
    ]);
    capacity.extend(config.capacity.clone());
    capacity
}

/// What pods are told about the node. Everything it has may be used.
pub(crate) fn facts(config: &Config, machine: &Machine, runtime_version: &str) -> NodeFacts {
    NodeFacts {
        name: config.node_name.clone(),
        address: config.address.to_string(),
        allocatable: capacity(config, machine),
        runtime_name: runtime_version
            .split_once("://")
            .map_or(runtime_version, |(name, _)| name)
            .to_owned(),
    }
}

/// The object to join with.
pub(crate) fn node_object(config: &Config, machine: &Machine, runtime_version: &str) -> Node {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let mut labels = BTreeMap::from([
        ("kubernetes.io/hostname".to_owned(), config.node_name.clone()),
        ("kubernetes.io/os".to_owned(), "linux".to_owned()),
        ("kubernetes.io/arch".to_owned(), architecture.to_owned()),
    ]);
    labels.extend(config.labels.clone());
    let quantities: BTreeMap<String, Quantity> = capacity(config, machine)
        .into_iter()
        .map(|(name, amount)| (name, amount.into()))
        .collect();
    let address = |kind: &str, address: String| NodeAddress {
        r#type: kind.to_owned(),
        address,
    };
    Node {
        metadata: Some(ObjectMeta {
            name: config.node_name.clone(),
            labels,
            ..ObjectMeta::default()
        }),
        spec: Some(NodeSpec {
            taints: config.taints.clone(),
            ..NodeSpec::default()
        }),
        status: Some(NodeStatus {
            allocatable: quantities.clone(),
            capacity: quantities,
            addresses: vec![
                address("InternalIP", config.address.to_string()),
                address("Hostname", config.node_name.clone()),
            ],
            node_info: Some(NodeSystemInfo {
                machine_id: machine.id.clone(),
                system_uuid: machine.id.clone(),
                boot_id: machine.boot_id.clone(),
                kernel_version: machine.kernel.clone(),
                os_image: machine.os_image.clone(),
                container_runtime_version: runtime_version.to_owned(),
                kubelet_version: format!("{KUBERNETES_VERSION}-bosun.{}", env!("CARGO_PKG_VERSION")),
                kube_proxy_version: String::new(),
                operating_system: "linux".to_owned(),
                architecture: architecture.to_owned(),
                ..NodeSystemInfo::default()
            }),
            ..NodeStatus::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described_and_settings_win() {
        let machine = Machine::inspect(&*bosun_host::Host::system().disk, Path::new("/"));
        assert!(
            machine.cpus > 0 && machine.memory_bytes > 0 && !machine.kernel.is_empty(),
            "{machine:?}"
        );
        let mut config = Config::new("node-1", vec!["x:1".to_owned()], "/data");
        config.capacity = BTreeMap::from([("cpu".to_owned(), Amount::from_milli(1500))]);
        config.labels = BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
        config.pods_max = 400;
        let node = node_object(&config, &machine, "process://9");
        let labels = node.metadata.unwrap().labels;
        assert_eq!(
            (labels["zone"].as_str(), labels["kubernetes.io/hostname"].as_str()),
            ("a", "node-1")
        );
        let status = node.status.unwrap();
        assert_eq!(
            (
                status.allocatable["cpu"].string.as_str(),
                status.capacity["pods"].string.as_str()
            ),
            ("1500m", "400")
        );
        let info = status.node_info.unwrap();
        assert!(info.kubelet_version.starts_with("v1.") && info.container_runtime_version == "process://9");
        assert_eq!(facts(&config, &machine, "process://9").runtime_name, "process");
    }

    #[test]
    fn files_of_the_machine_are_understood() {
        assert_eq!(
            memory_bytes("MemTotal:       24684084 kB\nMemFree: 1 kB\n"),
            24_684_084 * 1024
        );
        assert_eq!(memory_bytes("nothing"), 0);
        assert_eq!(os_image("NAME=x\nPRETTY_NAME=\"Debian 12\"\n"), "Debian 12");
        assert_eq!(os_image(""), "Linux");
    }
}
