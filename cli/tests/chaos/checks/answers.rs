//! Whatever is broken, a client is told what it can act on: done, refused for a reason that is true, or not known.

use super::Findings;
use crate::clients::Evidence;

pub(super) fn check(evidence: &Evidence) -> Findings {
    let surprises = evidence
        .registers
        .surprises
        .lock()
        .expect("its writers have ended");
    Findings {
        looked_at: "all answers".to_owned(),
        wrong: surprises.clone(),
    }
}
