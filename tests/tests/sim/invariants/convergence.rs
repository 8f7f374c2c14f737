//! Once nothing goes wrong any more, all Jobs complete, all ReplicaSets are full, all nodes are ready, and all servers are
//! at the same version.

use crate::evidence::{Evidence, Notes};

pub(super) fn check(_: &Evidence, notes: &Notes) -> Result<(), String> {
    match &notes.missing {
        None => Ok(()),
        Some(missing) => Err(format!("after {:?}: {missing}", notes.end)),
    }
}
