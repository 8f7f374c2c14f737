//! What a pod's spec says where its author said nothing. Source: Kubernetes' defaults for pods and pod templates, and what its
//! admission adds to pods (tolerations of a short absence of the node, priority).

use bosun_proto::core_v1::{
    Container, DownwardApiVolumeFile, EnvVar, Lifecycle, LifecycleHandler, ObjectFieldSelector, PodSpec,
    Probe, Toleration, Volume, VolumeProjection, VolumeSource,
};

use super::DEFAULT_GRACE_SECONDS;

/// How long a pod stays bound to a node that is away, when it does not say.
const ABSENCE_TOLERATED_SECONDS: i64 = 300;
/// The taints of a node that is away.
const ABSENCE_TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
/// `rw-r--r--`: the mode of files in volumes.
const FILE_MODE: i32 = 0o644;
/// How long a projected token is valid.
const TOKEN_SECONDS: i64 = 3_600;
/// The priorities of the two classes that exist without being created.
const SYSTEM_PRIORITIES: [(&str, i32); 2] = [
    ("system-cluster-critical", 2_000_000_000),
    ("system-node-critical", 2_000_001_000),
];

/// Fills in what a pod has and a template has not.
pub(super) fn fill_pod(spec: &mut PodSpec) {
    fill_template(spec);
    for container in spec.init_containers.iter_mut().chain(&mut spec.containers) {
        let resources = container.resources.get_or_insert_default();
        for (name, limit) in &resources.limits {
            resources
                .requests
                .entry(name.clone())
                .or_insert_with(|| limit.clone());
        }
    }
    spec.enable_service_links.get_or_insert(true);
    let class = SYSTEM_PRIORITIES
        .iter()
        .find(|(class, _)| *class == spec.priority_class_name);
    spec.priority
        .get_or_insert(class.map_or(0, |(_, priority)| *priority));
    spec.preemption_policy
        .get_or_insert_with(|| "PreemptLowerPriority".into());
    for taint in ABSENCE_TAINTS {
        tolerate_absence(&mut spec.tolerations, taint);
    }
}

/// Fills in what both pods and the templates in other kinds have.
pub(in crate::kinds) fn fill_template(spec: &mut PodSpec) {
    or_text(&mut spec.dns_policy, "ClusterFirst");
    or_text(&mut spec.restart_policy, "Always");
    or_text(&mut spec.scheduler_name, "default-scheduler");
    spec.security_context.get_or_insert_default();
    spec.termination_grace_period_seconds
        .get_or_insert(DEFAULT_GRACE_SECONDS);
    let account = [&spec.service_account_name, &spec.service_account]
        .into_iter()
        .find(|name| !name.is_empty())
        .cloned();
    if let Some(account) = account {
        spec.service_account.clone_from(&account);
        spec.service_account_name = account;
    }
    let host_network = spec.host_network;
    for container in spec.init_containers.iter_mut().chain(&mut spec.containers) {
        fill_container(container, host_network);
    }
    for volume in &mut spec.volumes {
        fill_volume(volume);
    }
}

fn fill_container(container: &mut Container, host_network: bool) {
    or_text(&mut container.image_pull_policy, pull_policy(&container.image));
    or_text(&mut container.termination_message_path, "/dev/termination-log");
    or_text(&mut container.termination_message_policy, "File");
    container.resources.get_or_insert_default();
    for port in &mut container.ports {
        or_text(&mut port.protocol, "TCP");
        if host_network && port.host_port == 0 {
            port.host_port = port.container_port;
        }
    }
    for variable in &mut container.env {
        fill_environment(variable);
    }
    let probes = [
        &mut container.liveness_probe,
        &mut container.readiness_probe,
        &mut container.startup_probe,
    ];
    for probe in probes.into_iter().flatten() {
        fill_probe(probe);
    }
    if let Some(lifecycle) = &mut container.lifecycle {
        let Lifecycle {
            post_start, pre_stop, ..
        } = lifecycle.as_mut();
        for LifecycleHandler { http_get, .. } in [post_start, pre_stop].into_iter().flatten() {
            fill_http_get(http_get.as_mut());
        }
    }
}

/// A moving tag may mean another image tomorrow: it is pulled each time.
fn pull_policy(image: &str) -> &'static str {
    let last_step = image.rsplit('/').next().unwrap_or(image);
    let moves = match (last_step.split_once(':'), last_step.contains('@')) {
        (_, true) => false,
        (Some((_, tag)), false) => tag == "latest",
        (None, false) => !image.is_empty(),
    };
    if moves { "Always" } else { "IfNotPresent" }
}

fn fill_environment(variable: &mut EnvVar) {
    let Some(source) = &mut variable.value_from else {
        return;
    };
    fill_field_selector(source.field_ref.as_mut());
    if let Some(resource) = &mut source.resource_field_ref {
        resource.divisor.get_or_insert_with(|| "0".into());
    }
}

fn fill_field_selector(selector: Option<&mut ObjectFieldSelector>) {
    if let Some(selector) = selector {
        or_text(&mut selector.api_version, "v1");
    }
}

fn fill_probe(probe: &mut Probe) {
    or_number(&mut probe.timeout_seconds, 1);
    or_number(&mut probe.period_seconds, 10);
    or_number(&mut probe.success_threshold, 1);
    or_number(&mut probe.failure_threshold, 3);
    if let Some(handler) = &mut probe.handler {
        fill_http_get(handler.http_get.as_mut());
        if let Some(grpc) = &mut handler.grpc {
            grpc.service.get_or_insert_default();
        }
    }
}

fn fill_http_get(action: Option<&mut bosun_proto::core_v1::HttpGetAction>) {
    if let Some(action) = action {
        or_text(&mut action.path, "/");
        or_text(&mut action.scheme, "HTTP");
    }
}

fn fill_volume(volume: &mut Volume) {
    let source = volume.volume_source.get_or_insert_default();
    if *source == VolumeSource::default() {
        source.empty_dir = Some(Box::default());
    }
    if let Some(host_path) = &mut source.host_path {
        host_path.r#type.get_or_insert_default();
    }
    if let Some(secret) = &mut source.secret {
        secret.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(config_map) = &mut source.config_map {
        config_map.default_mode.get_or_insert(FILE_MODE);
    }
    if let Some(downward) = &mut source.downward_api {
        downward.default_mode.get_or_insert(FILE_MODE);
        fill_downward(&mut downward.items);
    }
    if let Some(projected) = &mut source.projected {
        projected.default_mode.get_or_insert(FILE_MODE);
        projected.sources.iter_mut().for_each(fill_projection);
    }
    if let Some(claim) = source
        .ephemeral
        .as_mut()
        .and_then(|ephemeral| ephemeral.volume_claim_template.as_mut())
    {
        claim
            .spec
            .get_or_insert_default()
            .volume_mode
            .get_or_insert_with(|| "Filesystem".into());
    }
    if let Some(image) = &mut source.image {
        or_text(&mut image.pull_policy, pull_policy(&image.reference));
    }
}

fn fill_projection(projection: &mut VolumeProjection) {
    if let Some(downward) = &mut projection.downward_api {
        fill_downward(&mut downward.items);
    }
    if let Some(token) = &mut projection.service_account_token {
        token.expiration_seconds.get_or_insert(TOKEN_SECONDS);
    }
}

fn fill_downward(items: &mut [DownwardApiVolumeFile]) {
    for item in items {
        fill_field_selector(item.field_ref.as_mut());
        if let Some(resource) = &mut item.resource_field_ref {
            resource.divisor.get_or_insert_with(|| "0".into());
        }
    }
}

/// Adds the toleration unless the pod has one that covers the taint already.
fn tolerate_absence(tolerations: &mut Vec<Toleration>, taint: &str) {
    let covers = |toleration: &Toleration| {
        (toleration.key == taint || toleration.key.is_empty() && toleration.operator == "Exists")
            && (toleration.effect == "NoExecute" || toleration.effect.is_empty())
    };
    if !tolerations.iter().any(covers) {
        tolerations.push(Toleration {
            key: taint.into(),
            operator: "Exists".into(),
            effect: "NoExecute".into(),
            toleration_seconds: Some(ABSENCE_TOLERATED_SECONDS),
            ..Toleration::default()
        });
    }
}

fn or_text(text: &mut String, default: &str) {
    if text.is_empty() {
        default.clone_into(text);
    }
}

fn or_number(number: &mut i32, default: i32) {
    if *number == 0 {
        *number = default;
    }
}
