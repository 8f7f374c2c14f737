//! What a pod asks of a node: the part of its spec that decides where it may and should run.

use std::collections::BTreeMap;

use bosun_proto::Resource;
use bosun_proto::core_v1::{NodeAffinity, Pod, Toleration};

use crate::kinds::{self, pod};
use crate::state::Usage;

/// Pods with equal demands fit on the same nodes, equally well; a batch works them out once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Demand<'a> {
    /// What it holds while it has a node.
    pub(super) requests: Usage,
    /// Ports it wants on the node itself.
    pub(super) host_ports: Vec<HostPort<'a>>,
    /// Labels the node must have.
    pub(super) node_selector: &'a BTreeMap<String, String>,
    /// What the node must and should be like.
    pub(super) node_affinity: Option<&'a NodeAffinity>,
    /// Taints that do not matter to it.
    pub(super) tolerations: &'a [Toleration],
    /// The uid of its controller, whose pods are spread.
    pub(super) owner: Option<&'a str>,
}

impl<'a> Demand<'a> {
    pub(super) fn of(pod: &'a Pod) -> Self {
        let spec = pod::spec(pod);
        Self {
            requests: Usage::of_pod(spec),
            host_ports: host_ports(pod).collect(),
            node_selector: &spec.node_selector,
            node_affinity: spec
                .affinity
                .as_ref()
                .and_then(|affinity| affinity.node_affinity.as_ref()),
            tolerations: &spec.tolerations,
            owner: kinds::controller_of(pod.metadata()).map(|owner| owner.uid.as_str()),
        }
    }
}

/// A port on the node's own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HostPort<'a> {
    port: i32,
    protocol: &'a str,
    /// Empty: all addresses of the node.
    address: &'a str,
}

impl HostPort<'_> {
    /// Two pods cannot both listen on the same port of the same address.
    pub(super) fn collides_with(&self, other: &HostPort<'_>) -> bool {
        let addresses_meet =
            self.address.is_empty() || other.address.is_empty() || self.address == other.address;
        self.port == other.port && self.protocol == other.protocol && addresses_meet
    }
}

/// The ports a pod wants on its node.
pub(super) fn host_ports(pod: &Pod) -> impl Iterator<Item = HostPort<'_>> {
    let spec = pod::spec(pod);
    let sidecars = spec
        .init_containers
        .iter()
        .filter(|init| init.restart_policy.as_deref() == Some("Always"));
    let ports = spec
        .containers
        .iter()
        .chain(sidecars)
        .flat_map(|container| &container.ports);
    ports.filter(|port| port.host_port > 0).map(|port| HostPort {
        port: port.host_port,
        protocol: if port.protocol.is_empty() {
            "TCP"
        } else {
            &port.protocol
        },
        address: if port.host_ip == "0.0.0.0" {
            ""
        } else {
            &port.host_ip
        },
    })
}
