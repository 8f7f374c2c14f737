//! What pods ask of a node, summed.

use std::collections::BTreeMap;

use bosun_proto::core_v1::{NodeStatus, PodSpec};
use bosun_proto::scalars::Quantity;

/// Amounts by resource name: `cpu` in thousandths, everything else in whole units (bytes, pods, devices).
///
/// Wider than any single amount, so that no sum is ever cut off: taking away again what was added gives what was there
/// before, in whatever order, and a server that sums up a snapshot finds what one that replayed the log has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage(pub BTreeMap<String, i128>);

impl Usage {
    /// What a pod holds while it has a node and has not finished: per resource the larger of the biggest init container
    /// (together with the sidecars started before it) and the sum of app containers and sidecars; the pod's overhead; and one of
    /// `pods`. Source: Kubernetes' effective request of a pod.
    pub fn of_pod(spec: &PodSpec) -> Self {
        let mut steady = Self::default();
        for container in &spec.containers {
            steady.add(&requests(container.resources.as_ref()));
        }
        let mut sidecars = Self::default();
        let mut peak = Self::default();
        for container in &spec.init_containers {
            let asked = requests(container.resources.as_ref());
            if container.restart_policy.as_deref() == Some("Always") {
                sidecars.add(&asked);
                peak.raise_to(&sidecars);
            } else {
                let mut together = sidecars.clone();
                together.add(&asked);
                peak.raise_to(&together);
            }
        }
        steady.add(&sidecars);
        steady.raise_to(&peak);
        steady.add(&amounts(&spec.overhead));
        steady.0.insert("pods".into(), 1);
        steady
    }

    /// What a node offers to pods.
    pub fn allocatable(status: &NodeStatus) -> Self {
        amounts(&status.allocatable)
    }

    /// Adds, resource by resource.
    pub fn add(&mut self, other: &Self) {
        for (resource, amount) in &other.0 {
            *self.0.entry(resource.clone()).or_default() += *amount;
        }
    }

    /// Takes away, resource by resource; what reaches zero is forgotten.
    pub fn subtract(&mut self, other: &Self) {
        for (resource, amount) in &other.0 {
            let left = self.get(resource) - *amount;
            if left == 0 {
                self.0.remove(resource);
            } else {
                self.0.insert(resource.clone(), left);
            }
        }
    }

    /// The amount of one resource; 0 when it is not named.
    pub fn get(&self, resource: &str) -> i128 {
        self.0.get(resource).copied().unwrap_or(0)
    }

    /// The first resource of which a node that offers `allocatable` and has given `self` cannot give `asked` as well.
    pub fn lacking(&self, allocatable: &Self, asked: &Self) -> Option<String> {
        asked
            .0
            .iter()
            .find(|(resource, amount)| {
                **amount > 0 && allocatable.get(resource) - self.get(resource) < **amount
            })
            .map(|(resource, _)| resource.clone())
    }

    fn raise_to(&mut self, other: &Self) {
        for (resource, amount) in &other.0 {
            let mine = self.0.entry(resource.clone()).or_default();
            *mine = (*mine).max(*amount);
        }
    }
}

fn requests(resources: Option<&bosun_proto::core_v1::ResourceRequirements>) -> Usage {
    resources
        .map(|resources| amounts(&resources.requests))
        .unwrap_or_default()
}

fn amounts(list: &BTreeMap<String, Quantity>) -> Usage {
    Usage(
        list.iter()
            .map(|(resource, quantity)| {
                let amount = if resource == "cpu" {
                    quantity.milli()
                } else {
                    quantity.value()
                };
                (resource.clone(), i128::from(amount))
            })
            .collect(),
    )
}
