//! Who was in contact with whom, and when: what the fencing of nodes rests on. docs/fencing.md has the argument.
//!
//! A leader keeps for how long a majority has answered it without a break ([`QuorumContact`]). Every server keeps when it
//! last had to do with a leader that was in office ([`LastContact`]), so that it can tell an agent that there is none.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::types::NodeId;

/// How much faster or slower than true time a clock may run, in hundredths.
pub const CLOCK_DRIFT_PERCENT: u32 = 1;

/// A leader's contact with its majority: unbroken since one time, certain until another.
///
/// At each moment between `since` and `until` there was an answered call to a majority that was sent at most a patience
/// (the longest election timeout) before that moment, and this server knew of the answers by then. So another leader can
/// only have been elected after the last of these calls was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumContact {
    /// The term of the lead.
    pub term: u64,
    /// The contact has no gap since.
    pub since: Instant,
    /// The contact is certain before this time; `None` for a server that is its own majority.
    pub until: Option<Instant>,
}

/// What the raft library knows of a leader's majority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The term of the lead.
    pub term: u64,
    /// This server is the only voter.
    pub alone: bool,
    /// When the calls were sent that a majority has answered last.
    pub acknowledged: Option<Instant>,
}

impl QuorumContact {
    /// Whether the contact is certain at `now`.
    pub fn holds(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// The contact at `now`, after `previous`. It is a new one when the previous was not certain any more, even if only for
    /// a moment: nobody can say what happened meanwhile.
    pub fn next(previous: Option<Self>, seen: Seen, patience: Duration, now: Instant) -> Option<Self> {
        let until = if seen.alone {
            None
        } else {
            let until = seen.acknowledged? + patience;
            if now >= until {
                return None;
            }
            Some(until)
        };
        let unbroken = previous.filter(|previous| {
            previous.term == seen.term && previous.until.is_none() == until.is_none() && previous.holds(now)
        });
        Some(Self {
            term: seen.term,
            since: unbroken.map_or(now, |previous| previous.since),
            until,
        })
    }
}

/// When this server last accepted a call of a leader, or as leader was answered by a majority. After a restart, when it
/// started: what was before is forgotten.
#[derive(Clone, Debug)]
pub struct LastContact(Arc<Mutex<Instant>>);

impl LastContact {
    /// No contact yet.
    pub fn starting_at(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// There was contact at this time.
    pub fn note(&self, at: Instant) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (*last).max(at);
    }

    /// For how long there was none.
    pub fn silence(&self, now: Instant) -> Duration {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.saturating_duration_since(*last)
    }
}

/// What this server can say to an agent that is looking for a leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderContact {
    /// This server.
    pub node_id: NodeId,
    /// It has had to do with no leader for so long.
    pub silence: Duration,
    /// The longest time for which a leader without answers still goes by its older contact.
    pub patience: Duration,
    /// Which entry of the log made the voters: term, leader and index; zeros before the first.
    pub voters_made_by: (u64, NodeId, u64),
    /// The voters; two sets while they change, of each of which a majority is needed.
    pub voters: Vec<Vec<NodeId>>,
}

impl LeaderContact {
    /// Whether any leader that this server acknowledges has been without contact to it since before a round of questions
    /// began, if the round lasts `round` at most. Clocks may run apart by [`CLOCK_DRIFT_PERCENT`] each.
    pub fn knows_no_leader(&self, round: Duration) -> bool {
        let fast = 100 + CLOCK_DRIFT_PERCENT;
        let slow = 100 - CLOCK_DRIFT_PERCENT;
        self.silence > (round + self.patience) * fast / slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(300);

    /// Plays what was seen at which millisecond; (since, until) after each.
    fn play(steps: &[(u64, u64, bool, Option<u64>)]) -> Vec<Option<(u64, Option<u64>)>> {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let millis = |at: Instant| u64::try_from((at - start).as_millis()).unwrap();
        let mut contact = None;
        let step = |(now, term, alone, acknowledged): &(u64, u64, bool, Option<u64>)| {
            let seen = Seen {
                term: *term,
                alone: *alone,
                acknowledged: acknowledged.map(at),
            };
            contact = QuorumContact::next(contact, seen, PATIENCE, at(*now));
            contact.map(|contact| (millis(contact.since), contact.until.map(millis)))
        };
        steps.iter().map(step).collect()
    }

    #[test]
    fn contact_lasts_while_no_moment_is_without_a_recent_answer() {
        let seen = play(&[
            (1000, 2, false, None),
            (1010, 2, false, Some(1000)),
            (1250, 2, false, Some(1200)),
            (1499, 2, false, Some(1480)),
            // The next answer came when the one before was too old: something else may have happened in between.
            (1781, 2, false, Some(1770)),
            (2100, 2, false, Some(1770)),
            (2200, 2, false, Some(2190)),
            (2210, 3, false, Some(2205)),
        ]);
        let expected = [
            None,
            Some((1010, Some(1300))),
            Some((1010, Some(1500))),
            Some((1010, Some(1780))),
            Some((1781, Some(2070))),
            None,
            Some((2200, Some(2490))),
            Some((2210, Some(2505))),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_server_alone_is_always_certain_and_begins_anew_when_others_come() {
        let seen = play(&[
            (0, 1, true, None),
            (9000, 1, true, None),
            (9100, 1, false, Some(9090)),
        ]);
        assert_eq!(seen, [Some((0, None)), Some((0, None)), Some((9100, Some(9390)))]);
    }

    #[test]
    fn no_leader_is_said_only_when_every_leader_has_lost_its_contact_before_the_round() {
        let answer = |silence| LeaderContact {
            node_id: 1,
            silence: Duration::from_millis(silence),
            patience: PATIENCE,
            voters_made_by: (1, 1, 1),
            voters: vec![vec![1, 2, 3]],
        };
        let round = Duration::from_secs(1);
        assert!(
            !answer(1326).knows_no_leader(round),
            "1300 * 1.01 / 0.99 = 1326.26"
        );
        assert!(answer(1327).knows_no_leader(round));
        let last = LastContact::starting_at(Instant::now());
        let begun = Instant::now();
        last.note(begun + Duration::from_secs(5));
        last.note(begun + Duration::from_secs(3));
        assert_eq!(
            last.silence(begun + Duration::from_secs(9)),
            Duration::from_secs(4)
        );
        assert_eq!(last.silence(begun), Duration::ZERO);
    }
}
