//! Namespaces: defaults, checks, columns.

use std::sync::LazyLock;

use bosun_proto::Resource;
use bosun_proto::core_v1::{Namespace, NamespaceSpec, NamespaceStatus};
use bosun_proto::scalars::Time;

use super::check::Check;
use super::{Column, Rules, age, names};
use crate::refusal::FieldError;

/// The label that carries a namespace's name, so that selectors can name it.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// What stands in `spec.finalizers` until the namespace is empty.
pub const FINALIZER: &str = "kubernetes";

static NO_SPEC: LazyLock<NamespaceSpec> = LazyLock::new(NamespaceSpec::default);
static NO_STATUS: LazyLock<NamespaceStatus> = LazyLock::new(NamespaceStatus::default);

impl Rules for Namespace {
    fn fill_defaults(&mut self) {
        let metadata = self.metadata.get_or_insert_default();
        if !metadata.name.is_empty() {
            metadata.labels.insert(NAME_LABEL.into(), metadata.name.clone());
        }
        let ends = metadata.deletion_timestamp.is_some();
        let finalizers = &mut self.spec.get_or_insert_default().finalizers;
        if finalizers.is_empty() && !ends {
            finalizers.push(FINALIZER.into());
        }
    }

    fn prepare_create(&mut self, _now: Time) {
        // A generated name came after the defaults.
        self.fill_defaults();
        self.status = Some(NamespaceStatus {
            phase: "Active".into(),
            ..NamespaceStatus::default()
        });
    }

    fn validate(&self) -> Vec<FieldError> {
        Check::collect(|check| {
            check.each("spec.finalizers", &spec(self).finalizers, |check, finalizer| {
                check.text("", names::qualified_name(finalizer));
            });
        })
    }

    fn validate_update(&self, old: &Self) -> Vec<FieldError> {
        Check::collect(|check| {
            let (before, after) = (&spec(old).finalizers, &spec(self).finalizers);
            check.unchanged(
                "spec.finalizers",
                before,
                after,
                "they go when the namespace is empty",
            );
        })
    }

    const SELECTABLE_FIELDS: &'static [&'static str] = &["status.phase"];

    fn selectable_field(&self, _path: &str) -> String {
        status(self).phase.clone()
    }

    const COLUMNS: &'static [Column] = &[Column::new("Status"), Column::new("Age")];

    fn cells(&self, now: Time) -> Vec<String> {
        vec![
            status(self).phase.clone(),
            age::since(self.metadata().creation_timestamp, now),
        ]
    }
}

/// The spec; an empty one when there is none.
pub fn spec(namespace: &Namespace) -> &NamespaceSpec {
    namespace.spec.as_ref().unwrap_or(&NO_SPEC)
}

/// The status; an empty one when there is none.
pub fn status(namespace: &Namespace) -> &NamespaceStatus {
    namespace.status.as_ref().unwrap_or(&NO_STATUS)
}
