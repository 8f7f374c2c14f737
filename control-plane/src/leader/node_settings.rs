//! The times of the node protocol, and how they must go together.

use std::time::Duration;

use bosun_core::liveness::Patience;

use crate::raft::CLOCK_DRIFT_PERCENT;

/// By when the agent, or the supervisor of its processes, has stopped the fenced pods once the lease has run out: it looks
/// several times within this, and SIGKILL takes what is left of it.
const STOPPED_WITHIN: Duration = Duration::from_secs(1);

/// Times of the node protocol.
#[derive(Clone, Copy, Debug)]
pub struct NodeSettings {
    /// How often an agent says that it lives.
    pub heartbeat_interval: Duration,
    /// A node unheard for so long is not ready, and pods that may overlap are replaced.
    pub not_ready_after: Duration,
    /// How long after the sending of an acknowledged heartbeat an agent may run fenced pods.
    pub lease: Duration,
    /// Fenced pods of a node unheard for so long are replaced.
    pub lost_after: Duration,
}

impl Default for NodeSettings {
    fn default() -> Self {
        let patience = Patience::default();
        Self {
            heartbeat_interval: Duration::from_millis(500),
            not_ready_after: patience.silent_after,
            lease: Duration::from_secs(8),
            lost_after: patience.lost_after,
        }
    }
}

impl NodeSettings {
    /// After which silence what is written.
    pub(super) fn patience(&self) -> Patience {
        Patience {
            silent_after: self.not_ready_after,
            lost_after: self.lost_after,
        }
    }

    /// Whether the times go together; the error names those that do not. `contact_patience` is for how long a leader goes by
    /// its older contact with the majority: the longest election timeout.
    ///
    /// The last condition is what fencing rests on; docs/fencing.md derives it.
    pub(crate) fn check(&self, contact_patience: Duration) -> Result<(), String> {
        if self.not_ready_after < self.heartbeat_interval * 3 {
            return Err(format!(
                "a node is not ready after {:?} of silence, but heartbeats come every {:?}: leave room for two lost ones",
                self.not_ready_after, self.heartbeat_interval
            ));
        }
        if self.lost_after < self.not_ready_after {
            return Err(format!(
                "a node is given up after {:?} of silence, but not ready only after {:?}: give it up later",
                self.lost_after, self.not_ready_after
            ));
        }
        let stopped_after = contact_patience + self.lease + STOPPED_WITHIN;
        if stopped_after * (100 + CLOCK_DRIFT_PERCENT) > self.lost_after * (100 - CLOCK_DRIFT_PERCENT) {
            return Err(format!(
                "fenced pods may run for {:?} without an answer (lease), counted from up to {contact_patience:?} after another \
                 leader was elected, and take up to {STOPPED_WITHIN:?} to die, while clocks run apart by up to \
                 {CLOCK_DRIFT_PERCENT} % each; so they cannot be replaced after {:?} already: a shorter lease, or replace later",
                self.lease, self.lost_after
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_must_leave_room_for_lost_heartbeats_and_for_pods_to_die() {
        let contact = Duration::from_millis(300);
        let good = NodeSettings::default();
        assert_eq!(good.check(contact), Ok(()));
        // (0.3 + 8.4 + 1) * 1.01 = 9.797 and (0.3 + 8.6 + 1) * 1.01 = 9.999 against 10 * 0.99 = 9.9.
        let lease = |millis| NodeSettings {
            lease: Duration::from_millis(millis),
            ..good
        };
        assert_eq!(lease(8_400).check(contact), Ok(()));
        assert!(
            lease(8_600)
                .check(contact)
                .unwrap_err()
                .contains("a shorter lease")
        );
        assert!(
            good.check(Duration::from_secs(2)).is_err(),
            "elections take longer"
        );
        let hasty = NodeSettings {
            not_ready_after: Duration::from_secs(1),
            ..good
        };
        assert!(hasty.check(contact).unwrap_err().contains("two lost ones"));
        let late = NodeSettings {
            not_ready_after: Duration::from_secs(11),
            ..good
        };
        assert!(late.check(contact).unwrap_err().contains("give it up later"));
    }
}
