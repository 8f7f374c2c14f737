//! The environment of a container: plain values with `$(NAME)` references, downward fields, resource fields. Owns the
//! rules of all of them and what is said about sources that this agent does not have.

use std::collections::BTreeMap;

use bosun_proto::core_v1::{Container, EnvVarSource, Pod, ResourceFieldSelector};
use bosun_proto::scalars::Amount;

use super::NodeFacts;
use super::container_spec::Refusal;

/// All variables of `container`, in order.
pub(super) fn environment(
    pod: &Pod,
    container: &Container,
    node: &NodeFacts,
) -> Result<Vec<(String, String)>, Refusal> {
    for (index, source) in container.env_from.iter().enumerate() {
        let config_map = source.config_map_ref.as_ref().map(|found| found.optional);
        let secret = source.secret_ref.as_ref().map(|found| found.optional);
        for (kind, optional) in [("configMapRef", config_map), ("secretRef", secret)] {
            if optional.is_some_and(|optional| optional != Some(true)) {
                return Err(unsupported(&format!("envFrom[{index}].{kind}")));
            }
        }
    }
    let mut variables: Vec<(String, String)> = Vec::with_capacity(container.env.len());
    let mut values = BTreeMap::new();
    for variable in &container.env {
        let value = match &variable.value_from {
            None => Some(expand(&variable.value, &values)),
            Some(source) => from_source(&variable.name, source, pod, container, node)?,
        };
        if let Some(value) = value {
            values.insert(variable.name.clone(), value.clone());
            variables.push((variable.name.clone(), value));
        }
    }
    Ok(variables)
}

/// Replaces `$(NAME)` by the value of NAME; an unknown name stays as it is, and `$$` is one `$`.
pub(super) fn expand(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            expanded.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|open| open.split_once(')')) {
            match values.get(name) {
                Some(value) => expanded.push_str(value),
                None => expanded.push_str(&rest[at..rest.len() - tail.len()]),
            }
            rest = tail;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded.push_str(rest);
    expanded
}

/// `None` when an optional source is not there: then the variable is not set at all.
fn from_source(
    name: &str,
    source: &EnvVarSource,
    pod: &Pod,
    container: &Container,
    node: &NodeFacts,
) -> Result<Option<String>, Refusal> {
    let place = |kind: &str| format!("env {name:?}: valueFrom.{kind}");
    if let Some(field) = &source.field_ref {
        return pod_field(&field.field_path, pod, node).map(Some).ok_or_else(|| {
            let place = place("fieldRef.fieldPath");
            Refusal::config(format!(
                "{place}: {:?} is no field that a container can read",
                field.field_path
            ))
        });
    }
    if let Some(field) = &source.resource_field_ref {
        return resource_field(field, pod, container, node)
            .map(Some)
            .map_err(|problem| Refusal::config(format!("{}: {problem}", place("resourceFieldRef"))));
    }
    let references = [
        (
            "configMapKeyRef",
            source.config_map_key_ref.as_ref().map(|found| found.optional),
        ),
        (
            "secretKeyRef",
            source.secret_key_ref.as_ref().map(|found| found.optional),
        ),
        (
            "fileKeyRef",
            source.file_key_ref.as_ref().map(|found| found.optional),
        ),
    ];
    for (kind, optional) in references {
        match optional {
            Some(Some(true)) => return Ok(None),
            Some(_) => return Err(unsupported(&place(kind))),
            None => {}
        }
    }
    Ok(Some(String::new()))
}

fn unsupported(place: &str) -> Refusal {
    Refusal::config(format!(
        "{place} is not supported by this agent: it has no Secrets, ConfigMaps or volumes yet; set the value in env, or \
         mark the reference optional"
    ))
}

fn pod_field(path: &str, pod: &Pod, node: &NodeFacts) -> Option<String> {
    let meta = pod.metadata.clone().unwrap_or_default();
    let spec = pod.spec.as_ref();
    if let Some((map, key)) = path.strip_suffix("']").and_then(|open| open.split_once("['")) {
        let map = match map {
            "metadata.labels" => meta.labels,
            "metadata.annotations" => meta.annotations,
            _ => return None,
        };
        return Some(map.get(key).cloned().unwrap_or_default());
    }
    match path {
        "metadata.name" => Some(meta.name),
        "metadata.namespace" => Some(meta.namespace),
        "metadata.uid" => Some(meta.uid),
        "spec.nodeName" => Some(node.name.clone()),
        "spec.serviceAccountName" => {
            Some(spec.map_or_else(String::new, |spec| spec.service_account_name.clone()))
        }
        "status.hostIP" | "status.hostIPs" | "status.podIP" | "status.podIPs" => Some(node.address.clone()),
        _ => None,
    }
}

/// The amount in units of the divisor, rounded up. A limit that is not set is what the node can give.
fn resource_field(
    field: &ResourceFieldSelector,
    pod: &Pod,
    container: &Container,
    node: &NodeFacts,
) -> Result<String, String> {
    let named = |name: &str| {
        let spec = pod.spec.as_ref()?;
        let mut all = spec.init_containers.iter().chain(&spec.containers);
        all.find(|other| other.name == name)
    };
    let container = match field.container_name.as_str() {
        "" => container,
        name => named(name).ok_or_else(|| format!("containerName: there is no container {name:?}"))?,
    };
    let (kind, resource) = field
        .resource
        .split_once('.')
        .filter(|(kind, _)| matches!(*kind, "limits" | "requests"))
        .ok_or_else(|| {
            format!(
                "resource: {:?} is neither limits.NAME nor requests.NAME",
                field.resource
            )
        })?;
    let resources = container.resources.clone().unwrap_or_default();
    let limit = resources.limits.get(resource);
    let stated = match kind {
        "limits" => limit,
        _ => resources.requests.get(resource).or(limit),
    };
    let amount = match stated {
        Some(quantity) => quantity.amount().map_err(|error| error.to_string())?,
        None if kind == "limits" => node
            .allocatable
            .get(resource)
            .copied()
            .unwrap_or(Amount::from_value(0)),
        None => Amount::from_value(0),
    };
    let divisor = match &field.divisor {
        Some(divisor) if !divisor.string.is_empty() => divisor
            .amount()
            .map_err(|error| format!("divisor: {error}"))?
            .nanos(),
        _ => 0,
    };
    let divisor = if divisor <= 0 {
        Amount::from_value(1).nanos()
    } else {
        divisor
    };
    let units = (amount.nanos() + divisor - 1).div_euclid(divisor);
    Ok(units.to_string())
}

#[cfg(test)]
#[path = "environment_tests.rs"]
mod tests;
