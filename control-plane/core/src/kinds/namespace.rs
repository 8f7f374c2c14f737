//! Namespaces: defaults, checks, columns.

use std::sync::LazyLock;

use bosun_proto::core_v1::{Namespace, NamespaceSpec, NamespaceStatus};
use bosun_proto::scalars::Time;

use super::{Column, Rules};

static NO_SPEC: LazyLock<NamespaceSpec> = LazyLock::new(NamespaceSpec::default);
static NO_STATUS: LazyLock<NamespaceStatus> = LazyLock::new(NamespaceStatus::default);

impl Rules for Namespace {
    const COLUMNS: &'static [Column] = &[];

    fn cells(&self, _now: Time) -> Vec<String> {
        Vec::new()
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
