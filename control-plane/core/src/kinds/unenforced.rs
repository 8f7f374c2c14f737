//! What is accepted but has no effect yet. The tables here are the only place to change when a feature lands.
//!
//! Quietly ignoring a field is a defect: every entry becomes a warning that names the field.

use bosun_proto::batch_v1::JobSpec;
use bosun_proto::core_v1::{Affinity, Container, EnvVarSource, PodSpec};

/// More warnings than these do not help anybody; the last one then says that there are more.
const WARNINGS_MAX: usize = 40;

/// A field without its effect.
struct Field<T> {
    path: &'static str,
    is_set: fn(&T) -> bool,
    /// What happens instead; follows the path in the warning.
    effect: &'static str,
}

const IN_PODS: &[Field<PodSpec>] = &[
    Field {
        path: "volumes",
        is_set: |spec| !spec.volumes.is_empty(),
        effect: "is ignored: the process runtime mounts nothing: containers see the file system of the node",
    },
    Field {
        path: "affinity.podAffinity",
        is_set: |spec| has_affinity(spec, |affinity| affinity.pod_affinity.is_some()),
        effect: "is ignored: the scheduler does not look at it yet",
    },
    Field {
        path: "affinity.podAntiAffinity",
        is_set: |spec| has_affinity(spec, |affinity| affinity.pod_anti_affinity.is_some()),
        effect: "is ignored: the scheduler does not look at it yet",
    },
    Field {
        path: "topologySpreadConstraints",
        is_set: |spec| !spec.topology_spread_constraints.is_empty(),
        effect: "is ignored: the scheduler does not look at them yet; it spreads the pods of one owner evenly",
    },
    Field {
        path: "schedulerName",
        is_set: |spec| !["", "default-scheduler"].contains(&spec.scheduler_name.as_str()),
        effect: "names no scheduler of this cluster: the pod waits until something else binds it; leave it out for the default",
    },
    Field {
        path: "priorityClassName",
        is_set: |spec| {
            !spec.priority_class_name.is_empty() && !spec.priority_class_name.starts_with("system-")
        },
        effect: "is ignored: there are no priority classes yet: set spec.priority",
    },
    Field {
        path: "securityContext",
        is_set: |spec| {
            spec.security_context
                .as_ref()
                .is_some_and(|context| *context != Default::default())
        },
        effect: "is ignored: the process runtime runs everything as the user of the agent",
    },
    Field {
        path: "hostname",
        is_set: |spec| !spec.hostname.is_empty(),
        effect: "only sets the variable HOSTNAME: the process runtime keeps the name of the node",
    },
    Field {
        path: "hostnameOverride",
        is_set: |spec| spec.hostname_override.is_some(),
        effect: "is ignored: the process runtime keeps the name of the node",
    },
    Field {
        path: "setHostnameAsFQDN",
        is_set: |spec| spec.set_hostname_as_fqdn == Some(true),
        effect: "is ignored: the process runtime keeps the name of the node",
    },
    Field {
        path: "subdomain",
        is_set: |spec| !spec.subdomain.is_empty(),
        effect: "is ignored: there are no DNS names for pods",
    },
    Field {
        path: "hostAliases",
        is_set: |spec| !spec.host_aliases.is_empty(),
        effect: "is ignored: the process runtime keeps the hosts file of the node",
    },
    Field {
        path: "dnsPolicy",
        is_set: |spec| ["ClusterFirstWithHostNet", "None"].contains(&spec.dns_policy.as_str()),
        effect: "is ignored: the process runtime keeps the name servers of the node",
    },
    Field {
        path: "dnsConfig",
        is_set: |spec| spec.dns_config.is_some(),
        effect: "is ignored: the process runtime keeps the name servers of the node",
    },
    Field {
        path: "serviceAccountName",
        is_set: |spec| !spec.service_account_name.is_empty(),
        effect: "is ignored: there are no service accounts yet: the pod gets no token",
    },
    Field {
        path: "automountServiceAccountToken",
        is_set: |spec| spec.automount_service_account_token == Some(true),
        effect: "is ignored: there are no service accounts yet: the pod gets no token",
    },
    Field {
        path: "runtimeClassName",
        is_set: |spec| spec.runtime_class_name.is_some(),
        effect: "is ignored: the process runtime is the only one",
    },
    Field {
        path: "shareProcessNamespace",
        is_set: |spec| spec.share_process_namespace == Some(false),
        effect: "is ignored: containers of the process runtime see all processes of the node",
    },
    Field {
        path: "hostUsers",
        is_set: |spec| spec.host_users == Some(false),
        effect: "is ignored: the process runtime has no user name spaces",
    },
    Field {
        path: "readinessGates",
        is_set: |spec| !spec.readiness_gates.is_empty(),
        effect: "is ignored: a pod is ready when its containers are",
    },
    Field {
        path: "resources",
        is_set: |spec| spec.resources.is_some(),
        effect: "is ignored: resources count per container only: give them there",
    },
    Field {
        path: "resourceClaims",
        is_set: |spec| !spec.resource_claims.is_empty(),
        effect: "is ignored: there are no resource claims yet",
    },
    Field {
        path: "schedulingGroup",
        is_set: |spec| spec.scheduling_group.is_some(),
        effect: "is ignored: there are no pod groups: the scheduler places each pod by itself",
    },
    Field {
        path: "evictionResponders",
        is_set: |spec| !spec.eviction_responders.is_empty(),
        effect: "is ignored: nobody is asked before a pod is evicted",
    },
];

const IN_JOBS: &[Field<JobSpec>] = &[Field {
    path: "scheduling",
    is_set: |spec| spec.scheduling.is_some(),
    effect: "is ignored: the scheduler places each pod by itself, as with the basic policy",
}];

const IN_CONTAINERS: &[Field<Container>] = &[
    Field {
        path: "image",
        is_set: |container| !container.image.is_empty(),
        effect: "is ignored: the process runtime runs commands of the host",
    },
    Field {
        path: "livenessProbe",
        is_set: |container| container.liveness_probe.is_some(),
        effect: "is ignored: probes are not run yet: a container lives until its process ends",
    },
    Field {
        path: "readinessProbe",
        is_set: |container| container.readiness_probe.is_some(),
        effect: "is ignored: probes are not run yet: a container is ready when its process runs",
    },
    Field {
        path: "startupProbe",
        is_set: |container| container.startup_probe.is_some(),
        effect: "is ignored: probes are not run yet: a container has started when its process runs",
    },
    Field {
        path: "lifecycle",
        is_set: |container| container.lifecycle.is_some(),
        effect: "is ignored: nothing is run at a container's start and end yet",
    },
    Field {
        path: "securityContext",
        is_set: |container| {
            container
                .security_context
                .as_ref()
                .is_some_and(|context| *context != Default::default())
        },
        effect: "is ignored: the process runtime runs everything as the user of the agent",
    },
    Field {
        path: "envFrom",
        is_set: |container| !container.env_from.is_empty(),
        effect: "cannot be met: there are no ConfigMaps and Secrets yet, so the container does not start unless all are optional",
    },
    Field {
        path: "resources.limits",
        is_set: |container| {
            container
                .resources
                .as_ref()
                .is_some_and(|resources| !resources.limits.is_empty())
        },
        effect: "holds for cpu and memory, and only on nodes whose agent may use control groups; elsewhere it is ignored",
    },
    Field {
        path: "restartPolicyRules",
        is_set: |container| {
            container
                .restart_policy_rules
                .iter()
                .any(|rule| rule.action == "RestartAllContainers")
        },
        effect: "is ignored where the action is RestartAllContainers: nothing restarts all containers yet",
    },
    Field {
        path: "terminationMessagePath",
        is_set: |container| {
            !["", "/dev/termination-log"].contains(&container.termination_message_path.as_str())
        },
        effect: "is ignored: termination messages are not read yet",
    },
    Field {
        path: "terminationMessagePolicy",
        is_set: |container| !["", "File"].contains(&container.termination_message_policy.as_str()),
        effect: "is ignored: termination messages are not read yet",
    },
    Field {
        path: "volumeMounts.bindMountOptions",
        is_set: |container| {
            let mut mounts = container.volume_mounts.iter();
            mounts.any(|mount| !mount.bind_mount_options.is_empty())
        },
        effect: "is ignored: the process runtime mounts nothing",
    },
    Field {
        path: "stdin",
        is_set: |container| container.stdin || container.tty,
        effect: "is ignored: containers cannot be attached to yet",
    },
];

const IN_SOURCES: &[Field<EnvVarSource>] = &[
    Field {
        path: "configMapKeyRef",
        is_set: |source| source.config_map_key_ref.is_some(),
        effect: "cannot be met: there are no ConfigMaps yet, so the container does not start unless it is optional",
    },
    Field {
        path: "secretKeyRef",
        is_set: |source| source.secret_key_ref.is_some(),
        effect: "cannot be met: there are no Secrets yet, so the container does not start unless it is optional",
    },
    Field {
        path: "fileKeyRef",
        is_set: |source| source.file_key_ref.is_some(),
        effect: "cannot be met: there are no volumes yet, so the container does not start unless it is optional",
    },
];

/// The warnings about a pod's spec, which is at `path`.
pub(super) fn of_pod(spec: &PodSpec, path: &str) -> Vec<String> {
    let mut warnings = Warnings::default();
    warnings.of_pod(spec, path);
    warnings.texts
}

/// The warnings about a Job's spec, which is at `path`.
pub(super) fn of_job(spec: &JobSpec, path: &str) -> Vec<String> {
    let mut warnings = Warnings::default();
    warnings.of(IN_JOBS, spec, path);
    if let Some(pods) = spec.template.as_ref().and_then(|template| template.spec.as_ref()) {
        warnings.of_pod(pods, &format!("{path}.template.spec"));
    }
    warnings.texts
}

#[derive(Default)]
struct Warnings {
    texts: Vec<String>,
}

impl Warnings {
    fn of_pod(&mut self, spec: &PodSpec, path: &str) {
        self.of(IN_PODS, spec, path);
        for (field, containers) in [
            ("initContainers", &spec.init_containers),
            ("containers", &spec.containers),
        ] {
            for (index, container) in containers.iter().enumerate() {
                let path = format!("{path}.{field}[{index}]");
                self.of(IN_CONTAINERS, container, &path);
                self.of_environment(container, &path);
                if container.command.is_empty() {
                    self.add(format!(
                        "{path}.command: missing: the container will fail to start on the process runtime, which cannot \
                         take a command from the image; give one"
                    ));
                }
            }
        }
    }

    fn of_environment(&mut self, container: &Container, path: &str) {
        for (index, variable) in container.env.iter().enumerate() {
            if let Some(source) = &variable.value_from {
                self.of(IN_SOURCES, source, &format!("{path}.env[{index}].valueFrom"));
            }
        }
    }

    fn of<T>(&mut self, fields: &[Field<T>], value: &T, path: &str) {
        for field in fields.iter().filter(|field| (field.is_set)(value)) {
            self.add(format!("{path}.{} {}", field.path, field.effect));
        }
    }

    fn add(&mut self, text: String) {
        match self.texts.len() {
            ..WARNINGS_MAX => self.texts.push(text),
            WARNINGS_MAX => self
                .texts
                .push("and more fields without effect further down".into()),
            _ => {}
        }
    }
}

fn has_affinity(spec: &PodSpec, part: fn(&Affinity) -> bool) -> bool {
    spec.affinity.as_deref().is_some_and(part)
}

#[cfg(test)]
#[path = "unenforced_tests.rs"]
mod tests;
