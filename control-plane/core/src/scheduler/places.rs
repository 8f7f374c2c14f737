//! The nodes as a batch sees them: what each offers, and what is given away, by others and by the batch itself.

use std::cell::OnceCell;

use bosun_proto::Resource;
use bosun_proto::core_v1::Node;

use super::demand::{Demand, HostPort, host_ports};
use crate::kinds::{node, pod};
use crate::state::{Snapshot, Usage};

/// A node in the running picture of a batch.
pub(super) struct Place<'a> {
    snapshot: &'a Snapshot,
    pub(super) node: &'a Node,
    pub(super) allocatable: Usage,
    /// What its unfinished pods hold, those of the batch included.
    pub(super) used: Usage,
    /// Looked up only when a pod asks for such a port, which few do.
    host_ports: OnceCell<Vec<HostPort<'a>>>,
}

impl<'a> Place<'a> {
    pub(super) fn name(&self) -> &'a str {
        &self.node.metadata().name
    }

    /// The host ports that its unfinished pods have.
    pub(super) fn host_ports(&self) -> &[HostPort<'a>] {
        self.host_ports.get_or_init(|| {
            let unfinished = self
                .snapshot
                .pods_on(self.name())
                .filter(|pod| !pod::is_finished(pod));
            unfinished.flat_map(|pod| host_ports(pod)).collect()
        })
    }

    /// Puts a pod of the batch here.
    pub(super) fn take(&mut self, demand: &Demand<'a>) {
        self.used.add(&demand.requests);
        if !demand.host_ports.is_empty() {
            self.host_ports();
            if let Some(taken) = self.host_ports.get_mut() {
                taken.extend(&demand.host_ports);
            }
        }
    }
}

/// All nodes, in the order of their names.
pub(super) fn all(snapshot: &Snapshot) -> Vec<Place<'_>> {
    let place = |node| Place {
        snapshot,
        node,
        allocatable: Usage::allocatable(node::status(node)),
        used: snapshot.usage(&node.metadata().name),
        host_ports: OnceCell::new(),
    };
    snapshot
        .all::<Node>(None)
        .map(|node| place(node.as_ref()))
        .collect()
}
