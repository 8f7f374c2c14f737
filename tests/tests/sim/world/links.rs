//! Which machines can reach which. Owned here besides the simulator, because there a call over a cut link fails at once;
//! in the world it waits.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The links that are cut, each by the names of sender and receiver. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Links {
    cut: Arc<Mutex<BTreeSet<(String, String)>>>,
}

impl Links {
    /// Replaces all cuts.
    pub(crate) fn set(&self, cut: BTreeSet<(String, String)>) {
        *self.cut.lock().unwrap_or_else(PoisonError::into_inner) = cut;
    }

    /// Whether a connection between the two can be made: it takes both ways.
    pub(crate) fn joins(&self, one: &str, other: &str) -> bool {
        let cut = self.cut.lock().unwrap_or_else(PoisonError::into_inner);
        !cut.iter()
            .any(|(from, to)| (from == one && to == other) || (from == other && to == one))
    }
}
