//! Compares our schema with upstream's, as the crates k8s-openapi (JSON) and k8s-pb (binary) have it, for whole objects in
//! which every field is set.
#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "upstream/full.rs"]
mod full;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use bosun_proto::{FILE_DESCRIPTOR_SET, Kind, Object};
use k8s_openapi::api::apps::v1 as open_apps;
use k8s_openapi::api::batch::v1 as open_batch;
use k8s_openapi::api::core::v1 as open_core;
use prost::Message;
use prost_types::FileDescriptorSet;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Fields of Kubernetes 1.36 and 1.37, which k8s-openapi has and k8s-pb (1.35) does not: message, field, number. The numbers
/// are upstream's: its files generated.proto of core/v1 and batch/v1 soon after the release of 1.37.0 (kubernetes at 121460de
/// and fde22c3f), and that of scheduling/v1alpha3 of the same time. What k8s-pb learns can leave this list.
const NEWER: [(&str, &str, i32); 57] = [
    ("core.v1.ClusterTrustBundleProjection", "user", 6),
    ("core.v1.ConfigMapVolumeSource", "defaultUser", 5),
    ("core.v1.DownwardAPIVolumeFile", "user", 5),
    ("core.v1.DownwardAPIVolumeSource", "defaultUser", 3),
    ("core.v1.EmptyDirVolumeSource", "mode", 3),
    ("core.v1.EvictionResponder", "name", 1),
    ("core.v1.EvictionResponder", "priority", 2),
    ("core.v1.GRPCAction", "mode", 3),
    ("core.v1.HTTPGetAction", "protocol", 6),
    ("core.v1.ImageVolumeStatus", "imageRef", 1),
    ("core.v1.KeyToPath", "user", 4),
    ("core.v1.NodeAllocatableMappedResources", "name", 1),
    ("core.v1.NodeAllocatableMappedResources", "quantity", 2),
    ("core.v1.NodeAllocatableOverheadResources", "name", 1),
    ("core.v1.NodeAllocatableOverheadResources", "perPod", 2),
    ("core.v1.NodeAllocatableOverheadResources", "perContainer", 3),
    (
        "core.v1.NodeAllocatableResourceClaimStatus",
        "resourceClaimName",
        1,
    ),
    ("core.v1.NodeAllocatableResourceClaimStatus", "containers", 2),
    ("core.v1.NodeAllocatableResourceClaimStatus", "mapping", 4),
    ("core.v1.NodeAllocatableResourceClaimStatus", "overhead", 5),
    ("core.v1.NodePodPreemptionPolicy", "disableResizePreemption", 1),
    ("core.v1.NodeSpec", "podPreemptionPolicy", 8),
    ("core.v1.NodeSystemInfo", "runningInUserNamespace", 12),
    ("core.v1.PodCertificateProjection", "user", 8),
    ("core.v1.PodSchedulingGroup", "podGroupName", 1),
    ("core.v1.PodSpec", "schedulingGroup", 43),
    ("core.v1.PodSpec", "evictionResponders", 44),
    ("core.v1.PodStatus", "nodeAllocatableResourceClaimStatuses", 21),
    ("core.v1.PodStatus", "volumeHealth", 22),
    ("core.v1.PodVolumeHealth", "name", 1),
    ("core.v1.PodVolumeHealth", "healthConditions", 2),
    ("core.v1.PodVolumeHealth", "lastTransitionTime", 3),
    ("core.v1.ProjectedVolumeSource", "defaultUser", 3),
    ("core.v1.ResourceHealth", "message", 6),
    ("core.v1.SecretVolumeSource", "defaultUser", 5),
    ("core.v1.ServiceAccountTokenProjection", "user", 4),
    ("core.v1.VolumeHealthCondition", "status", 1),
    ("core.v1.VolumeHealthCondition", "reason", 2),
    ("core.v1.VolumeHealthCondition", "message", 3),
    ("core.v1.VolumeMount", "bindMountOptions", 8),
    ("core.v1.VolumeMountStatus", "volumeStatus", 5),
    ("core.v1.VolumeStatus", "image", 1),
    ("batch.v1.JobSchedulingConfiguration", "schedulingPolicy", 1),
    ("batch.v1.JobSchedulingConfiguration", "schedulingConstraints", 2),
    ("batch.v1.JobSchedulingConfiguration", "disruptionMode", 3),
    ("batch.v1.JobSchedulingConfiguration", "resourceClaims", 4),
    ("batch.v1.JobSpec", "scheduling", 17),
    ("scheduling.v1alpha3.TopologyConstraint", "key", 1),
    ("scheduling.v1alpha3.WorkloadPodGroupDisruptionMode", "single", 1),
    ("scheduling.v1alpha3.WorkloadPodGroupDisruptionMode", "all", 2),
    (
        "scheduling.v1alpha3.WorkloadPodGroupGangSchedulingPolicy",
        "minCount",
        1,
    ),
    ("scheduling.v1alpha3.WorkloadPodGroupResourceClaim", "name", 1),
    (
        "scheduling.v1alpha3.WorkloadPodGroupResourceClaim",
        "resourceClaimName",
        2,
    ),
    (
        "scheduling.v1alpha3.WorkloadPodGroupResourceClaim",
        "resourceClaimTemplateName",
        3,
    ),
    (
        "scheduling.v1alpha3.WorkloadPodGroupSchedulingConstraints",
        "topology",
        1,
    ),
    ("scheduling.v1alpha3.WorkloadPodGroupSchedulingPolicy", "basic", 1),
    ("scheduling.v1alpha3.WorkloadPodGroupSchedulingPolicy", "gang", 2),
];

/// Where those fields stand in an object: the last two names of their paths. k8s-pb would lose them.
const NEWER_IN_JSON: [&str; 21] = [
    "clusterTrustBundle.user",
    "configMap.defaultUser",
    "downwardAPI.defaultUser",
    "emptyDir.mode",
    "grpc.mode",
    "httpGet.protocol",
    "items.user",
    "nodeInfo.runningInUserNamespace",
    "podCertificate.user",
    "projected.defaultUser",
    "resources.message",
    "secret.defaultUser",
    "serviceAccountToken.user",
    "spec.evictionResponders",
    "spec.podPreemptionPolicy",
    "spec.scheduling",
    "spec.schedulingGroup",
    "status.nodeAllocatableResourceClaimStatuses",
    "status.volumeHealth",
    "volumeMounts.bindMountOptions",
    "volumeMounts.volumeStatus",
];

/// Checks an object of the kind with every field set, and gives the newer fields that it has.
fn check_kind<Open, Binary>(kind: Kind) -> BTreeSet<String>
where
    Open: for<'de> Deserialize<'de> + Serialize,
    Binary: Message + Default + Debug,
{
    let full: Open = full::full(kind.api_version(), kind.info().kind);
    let mut upstream = serde_json::to_value(&full).unwrap();
    let (object, unknown) = Object::from_json(upstream.clone()).unwrap();
    assert_eq!(unknown, Vec::<String>::new(), "{kind}: every field is known");
    assert_eq!(
        object.to_json(),
        upstream,
        "{kind}: every value comes back under its name"
    );
    let again = Object::from_kubernetes_bytes(kind, &object.to_kubernetes_bytes()).unwrap();
    assert_eq!(again, object, "{kind}: every value comes back from its bytes");

    let mut newer = BTreeSet::new();
    take_newer(&mut upstream, "", &mut newer);
    let (object, _) = Object::from_json(upstream).unwrap();
    let ours = object.to_kubernetes_bytes();
    let theirs = Binary::decode(ours.as_slice()).unwrap();
    let (in_theirs, in_ours) = (leaves(&theirs), leaves(&object));
    assert_eq!(
        differences(&in_theirs, &in_ours),
        Vec::<String>::new(),
        "{kind}: every value is in the field of the same name"
    );
    assert_eq!(theirs.encode_to_vec(), ours, "{kind}: no field is lost");
    newer
}

/// Takes the newer fields out of a document and tells which there were.
fn take_newer(value: &mut Value, name: &str, taken: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| take_newer(item, name, taken)),
        Value::Object(fields) => {
            fields.retain(|field, _| {
                let path = format!("{name}.{field}");
                let newer = NEWER_IN_JSON.contains(&path.as_str());
                if newer {
                    taken.insert(path);
                }
                !newer
            });
            for (field, value) in fields {
                take_newer(value, field, taken);
            }
        }
        _ => {}
    }
}

/// The names and values in a message, and how often each is there. Upstream's binary types make every field optional, so what is zero, empty or absent is
/// left out; they hold bytes in another type; and break some words elsewhere.
fn leaves(message: &impl Debug) -> BTreeMap<String, usize> {
    let text = format!("{message:?}")
        .replace("Some(", "")
        .replace(['(', ')', '[', ']'], "");
    let pairs = text
        .split(['{', '}'])
        .flat_map(|part| part.split(", "))
        .filter_map(|pair| pair.split_once(": "));
    let told = |(name, value): &(String, &str)| name != "raw" && !["", "0", "None", "\"\""].contains(value);
    let trimmed = pairs.map(|(name, value)| (name.trim().replace('_', ""), value.trim()));
    let mut counts = BTreeMap::new();
    for (name, value) in trimmed.filter(told) {
        let is_type = value.starts_with(|letter: char| letter.is_ascii_uppercase());
        *counts
            .entry(format!("{name}: {}", if is_type { "a message" } else { value }))
            .or_default() += 1;
    }
    counts
}

fn differences(one: &BTreeMap<String, usize>, two: &BTreeMap<String, usize>) -> Vec<String> {
    let leaves: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
    leaves
        .into_iter()
        .filter(|leaf| one.get(*leaf) != two.get(*leaf))
        .cloned()
        .collect()
}

#[test]
fn every_field_of_every_kind_is_upstreams() {
    use k8s_pb::api::{apps, batch, core};
    let check = |kind: &Kind| match kind {
        Kind::Namespace => check_kind::<open_core::Namespace, core::v1::Namespace>(*kind),
        Kind::Node => check_kind::<open_core::Node, core::v1::Node>(*kind),
        Kind::Pod => check_kind::<open_core::Pod, core::v1::Pod>(*kind),
        Kind::ReplicaSet => check_kind::<open_apps::ReplicaSet, apps::v1::ReplicaSet>(*kind),
        Kind::Job => check_kind::<open_batch::Job, batch::v1::Job>(*kind),
        Kind::CronJob => check_kind::<open_batch::CronJob, batch::v1::CronJob>(*kind),
        Kind::Event => check_kind::<open_core::Event, core::v1::Event>(*kind),
    };
    let newer: BTreeSet<String> = Kind::ALL.iter().flat_map(check).collect();
    assert_eq!(newer, NEWER_IN_JSON.map(str::to_owned).into());
}

#[test]
fn newer_fields_have_upstreams_numbers() {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap().file;
    let number = |message: &str, field: &str| {
        let (package, name) = message.rsplit_once('.').unwrap();
        let package = format!("k8s.io.api.{package}");
        let mut messages = files
            .iter()
            .filter(|file| file.package() == package)
            .flat_map(|file| &file.message_type);
        let fields = &messages.find(|message| message.name() == name)?.field;
        Some(fields.iter().find(|known| known.name() == field)?.number())
    };
    for (message, field, expected) in NEWER {
        assert_eq!(number(message, field), Some(expected), "{message}.{field}");
    }
}

/// What a manifest from the wild looks like, with the values that decide between zero, empty and absent.
#[test]
fn pointers_keep_their_zero() {
    let document = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "zero"},
        "spec": {
            "parallelism": 0, "completions": 0, "backoffLimit": 0, "suspend": false, "ttlSecondsAfterFinished": 0,
            "template": {"metadata": {}, "spec": {
                "terminationGracePeriodSeconds": 0, "enableServiceLinks": false, "priority": 0,
                "securityContext": {"runAsUser": 0, "runAsNonRoot": false},
                "containers": [{
                    "name": "main", "resources": {}, "env": [{"name": "EMPTY"}],
                    "ports": [{"containerPort": 80}],
                    "livenessProbe": {"httpGet": {"port": 0}, "terminationGracePeriodSeconds": 0},
                    "readinessProbe": {"tcpSocket": {"port": "http"}},
                }],
                "volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "configMap": {"name": "c", "optional": false}}],
            }},
        },
        "status": {"ready": 0, "terminating": 0},
    });
    let (object, unknown) = Object::from_json(document.clone()).unwrap();
    assert_eq!((object.to_json(), unknown), (document.clone(), vec![]));
    let open: open_batch::Job = serde_json::from_value(document).unwrap();
    let again: open_batch::Job = serde_json::from_value(object.to_json()).unwrap();
    assert_eq!(again, open);
    let ours = object.to_kubernetes_bytes();
    let theirs = k8s_pb::api::batch::v1::Job::decode(ours.as_slice()).unwrap();
    assert_eq!(theirs.encode_to_vec(), ours);
    assert_eq!(Object::from_kubernetes_bytes(Kind::Job, &ours).unwrap(), object);
}

/// A Pod as a Go client would send it: plain fields are written although they are zero, and so are times that were never set.
#[test]
fn bytes_of_a_go_client() {
    let mut bytes = Vec::new();
    let metadata = [&[0x0a, 1, b'p', 0x12, 0, 0x1a, 0, 0x38, 0, 0x42, 0][..]].concat();
    let container = [&[0x0a, 1, b'c', 0x12, 4][..], b"busy", &[0x42, 0, 0x80, 1, 0]].concat();
    let spec = [
        &[0x12, u8::try_from(container.len()).unwrap()][..],
        &container,
        &[0x58, 0, 0x60, 0],
    ]
    .concat();
    for (tag, message) in [(0x0a, metadata), (0x12, spec), (0x1a, vec![0x0a, 0])] {
        bytes.extend([tag, u8::try_from(message.len()).unwrap()]);
        bytes.extend(message);
    }
    let object = Object::from_kubernetes_bytes(Kind::Pod, &bytes).unwrap();
    let expected = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "busy", "resources": {}}]}, "status": {},
    });
    assert_eq!(object.to_json(), expected);
}
