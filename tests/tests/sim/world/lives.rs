//! What really ran: every run of every container, on whatever machine, by true time. Nobody in the cluster sees it; the
//! invariants do.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bosun_node_agent::runtime::ContainerId;

/// The environment variable of a container with the name of the Job it belongs to.
pub(crate) const JOB: &str = "SIM_JOB";

/// One run of one container.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) node: String,
    pub(crate) id: ContainerId,
    /// The Job, and the completion index if it has such.
    pub(crate) job: Option<(String, Option<String>)>,
    pub(crate) from: Duration,
    /// `None` while it runs.
    pub(crate) end: Option<(Duration, i32)>,
}

impl Life {
    pub(super) fn begin(
        node: &str,
        id: &ContainerId,
        environment: &[(String, String)],
        from: Duration,
    ) -> Self {
        let variable = |name: &str| {
            let found = environment.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone())
        };
        Self {
            node: node.to_owned(),
            id: id.clone(),
            job: variable(JOB).map(|job| (job, variable("JOB_COMPLETION_INDEX"))),
            from,
            end: None,
        }
    }

    /// Whether both run at some instant. Touching ends do not count.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let before = |first: &Self, second: &Self| first.end.is_some_and(|(at, _)| at <= second.from);
        !before(self, other) && !before(other, self)
    }
}

/// All of them, in the order of their beginnings. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Lives(Arc<Mutex<Vec<Life>>>);

impl Lives {
    pub(super) fn begun(&self, life: Life) -> usize {
        let mut lives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lives.push(life);
        lives.len() - 1
    }

    pub(super) fn ended(&self, life: usize, at: Duration, exit_code: i32) {
        let mut lives = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lives[life].end = Some((at, exit_code));
    }

    pub(crate) fn all(&self) -> Vec<Life> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
