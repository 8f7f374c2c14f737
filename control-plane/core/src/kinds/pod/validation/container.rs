//! The rules for one container.

use std::collections::{BTreeMap, BTreeSet};

use bosun_proto::core_v1::{Container, ContainerPort, SecurityContext, VolumeMount, VolumeSource};

use super::{environment, probe, resources, volume};
use crate::kinds::check::Check;
use crate::kinds::names;

/// The numbers a port may have.
pub(super) const PORTS: (i64, i64) = (1, 65_535);
/// Where containers share the process's own name space; mount paths hold it as a separator elsewhere.
const SEPARATOR: char = ':';

/// True for an init container that keeps running beside the app containers.
pub(super) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// Everything but the name, which must be unique in the pod.
pub(super) fn check_container(
    check: &mut Check,
    container: &Container,
    volumes: &BTreeMap<&str, Option<&VolumeSource>>,
    is_init: bool,
) {
    if container.image.is_empty() {
        check.required(
            "image",
            "name an image; the process runtime ignores it, other runtimes need it",
        );
    } else if container.image.trim() != container.image {
        check.invalid(
            "image",
            format!(
                "{} has white space at its ends: remove it",
                names::quoted(&container.image)
            ),
        );
    }
    check.one_of_or_absent(
        "imagePullPolicy",
        &container.image_pull_policy,
        &["Always", "IfNotPresent", "Never"],
    );
    let policies = ["File", "FallbackToLogsOnError"];
    check.one_of_or_absent(
        "terminationMessagePolicy",
        &container.termination_message_policy,
        &policies,
    );
    check_ports(check, &container.ports);
    environment::check_environment(check, container);
    if let Some(requirements) = &container.resources {
        check.at("resources", |check| {
            resources::check_requirements(check, requirements);
        });
    }
    check_mounts(check, &container.volume_mounts, volumes);
    check_devices(check, container, volumes);
    probe::check_probes(check, container, is_init);
    check_restart(check, container, is_init);
    if let Some(security) = &container.security_context {
        check.at("securityContext", |check| check_security(check, security));
    }
}

fn check_ports(check: &mut Check, ports: &[ContainerPort]) {
    let mut taken = BTreeSet::new();
    check.each("ports", ports, |check, port| {
        if !port.name.is_empty() {
            check.text("name", names::port_name(&port.name));
            if !taken.insert(port.name.clone()) {
                check.duplicate(
                    "name",
                    format!("another port is called {} already", names::quoted(&port.name)),
                );
            }
        }
        check.in_range("containerPort", port.container_port, PORTS.0, PORTS.1);
        if port.host_port != 0 {
            check.in_range("hostPort", port.host_port, PORTS.0, PORTS.1);
        }
        check.one_of_or_absent("protocol", &port.protocol, &["TCP", "UDP", "SCTP"]);
        if !port.host_ip.is_empty() {
            super::check_address(check, "hostIP", &port.host_ip);
        }
    });
}

fn check_mounts(check: &mut Check, mounts: &[VolumeMount], volumes: &BTreeMap<&str, Option<&VolumeSource>>) {
    let mut taken = BTreeSet::new();
    check.each("volumeMounts", mounts, |check, mount| {
        if mount.name.is_empty() {
            check.required("name", "say which of spec.volumes to mount");
        } else if !volumes.contains_key(mount.name.as_str()) {
            let name = names::quoted(&mount.name);
            check.invalid(
                "name",
                format!("there is no volume {name} in spec.volumes: add it there or correct the name"),
            );
        }
        if mount.mount_path.is_empty() {
            check.required("mountPath", "say where in the container the volume appears");
        } else if mount.mount_path.contains(SEPARATOR) {
            check.invalid("mountPath", format!("must not contain '{SEPARATOR}'"));
        } else if !taken.insert(mount.mount_path.clone()) {
            check.duplicate(
                "mountPath",
                format!(
                    "another volume is mounted at {} already",
                    names::quoted(&mount.mount_path)
                ),
            );
        }
        for (field, path) in [
            ("subPath", &mount.sub_path),
            ("subPathExpr", &mount.sub_path_expr),
        ] {
            check.text(field, names::path_below(path));
        }
        if !mount.sub_path.is_empty() && !mount.sub_path_expr.is_empty() {
            check.invalid("subPathExpr", "cannot be combined with subPath: choose one");
        }
        if let Some(propagation) = &mount.mount_propagation {
            check.one_of(
                "mountPropagation",
                propagation,
                &["None", "HostToContainer", "Bidirectional"],
            );
        }
    });
}

fn check_devices(check: &mut Check, container: &Container, volumes: &BTreeMap<&str, Option<&VolumeSource>>) {
    check.each("volumeDevices", &container.volume_devices, |check, device| {
        let is_claim = volumes
            .get(device.name.as_str())
            .copied()
            .flatten()
            .is_some_and(volume::is_claim);
        if !is_claim {
            let name = names::quoted(&device.name);
            check.invalid(
                "name",
                format!("{name} must be one of spec.volumes, from a persistentVolumeClaim"),
            );
        }
        if device.device_path.is_empty() {
            check.required("devicePath", "say where in the container the device appears");
        }
    });
}

fn check_restart(check: &mut Check, container: &Container, is_init: bool) {
    if let Some(policy) = &container.restart_policy {
        check.one_of("restartPolicy", policy, &["Always", "OnFailure", "Never"]);
    }
    if !container.restart_policy_rules.is_empty() && container.restart_policy.is_none() {
        check.required(
            "restartPolicy",
            "restartPolicyRules are exceptions to it: set it, too",
        );
    }
    if !container.restart_policy_rules.is_empty() && is_init && is_sidecar(container) {
        check.forbidden(
            "restartPolicyRules",
            "a sidecar is always restarted: leave them out",
        );
    }
    check.each(
        "restartPolicyRules",
        &container.restart_policy_rules,
        |check, rule| {
            check.one_of("action", &rule.action, &["Restart", "RestartAllContainers"]);
            match &rule.exit_codes {
                None => check.required("exitCodes", "say which exit codes the rule is for"),
                Some(codes) => {
                    check.one_of("exitCodes.operator", &codes.operator, &["In", "NotIn"]);
                    if codes.values.is_empty() {
                        check.required("exitCodes.values", "give at least one exit code");
                    }
                }
            }
        },
    );
}

fn check_security(check: &mut Check, security: &SecurityContext) {
    for (field, id) in [
        ("runAsUser", security.run_as_user),
        ("runAsGroup", security.run_as_group),
    ] {
        if let Some(id) = id {
            check.in_range(field, id, 0, i32::MAX.into());
        }
    }
    if let Some(mount) = &security.proc_mount {
        check.one_of("procMount", mount, &["Default", "Unmasked"]);
    }
    if security.privileged == Some(true) && security.allow_privilege_escalation == Some(false) {
        check.invalid(
            "allowPrivilegeEscalation",
            "cannot be false for a privileged container",
        );
    }
}
