//! What may stand in the spec of a pod or of a pod template. Source of the rules: Kubernetes' pod validation.

mod container;
mod environment;
mod placement;
mod probe;
mod resources;
mod volume;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bosun_proto::core_v1::{Container, PodSpec, PodTemplateSpec};

pub(in crate::kinds) use placement::TAINT_EFFECTS;

use crate::kinds::check::Check;
use crate::kinds::{metadata, names};

/// The highest priority that is not kept for the system's own classes.
const PRIORITY_MAX: i32 = 1_000_000_000;

/// Checks a template, at the place where `check` is.
pub(in crate::kinds) fn check_template(check: &mut Check, template: &PodTemplateSpec) {
    if let Some(of_template) = &template.metadata {
        check.at("metadata", |check| {
            metadata::check_template_metadata(check, of_template);
        });
    }
    check.at("spec", |check| match &template.spec {
        None => check.required("", "describe the pods to run"),
        Some(spec) => check_spec(check, spec),
    });
}

/// Checks a spec, at the place where `check` is. Expects that defaults are filled in.
pub(super) fn check_spec(check: &mut Check, spec: &PodSpec) {
    check_policies(check, spec);
    check_containers(check, spec);
    check_host_ports(check, spec);
    volume::check_volumes(check, &spec.volumes);
    placement::check_placement(check, spec);
    check_identity(check, spec);
    check_network(check, spec);
    check_priority(check, spec);
    if let Some(overhead) = (!spec.overhead.is_empty()).then_some(&spec.overhead) {
        resources::check_amounts(check, "overhead", overhead);
    }
}

fn check_policies(check: &mut Check, spec: &PodSpec) {
    check.one_of(
        "restartPolicy",
        &spec.restart_policy,
        &["Always", "OnFailure", "Never"],
    );
    check.one_of(
        "dnsPolicy",
        &spec.dns_policy,
        &["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
    );
    if let Some(policy) = &spec.preemption_policy {
        check.one_of("preemptionPolicy", policy, &["PreemptLowerPriority", "Never"]);
    }
    if let Some(seconds) = spec.active_deadline_seconds {
        check.in_range("activeDeadlineSeconds", seconds, 1, i32::MAX.into());
    }
    if let Some(seconds) = spec.termination_grace_period_seconds {
        check.in_range("terminationGracePeriodSeconds", seconds, 0, i32::MAX.into());
    }
    if let Some(os) = &spec.os {
        check.one_of("os.name", &os.name, &["linux", "windows"]);
    }
    check.each("readinessGates", &spec.readiness_gates, |check, gate| {
        check.text("conditionType", names::qualified_name(&gate.condition_type));
    });
    if !spec.ephemeral_containers.is_empty() {
        check.forbidden(
            "ephemeralContainers",
            "they can only be added to a running pod: leave them out",
        );
    }
}

fn check_containers(check: &mut Check, spec: &PodSpec) {
    if spec.containers.is_empty() {
        check.required("containers", "give at least one container");
    }
    let volumes: BTreeMap<_, _> = spec
        .volumes
        .iter()
        .map(|volume| (volume.name.as_str(), volume.volume_source.as_ref()))
        .collect();
    let mut taken = BTreeSet::new();
    let mut check_one = |check: &mut Check, container: &Container, is_init: bool| {
        check.text("name", names::dns_label(&container.name));
        if !taken.insert(container.name.clone()) {
            check.duplicate(
                "name",
                format!(
                    "another container is called {} already",
                    names::quoted(&container.name)
                ),
            );
        }
        container::check_container(check, container, &volumes, is_init);
    };
    check.each("initContainers", &spec.init_containers, |check, container| {
        check_one(check, container, true);
    });
    check.each("containers", &spec.containers, |check, container| {
        check_one(check, container, false);
    });
}

/// Two containers cannot listen on one port of the node.
fn check_host_ports(check: &mut Check, spec: &PodSpec) {
    let mut taken = BTreeSet::new();
    let sidecars = spec
        .init_containers
        .iter()
        .enumerate()
        .filter(|(_, container)| container::is_sidecar(container));
    let sidecars = sidecars.map(|(index, container)| (format!("initContainers[{index}]"), container));
    let containers = spec.containers.iter().enumerate();
    let containers = containers.map(|(index, container)| (format!("containers[{index}]"), container));
    for (path, container) in sidecars.chain(containers) {
        check.at(&path, |check| {
            check.each("ports", &container.ports, |check, port| {
                let taken_before =
                    !taken.insert((port.host_ip.clone(), port.host_port, port.protocol.clone()));
                if port.host_port != 0 && taken_before {
                    check.duplicate(
                        "hostPort",
                        format!("port {} of the node is used twice in this pod", port.host_port),
                    );
                }
                if spec.host_network && port.host_port != port.container_port {
                    check.invalid(
                        "hostPort",
                        "with hostNetwork it must be the same as containerPort, or left out",
                    );
                }
            });
        });
    }
}

fn check_identity(check: &mut Check, spec: &PodSpec) {
    let subdomains = [
        ("nodeName", spec.node_name.as_str()),
        ("serviceAccountName", &spec.service_account_name),
        ("schedulerName", &spec.scheduler_name),
        ("priorityClassName", &spec.priority_class_name),
        (
            "runtimeClassName",
            spec.runtime_class_name.as_deref().unwrap_or_default(),
        ),
    ];
    for (field, name) in subdomains.into_iter().filter(|(_, name)| !name.is_empty()) {
        check.text(field, names::dns_subdomain(name));
    }
    if let Some(security) = &spec.security_context {
        check.at("securityContext", |check| {
            let ids = [
                ("runAsUser", security.run_as_user),
                ("runAsGroup", security.run_as_group),
                ("fsGroup", security.fs_group),
            ];
            for (field, id) in ids.into_iter().filter_map(|(field, id)| Some((field, id?))) {
                check.in_range(field, id, 0, i32::MAX.into());
            }
            check.each(
                "supplementalGroups",
                &security.supplemental_groups,
                |check, id| {
                    check.in_range("", *id, 0, i32::MAX.into());
                },
            );
        });
    }
    if spec.share_process_namespace == Some(true) && spec.host_pid {
        check.invalid(
            "shareProcessNamespace",
            "cannot be combined with hostPID: choose one",
        );
    }
}

fn check_network(check: &mut Check, spec: &PodSpec) {
    for (field, label) in [("hostname", &spec.hostname), ("subdomain", &spec.subdomain)] {
        if !label.is_empty() {
            check.text(field, names::dns_label(label));
        }
    }
    check.each("hostAliases", &spec.host_aliases, |check, alias| {
        check_address(check, "ip", &alias.ip);
        check.each("hostnames", &alias.hostnames, |check, name| {
            check.text("", names::dns_subdomain(name));
        });
    });
    if let Some(config) = &spec.dns_config {
        check.at("dnsConfig", |check| {
            check.each("nameservers", &config.nameservers, |check, address| {
                check_address(check, "", address);
            });
        });
    }
    if spec.dns_policy == "None"
        && spec
            .dns_config
            .as_ref()
            .is_none_or(|config| config.nameservers.is_empty())
    {
        check.required(
            "dnsConfig.nameservers",
            "dnsPolicy None takes nothing from the cluster: give at least one",
        );
    }
}

fn check_address(check: &mut Check, field: &str, address: &str) {
    if address.parse::<IpAddr>().is_err() {
        check.invalid(field, format!("{} is not an IP address", names::quoted(address)));
    }
}

fn check_priority(check: &mut Check, spec: &PodSpec) {
    if let Some(priority) = spec.priority
        && priority > PRIORITY_MAX
        && !spec.priority_class_name.starts_with("system-")
    {
        let message = format!("{priority} is kept for the system's own pods: use at most {PRIORITY_MAX}");
        check.invalid("priority", message);
    }
}

#[cfg(test)]
#[path = "../validation_tests.rs"]
mod tests;
