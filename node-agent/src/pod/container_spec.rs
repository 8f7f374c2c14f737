//! From a container of a pod to what a runtime needs; or why it cannot be started here.

use std::collections::BTreeMap;

use bosun_proto::core_v1::{Container, Pod};
use bosun_proto::node_loss::is_fenced;

use super::environment::{environment, expand};
use super::{ContainerRecord, NodeFacts, PodRecord};
use crate::runtime::{ContainerSpec, Limits};

/// Why a container cannot be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: &'static str,
    pub(super) message: String,
    /// The container waits, in case that what is missing comes to be; else this counts as a failed run.
    pub(super) waits: bool,
}

impl Refusal {
    /// Something that the spec refers to cannot be had.
    pub(super) fn config(message: String) -> Self {
        Self {
            reason: "CreateContainerConfigError",
            message,
            waits: true,
        }
    }
}

/// What the runtime needs to start the current run.
pub(super) fn container_spec(
    record: &PodRecord,
    container: &ContainerRecord,
    node: &NodeFacts,
) -> Result<ContainerSpec, Refusal> {
    let Some(spec) = record.spec_of(container) else {
        return Err(Refusal::config(
            "the container is not in the pod's spec any more".to_owned(),
        ));
    };
    if spec.command.is_empty() {
        return Err(Refusal {
            reason: "ContainerCannotRun",
            message: format!(
                "container {:?} has no command, and the process runtime has no image to take an entrypoint from; set \
                 command in its spec",
                spec.name
            ),
            waits: false,
        });
    }
    let environment = environment(&record.pod, spec, node)?;
    let values: BTreeMap<String, String> = environment.iter().cloned().collect();
    let command = spec
        .command
        .iter()
        .chain(&spec.args)
        .map(|word| expand(word, &values))
        .collect();
    Ok(ContainerSpec {
        id: record.container_id(container),
        command,
        environment,
        working_directory: (!spec.working_dir.is_empty()).then(|| spec.working_dir.clone()),
        hostname: hostname(&record.pod),
        limits: limits(spec),
        fenced: is_fenced(&record.pod),
    })
}

fn hostname(pod: &Pod) -> String {
    let stated = pod.spec.as_ref().map(|spec| spec.hostname.clone());
    match stated {
        Some(hostname) if !hostname.is_empty() => hostname,
        _ => pod
            .metadata
            .as_ref()
            .map(|meta| meta.name.clone())
            .unwrap_or_default(),
    }
}

fn limits(spec: &Container) -> Limits {
    let limit = |name: &str| {
        let resources = spec.resources.as_ref()?;
        resources.limits.get(name)?.amount().ok()
    };
    Limits {
        cpu_milli: limit("cpu").and_then(|amount| u64::try_from(amount.milli()).ok()),
        memory: limit("memory").and_then(|amount| u64::try_from(amount.value()).ok()),
    }
}
