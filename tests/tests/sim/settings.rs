//! The sizes and times of a run. Node times are the production ones, shortened by the same factor, so that a run of some
//! seconds has room for a node to be lost and to come back.

use std::time::Duration;

use bosun_control_plane::NodeSettings;

/// How far each machine runs before the next one does.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// Until then nothing goes wrong: the cluster forms.
pub(crate) const SETTLED: Duration = Duration::from_millis(1_500);
/// Until then things go wrong, and clients work.
pub(crate) const SAFETY: Duration = Duration::from_secs(9);
/// By then, at the latest, everything has to be well again. Four pods of a Job that die together are replaced after 80 s.
pub(crate) const HEALED: Duration = Duration::from_secs(150);

pub(crate) const SERVERS: usize = 3;
pub(crate) const NODES: usize = 3;
pub(crate) const CLIENTS: usize = 2;

/// Where servers listen.
pub(crate) const PORT: u16 = 7400;

/// A third of the production times.
pub(crate) fn node_times() -> NodeSettings {
    NodeSettings {
        heartbeat_interval: Duration::from_millis(200),
        not_ready_after: Duration::from_secs(1),
        lease: Duration::from_secs(2),
        lost_after: Duration::from_millis(3_600),
    }
}

/// `server-1`, `server-2` and so on.
pub(crate) fn names(kind: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{kind}-{number}")).collect()
}
