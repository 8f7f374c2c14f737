//! ReplicaSets: defaults, checks, columns.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bosun_proto::Resource;
use bosun_proto::apps_v1::{ReplicaSet, ReplicaSetSpec, ReplicaSetStatus};
use bosun_proto::core_v1::PodTemplateSpec;
use bosun_proto::meta_v1::LabelSelector;
use bosun_proto::scalars::Time;

use super::check::Check;
use super::pod::defaults::fill_template;
use super::pod::validation::check_template;
use super::selector::{check_label_selector, matches};
use super::{Column, Rules, age, unenforced, workload};
use crate::refusal::{FieldError, FieldErrorKind};

static NO_SPEC: LazyLock<ReplicaSetSpec> = LazyLock::new(ReplicaSetSpec::default);
static NO_STATUS: LazyLock<ReplicaSetStatus> = LazyLock::new(ReplicaSetStatus::default);

impl Rules for ReplicaSet {
    fn fill_defaults(&mut self) {
        let spec = self.spec.get_or_insert_default();
        spec.replicas.get_or_insert(1);
        if let Some(spec) = spec.template.as_mut().and_then(|template| template.spec.as_mut()) {
            fill_template(spec);
        }
    }

    fn prepare_create(&mut self, _now: Time) {
        self.status = Some(ReplicaSetStatus::default());
    }

    fn validate(&self) -> Vec<FieldError> {
        Check::collect(|check| check.at("spec", |check| check_spec(check, spec(self))))
    }

    fn validate_update(&self, old: &Self) -> Vec<FieldError> {
        Check::collect(|check| {
            let (before, after) = (&spec(old).selector, &spec(self).selector);
            check.unchanged(
                "spec.selector",
                before,
                after,
                "delete the ReplicaSet and create it anew",
            );
        })
    }

    fn validate_status_update(&self, _old: &Self) -> Vec<FieldError> {
        Check::collect(|check| check.at("status", |check| check_status(check, status(self))))
    }

    fn warnings(&self) -> Vec<String> {
        let template = spec(self)
            .template
            .as_ref()
            .and_then(|template| template.spec.as_ref());
        template.map_or_else(Vec::new, |spec| unenforced::of_pod(spec, "spec.template.spec"))
    }

    const SELECTABLE_FIELDS: &'static [&'static str] = &["status.replicas"];

    fn selectable_field(&self, _path: &str) -> String {
        status(self).replicas.to_string()
    }

    const COLUMNS: &'static [Column] = &[
        Column::new("Desired"),
        Column::new("Current"),
        Column::new("Ready"),
        Column::new("Age"),
        Column::wide("Containers"),
        Column::wide("Images"),
        Column::wide("Selector"),
    ];

    fn cells(&self, now: Time) -> Vec<String> {
        let (spec, status) = (spec(self), status(self));
        let mut cells = vec![
            spec.replicas.unwrap_or(0).to_string(),
            status.replicas.to_string(),
            status.ready_replicas.to_string(),
            age::since(self.metadata().creation_timestamp, now),
        ];
        cells.extend(workload::cells(spec.template.as_ref(), spec.selector.as_ref()));
        cells
    }
}

/// The spec; an empty one when there is none.
pub fn spec(replica_set: &ReplicaSet) -> &ReplicaSetSpec {
    replica_set.spec.as_ref().unwrap_or(&NO_SPEC)
}

/// The status; an empty one when there is none.
pub fn status(replica_set: &ReplicaSet) -> &ReplicaSetStatus {
    replica_set.status.as_ref().unwrap_or(&NO_STATUS)
}

/// Source of the rules: Kubernetes' ReplicaSet validation.
fn check_spec(check: &mut Check, spec: &ReplicaSetSpec) {
    check.not_negative("replicas", spec.replicas.unwrap_or(0));
    check.not_negative("minReadySeconds", spec.min_ready_seconds);
    let Some(template) = &spec.template else {
        return check.required("template", "describe the pods to run");
    };
    match &spec.selector {
        None => check.required(
            "selector",
            "say which pods are its own: name the labels of the template",
        ),
        Some(selector) => check_selector(check, selector, template),
    }
    check.at("template", |check| {
        check_template(check, template);
        let Some(spec) = &template.spec else { return };
        if spec.restart_policy != "Always" {
            let message = "a ReplicaSet's pods run for ever: set it to Always or leave it out";
            check.error(FieldErrorKind::NotSupported, "spec.restartPolicy", message);
        }
        if spec.active_deadline_seconds.is_some() {
            check.forbidden(
                "spec.activeDeadlineSeconds",
                "a ReplicaSet's pods run for ever: leave it out",
            );
        }
    });
}

fn check_selector(check: &mut Check, selector: &LabelSelector, template: &PodTemplateSpec) {
    check.at("selector", |check| check_label_selector(check, selector));
    let none = BTreeMap::new();
    let labels = template
        .metadata
        .as_ref()
        .map_or(&none, |metadata| &metadata.labels);
    if *selector == LabelSelector::default() {
        check.invalid(
            "selector",
            "an empty selector would match every pod: name the labels of the template",
        );
    } else if !matches(selector, labels) {
        check.invalid("template.metadata.labels", "must match spec.selector");
    }
}

fn check_status(check: &mut Check, status: &ReplicaSetStatus) {
    let counts = [
        ("replicas", status.replicas),
        ("fullyLabeledReplicas", status.fully_labeled_replicas),
        ("readyReplicas", status.ready_replicas),
        ("availableReplicas", status.available_replicas),
        ("terminatingReplicas", status.terminating_replicas.unwrap_or(0)),
    ];
    for (field, count) in counts {
        check.not_negative(field, count);
    }
    for (field, count) in &counts[1..4] {
        if *count > status.replicas.max(0) {
            check.invalid(
                field,
                format!("{count} is more than replicas, which is {}", status.replicas),
            );
        }
    }
    if status.available_replicas > status.ready_replicas {
        check.invalid("availableReplicas", "cannot be more than readyReplicas");
    }
}

#[cfg(test)]
#[path = "replica_set_tests.rs"]
mod tests;
