//! What is accepted but has no effect yet. The tables here are the only place to change when a feature lands.
//!
//! Quietly ignoring a field is a defect: every entry becomes a warning that names the field.

use bosun_proto::batch_v1::JobSpec;
use bosun_proto::core_v1::{Affinity, Container, EnvVarSource, PodSpec};

/// More warnings than these do not help anybody; the last one then says that there are more.
const WARNINGS_MAX: usize = 40;

/// A field without effect.
struct Field<T> {
    path: &'static str,
    is_set: fn(&T) -> bool,
    /// What happens instead.
    effect: &'static str,
}

const IN_PODS: &[Field<PodSpec>] = &[
    Field {
        path: "volumes",
        is_set: |spec| !spec.volumes.is_empty(),
        effect: "the process runtime mounts nothing: containers see the file system of the node",
    },
    Field {
        path: "affinity.podAffinity",
        is_set: |spec| has_affinity(spec, |affinity| affinity.pod_affinity.is_some()),
        effect: "the scheduler does not look at it yet",
    },
    Field {
        path: "affinity.podAntiAffinity",
        is_set: |spec| has_affinity(spec, |affinity| affinity.pod_anti_affinity.is_some()),
        effect: "the scheduler does not look at it yet",
    },
    Field {
        path: "topologySpreadConstraints",
        is_set: |spec| !spec.topology_spread_constraints.is_empty(),
        effect: "the scheduler does not look at them yet; it spreads the pods of one owner evenly",
    },
    Field {
        path: "schedulerName",
        is_set: |spec| !["", "default-scheduler"].contains(&spec.scheduler_name.as_str()),
        effect: "the pod waits until a scheduler of that name binds it; this cluster's own is default-scheduler",
    },
    Field {
        path: "priorityClassName",
        is_set: |spec| {
            !spec.priority_class_name.is_empty() && !spec.priority_class_name.starts_with("system-")
        },
        effect: "there are no priority classes yet: set spec.priority",
    },
    Field {
        path: "securityContext",
        is_set: |spec| {
            spec.security_context
                .as_ref()
                .is_some_and(|context| *context != Default::default())
        },
        effect: "the process runtime runs everything as the user of the agent",
    },
    Field {
        path: "hostname",
        is_set: |spec| !spec.hostname.is_empty(),
        effect: "the process runtime keeps the name of the node",
    },
    Field {
        path: "hostnameOverride",
        is_set: |spec| spec.hostname_override.is_some(),
        effect: "the process runtime keeps the name of the node",
    },
    Field {
        path: "setHostnameAsFQDN",
        is_set: |spec| spec.set_hostname_as_fqdn == Some(true),
        effect: "the process runtime keeps the name of the node",
    },
    Field {
        path: "subdomain",
        is_set: |spec| !spec.subdomain.is_empty(),
        effect: "there are no DNS names for pods",
    },
    Field {
        path: "hostAliases",
        is_set: |spec| !spec.host_aliases.is_empty(),
        effect: "the process runtime keeps the hosts file of the node",
    },
    Field {
        path: "dnsPolicy",
        is_set: |spec| ["ClusterFirstWithHostNet", "None"].contains(&spec.dns_policy.as_str()),
        effect: "the process runtime keeps the name servers of the node",
    },
    Field {
        path: "dnsConfig",
        is_set: |spec| spec.dns_config.is_some(),
        effect: "the process runtime keeps the name servers of the node",
    },
    Field {
        path: "serviceAccountName",
        is_set: |spec| !spec.service_account_name.is_empty(),
        effect: "there are no service accounts yet: the pod gets no token",
    },
    Field {
        path: "automountServiceAccountToken",
        is_set: |spec| spec.automount_service_account_token == Some(true),
        effect: "there are no service accounts yet: the pod gets no token",
    },
    Field {
        path: "runtimeClassName",
        is_set: |spec| spec.runtime_class_name.is_some(),
        effect: "the process runtime is the only one",
    },
    Field {
        path: "shareProcessNamespace",
        is_set: |spec| spec.share_process_namespace == Some(false),
        effect: "containers of the process runtime see all processes of the node",
    },
    Field {
        path: "hostUsers",
        is_set: |spec| spec.host_users == Some(false),
        effect: "the process runtime has no user name spaces",
    },
    Field {
        path: "readinessGates",
        is_set: |spec| !spec.readiness_gates.is_empty(),
        effect: "a pod is ready when its containers are",
    },
    Field {
        path: "resources",
        is_set: |spec| spec.resources.is_some(),
        effect: "resources count per container only: give them there",
    },
    Field {
        path: "resourceClaims",
        is_set: |spec| !spec.resource_claims.is_empty(),
        effect: "there are no resource claims yet",
    },
];

const IN_CONTAINERS: &[Field<Container>] = &[
    Field {
        path: "image",
        is_set: |container| !container.image.is_empty(),
        effect: "the process runtime runs commands of the host",
    },
    Field {
        path: "livenessProbe",
        is_set: |container| container.liveness_probe.is_some(),
        effect: "probes are not run yet: a container lives until its process ends",
    },
    Field {
        path: "readinessProbe",
        is_set: |container| container.readiness_probe.is_some(),
        effect: "probes are not run yet: a container is ready when its process runs",
    },
    Field {
        path: "startupProbe",
        is_set: |container| container.startup_probe.is_some(),
        effect: "probes are not run yet: a container has started when its process runs",
    },
    Field {
        path: "lifecycle",
        is_set: |container| container.lifecycle.is_some(),
        effect: "nothing is run at a container's start and end yet",
    },
    Field {
        path: "securityContext",
        is_set: |container| {
            container
                .security_context
                .as_ref()
                .is_some_and(|context| *context != Default::default())
        },
        effect: "the process runtime runs everything as the user of the agent",
    },
    Field {
        path: "envFrom",
        is_set: |container| !container.env_from.is_empty(),
        effect: "there are no ConfigMaps and Secrets yet: the variables will be missing",
    },
    Field {
        path: "resources.limits",
        is_set: |container| {
            container
                .resources
                .as_ref()
                .is_some_and(|resources| !resources.limits.is_empty())
        },
        effect: "the process runtime does not hold containers to their limits yet; requests decide on the node",
    },
    Field {
        path: "restartPolicy",
        is_set: |container| {
            container
                .restart_policy
                .as_deref()
                .is_some_and(|policy| policy != "Always")
        },
        effect: "the pod's restartPolicy decides",
    },
    Field {
        path: "restartPolicyRules",
        is_set: |container| !container.restart_policy_rules.is_empty(),
        effect: "the pod's restartPolicy decides",
    },
    Field {
        path: "terminationMessagePath",
        is_set: |container| {
            !["", "/dev/termination-log"].contains(&container.termination_message_path.as_str())
        },
        effect: "termination messages are not read yet",
    },
    Field {
        path: "stdin",
        is_set: |container| container.stdin || container.tty,
        effect: "containers cannot be attached to yet",
    },
];

const IN_SOURCES: &[Field<EnvVarSource>] = &[
    Field {
        path: "configMapKeyRef",
        is_set: |source| source.config_map_key_ref.is_some(),
        effect: "there are no ConfigMaps yet: the variable will be missing",
    },
    Field {
        path: "secretKeyRef",
        is_set: |source| source.secret_key_ref.is_some(),
        effect: "there are no Secrets yet: the variable will be missing",
    },
    Field {
        path: "fileKeyRef",
        is_set: |source| source.file_key_ref.is_some(),
        effect: "there are no volumes yet: the variable will be missing",
    },
];

const IN_JOBS: &[Field<JobSpec>] = &[Field {
    path: "successPolicy",
    is_set: |spec| spec.success_policy.is_some(),
    effect: "the Job completes when all its completions are there",
}];

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
    if let Some(spec) = spec.template.as_ref().and_then(|template| template.spec.as_ref()) {
        warnings.of_pod(spec, &format!("{path}.template.spec"));
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
            self.add(format!("{path}.{} is ignored: {}", field.path, field.effect));
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
    spec.affinity.as_ref().is_some_and(part)
}

#[cfg(test)]
#[path = "unenforced_tests.rs"]
mod tests;
