//! The rules for what every object carries: name, labels, annotations, finalizers, owners. Source of all of them: Kubernetes'
//! object metadata.

use std::collections::BTreeMap;

use bosun_proto::meta_v1::{ObjectMeta, OwnerReference};
use bosun_proto::node_loss::{ON_NODE_LOSS_ANNOTATION, ON_NODE_LOSS_VALUES};
use bosun_proto::{Kind, Object};

use super::check::Check;
use super::names;
use crate::admission::deletion::{FOREGROUND_FINALIZER, ORPHAN_FINALIZER};
use crate::refusal::{FieldError, FieldErrorKind};

/// The most that the keys and values of all annotations of an object may hold together, in bytes.
const ANNOTATIONS_BYTES_MAX: usize = 256 << 10;
/// The finalizers that need no domain in front.
const BUILT_IN_FINALIZERS: [&str; 3] = [FOREGROUND_FINALIZER, ORPHAN_FINALIZER, "kubernetes"];

/// Everything wrong with the metadata of an object that is about to be stored.
pub fn validate(object: &Object) -> Vec<FieldError> {
    Check::collect(|check| {
        check.at("metadata", |check| {
            check_metadata(check, object.kind(), object.metadata());
        });
    })
}

fn check_metadata(check: &mut Check, kind: Kind, metadata: &ObjectMeta) {
    check_name(check, kind, metadata);
    check_namespace(check, kind, &metadata.namespace);
    check_labels(check, "labels", &metadata.labels);
    check_annotations(check, &metadata.annotations);
    check.not_negative("generation", metadata.generation);
    check_finalizers(check, &metadata.finalizers);
    check_owners(check, &metadata.owner_references);
}

fn check_name(check: &mut Check, kind: Kind, metadata: &ObjectMeta) {
    let form = if kind == Kind::Namespace {
        names::dns_label
    } else {
        names::dns_subdomain
    };
    if metadata.name.is_empty() && metadata.generate_name.is_empty() {
        check.required(
            "name",
            "give the object a name, or a generateName to begin one with",
        );
    } else if !metadata.name.is_empty() {
        check.text("name", form(&metadata.name));
    }
    // What is generated gets letters behind it, so that the base may end in '-'; it is cut when it is long.
    let base: String = metadata
        .generate_name
        .chars()
        .take(names::LABEL_MAX - 1)
        .collect();
    if !base.is_empty() {
        check.text(
            "generateName",
            form(&format!("{base}x")).and_then(|_| form(&metadata.generate_name)),
        );
    }
}

fn check_namespace(check: &mut Check, kind: Kind, namespace: &str) {
    let info = kind.info();
    match (info.namespaced, namespace.is_empty()) {
        (true, true) => check.required(
            "namespace",
            format!("a {} lives in a namespace: name it", info.kind),
        ),
        (true, false) => check.text("namespace", names::dns_label(namespace)),
        (false, true) => {}
        (false, false) => {
            check.forbidden(
                "namespace",
                format!("a {} lives in no namespace: leave it out", info.kind),
            );
        }
    }
}

/// What a template may say about the objects made from it, at the place where `check` is.
pub(super) fn check_template_metadata(check: &mut Check, metadata: &ObjectMeta) {
    check_labels(check, "labels", &metadata.labels);
    check_annotations(check, &metadata.annotations);
    check_finalizers(check, &metadata.finalizers);
}

/// Keys and values of labels, or of a selector.
pub(super) fn check_labels(check: &mut Check, field: &str, labels: &BTreeMap<String, String>) {
    check.at(field, |check| {
        for (key, value) in labels {
            check.text("", names::qualified_name(key));
            check.text(&format!("[{key}]"), names::label_value(value));
        }
    });
}

fn check_annotations(check: &mut Check, annotations: &BTreeMap<String, String>) {
    check.at("annotations", |check| {
        for key in annotations.keys() {
            check.text("", names::qualified_name(&key.to_lowercase()));
        }
        let bytes: usize = annotations
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if bytes > ANNOTATIONS_BYTES_MAX {
            let message = format!("they hold {bytes} bytes: at most {ANNOTATIONS_BYTES_MAX} are allowed");
            check.error(FieldErrorKind::TooLong, "", message);
        }
        if let Some(choice) = annotations.get(ON_NODE_LOSS_ANNOTATION) {
            check.one_of(
                &format!("[{ON_NODE_LOSS_ANNOTATION}]"),
                choice,
                &ON_NODE_LOSS_VALUES,
            );
        }
    });
}

fn check_finalizers(check: &mut Check, finalizers: &[String]) {
    check.each("finalizers", finalizers, |check, finalizer| {
        check.text("", names::qualified_name(finalizer));
        if !finalizer.contains('/') && !BUILT_IN_FINALIZERS.contains(&finalizer.as_str()) {
            let finalizer = names::quoted(finalizer);
            check.invalid(
                "",
                format!("{finalizer} needs a domain in front, as in example.com/name"),
            );
        }
    });
    if [FOREGROUND_FINALIZER, ORPHAN_FINALIZER]
        .iter()
        .all(|name| finalizers.iter().any(|have| have == name))
    {
        check.invalid(
            "finalizers",
            format!("use either {FOREGROUND_FINALIZER} or {ORPHAN_FINALIZER}, not both"),
        );
    }
}

fn check_owners(check: &mut Check, owners: &[OwnerReference]) {
    check.each("ownerReferences", owners, |check, owner| {
        let texts = [
            ("apiVersion", &owner.api_version),
            ("kind", &owner.kind),
            ("name", &owner.name),
            ("uid", &owner.uid),
        ];
        for (field, text) in texts {
            if text.is_empty() {
                check.required(field, "an owner is named by apiVersion, kind, name and uid");
            }
        }
        if owner.kind == Kind::Event.info().kind {
            check.invalid("kind", "an Event cannot own anything");
        }
    });
    let controllers: Vec<_> = owners
        .iter()
        .filter(|owner| owner.controller == Some(true))
        .collect();
    if let [first, second, ..] = controllers[..] {
        let (first, second) = (names::quoted(&first.name), names::quoted(&second.name));
        check.invalid(
            "ownerReferences",
            format!("only one owner may control; both {first} and {second} would"),
        );
    }
}

#[cfg(test)]
#[path = "metadata_tests.rs"]
mod tests;
