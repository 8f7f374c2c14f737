//! Compares our schema with upstream's, as the crates k8s-openapi (JSON) and k8s-pb (binary) have it, for whole objects in
//! which every field is set.
#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "upstream/full.rs"]
mod full;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use bosun_proto::{Kind, Object};
use k8s_openapi::api::apps::v1 as open_apps;
use k8s_openapi::api::batch::v1 as open_batch;
use k8s_openapi::api::core::v1 as open_core;
use prost::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Fields that k8s-openapi has in JSON and whose numbers k8s-pb does not tell: all of them alpha in 1.36 or 1.37, off by
/// default. We refuse them as unknown. When k8s-pb catches up, the numbers go into proto/k8s.
const WITHOUT_KNOWN_NUMBER: [&str; 21] = [
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

/// Checks an object of the kind with every field set, and gives the fields that our schema does not have.
fn check_kind<Open, Binary>(kind: Kind) -> BTreeSet<String>
where
    Open: for<'de> Deserialize<'de> + Serialize,
    Binary: Message + Default + Debug,
{
    let full: Open = full::full(kind.api_version(), kind.info().kind);
    let mut upstream = serde_json::to_value(&full).unwrap();
    let (object, unknown) = Object::from_json(upstream.clone()).unwrap();

    for path in &unknown {
        remove(&mut upstream, path);
    }
    assert_eq!(
        object.to_json(),
        upstream,
        "{kind}: every value comes back under its name"
    );

    let ours = object.to_kubernetes_bytes();
    let theirs = Binary::decode(ours.as_slice()).unwrap();
    let (in_theirs, in_ours) = (leaves(&theirs), leaves(&object));
    assert_eq!(
        differences(&in_theirs, &in_ours),
        Vec::<String>::new(),
        "{kind}: every value is in the field of the same name"
    );
    assert_eq!(theirs.encode_to_vec(), ours, "{kind}: no field is lost");
    unknown.iter().map(|path| last_names(path)).collect()
}

/// The last two names of a path, without indexes and keys: `volumes.emptyDir.mode` is `emptyDir.mode`.
fn last_names(path: &str) -> String {
    let names: Vec<&str> = path
        .split('.')
        .filter_map(|part| part.split('[').next())
        .collect();
    names[names.len().saturating_sub(2)..].join(".")
}

/// Takes a value out of a document by a path like `spec.containers[0].name`.
fn remove(document: &mut Value, path: &str) {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut fields = document;
    for part in parent.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        fields = fields
            .pointer_mut(&format!("/{part}"))
            .expect("the path comes from the same document");
    }
    let removed = fields.as_object_mut().and_then(|fields| fields.remove(name));
    assert!(removed.is_some(), "{path} is not in the document");
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
    let told = |(name, value): &(String, &str)| name != "raw" && !["0", "None", "\"\""].contains(value);
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
    let missing: BTreeSet<String> = Kind::ALL.iter().flat_map(check).collect();
    assert_eq!(
        missing,
        WITHOUT_KNOWN_NUMBER.map(str::to_owned).into(),
        "fields that our schema does not have"
    );
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
