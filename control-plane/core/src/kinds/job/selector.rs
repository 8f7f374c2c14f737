//! Which pods are a Job's: the labels and the selector that the server generates. Source of the rules: Kubernetes' Jobs.

use std::collections::BTreeMap;

use bosun_proto::batch_v1::Job;
use bosun_proto::meta_v1::{LabelSelector, ObjectMeta};

use super::spec;
use crate::kinds::check::Check;
use crate::kinds::selector::{check_label_selector, matches};

/// The labels by which a Job's pods are found, new and old. The selector uses the first.
pub const CONTROLLER_UID_LABELS: [&str; 2] = ["batch.kubernetes.io/controller-uid", "controller-uid"];
/// The labels that say for which Job a pod runs, new and old.
pub const JOB_NAME_LABELS: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];

/// The four labels that the server gives a Job's pods.
fn labels_of(metadata: Option<&ObjectMeta>) -> [(&'static str, String); 4] {
    let (uid, name) = metadata
        .map(|metadata| (metadata.uid.clone(), metadata.name.clone()))
        .unwrap_or_default();
    let [uid_label, old_uid_label] = CONTROLLER_UID_LABELS;
    let [name_label, old_name_label] = JOB_NAME_LABELS;
    [
        (uid_label, uid.clone()),
        (old_uid_label, uid),
        (name_label, name.clone()),
        (old_name_label, name),
    ]
}

/// Unless the user chose to select pods by hand. Labels the user has given are left as they are; they are refused when they
/// are others.
pub(super) fn generate(job: &mut Job) {
    let labels = labels_of(job.metadata.as_ref());
    let spec = job.spec.get_or_insert_default();
    if spec.manual_selector == Some(true) {
        return;
    }
    if let Some(template) = &mut spec.template {
        let of_template = template.metadata.get_or_insert_default();
        for (label, value) in &labels {
            of_template
                .labels
                .entry((*label).to_owned())
                .or_insert_with(|| value.clone());
        }
    }
    let [(label, uid), ..] = labels;
    let selector = spec.selector.get_or_insert_default();
    selector.match_labels.entry(label.to_owned()).or_insert(uid);
}

/// A generated selector must be the generated one; a manual one must match the template.
pub(super) fn check(check: &mut Check, job: &Job) {
    let spec = spec(job);
    let Some(given) = &spec.selector else {
        return check.required(
            "selector",
            "with manualSelector true, say which pods are the Job's",
        );
    };
    check.at("selector", |check| check_label_selector(check, given));
    let empty = BTreeMap::new();
    let template = spec
        .template
        .as_ref()
        .and_then(|template| template.metadata.as_ref());
    let labels = template.map_or(&empty, |metadata| &metadata.labels);
    if spec.manual_selector == Some(true) {
        if *given == LabelSelector::default() {
            check.invalid(
                "selector",
                "an empty selector would match every pod: name the labels of the template",
            );
        } else if !matches(given, labels) {
            check.invalid("template.metadata.labels", "must match spec.selector");
        }
        return;
    }
    let way_out = "is set by the server: leave it out, or set manualSelector to true";
    let generated = labels_of(job.metadata.as_ref());
    for (key, value) in &generated {
        if labels.get(*key).is_some_and(|have| have != value) {
            check.invalid(
                &format!("template.metadata.labels[{key}]"),
                format!("must be {value:?}; it {way_out}"),
            );
        }
    }
    let only = generated
        .iter()
        .any(|(key, value)| given.match_labels.get(*key) == Some(value));
    if !only || given.match_labels.len() != 1 || !given.match_expressions.is_empty() {
        check.invalid("selector", way_out);
    }
}
