//! ReplicaSets: defaults, checks, columns.

use std::sync::LazyLock;

use bosun_proto::apps_v1::{ReplicaSet, ReplicaSetSpec, ReplicaSetStatus};
use bosun_proto::scalars::Time;

use super::{Column, Rules};

static NO_SPEC: LazyLock<ReplicaSetSpec> = LazyLock::new(ReplicaSetSpec::default);
static NO_STATUS: LazyLock<ReplicaSetStatus> = LazyLock::new(ReplicaSetStatus::default);

impl Rules for ReplicaSet {
    const COLUMNS: &'static [Column] = &[];

    fn cells(&self, _now: Time) -> Vec<String> {
        Vec::new()
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
