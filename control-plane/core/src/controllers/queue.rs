//! Which keys are to be decided, and when: the bookkeeping of whoever runs the controllers.
//!
//! Pure: it is told what happened and what time it is. The server's leader driver and the tests' fixture use the same
//! queue, so that an order of decisions that a test finds is one that a server can take. Nothing in it has to survive:
//! a new leader enqueues every key, and all due times come again out of stored times.

use std::collections::{BTreeMap, BTreeSet};

use bosun_proto::Key;
use bosun_proto::scalars::Time;

use crate::state::Reason;

/// The wait after the first rejection that trying again at once would not cure.
const BACK_OFF_FIRST_MILLIS: i64 = 5;
/// The longest wait after rejections.
const BACK_OFF_LAST_MILLIS: i64 = 30_000;

/// One thing to decide: a key, for one of the controllers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The place of the controller in [`super::CONTROLLERS`].
    pub controller: usize,
    /// What it has to look at.
    pub key: Key,
}

/// The items that wait, those that are being decided, and those that are due later.
///
/// An item is handed out by [`WorkQueue::take`] and is then *in flight* until one of [`WorkQueue::settled`],
/// [`WorkQueue::applied`] and [`WorkQueue::rejected`] is called for it. What happens to it meanwhile is remembered: it is
/// handed out once more afterwards.
#[derive(Clone, Debug, Default)]
pub struct WorkQueue {
    /// By turn: first come, first served.
    waiting: BTreeMap<u64, Item>,
    /// By time.
    due: BTreeSet<(Time, Item)>,
    /// What is known of each item that waits, is in flight, is due later, or was rejected.
    known: BTreeMap<Item, Entry>,
    next_turn: u64,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    turn: Option<u64>,
    due: Option<Time>,
    in_flight: bool,
    /// Asked for while it was in flight.
    again: bool,
    /// Not to be decided on a snapshot that is older than its own last write.
    not_before_version: u64,
    rejections: u32,
}

impl Entry {
    fn is_idle(&self) -> bool {
        self.turn.is_none() && self.due.is_none() && !self.in_flight && self.rejections == 0
    }
}

impl WorkQueue {
    /// Asks for a decision about `key` soon; once, however often it is called before that.
    pub fn enqueue(&mut self, controller: usize, key: Key) {
        self.push(Item { controller, key });
    }

    /// The items to decide now, at most `limit`, on a snapshot of `version`. They are in flight from now on.
    pub fn take(&mut self, now: Time, version: u64, limit: usize) -> Vec<Item> {
        self.wake(now);
        let ready: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, item)| {
                self.known
                    .get(*item)
                    .is_none_or(|entry| entry.not_before_version <= version)
            })
            .map(|(turn, _)| *turn)
            .take(limit)
            .collect();
        let mut taken = Vec::with_capacity(ready.len());
        for turn in ready {
            let Some(item) = self.waiting.remove(&turn) else {
                continue;
            };
            let entry = self.known.entry(item.clone()).or_default();
            entry.turn = None;
            entry.in_flight = true;
            entry.again = false;
            taken.push(item);
        }
        taken
    }

    /// The decision about an item in flight was to write nothing; it wants to look again at a time, or when something changes.
    pub fn settled(&mut self, item: &Item, look_again: Option<Time>) {
        self.land(item, |entry| entry.rejections = 0);
        self.set_due(item, look_again);
    }

    /// What was decided about an item in flight is written, the last of it with `version`. It is decided once more on top of
    /// that, so a decision that cut itself short goes on.
    pub fn applied(&mut self, item: &Item, version: u64, look_again: Option<Time>) {
        self.land(item, |entry| {
            entry.rejections = 0;
            entry.again = true;
            entry.not_before_version = version;
        });
        self.set_due(item, look_again);
    }

    /// What was decided about an item in flight was refused. A stale decision is repeated at once; anything else after a wait
    /// that doubles from 5 ms to 30 s.
    pub fn rejected(&mut self, item: &Item, reason: &Reason, now: Time) {
        let stale = matches!(reason, Reason::Conflict { .. } | Reason::NotFound);
        self.decide_again(item, stale, now);
    }

    /// What was decided about an item in flight could not be proposed: it is decided again after the same wait.
    pub fn not_proposed(&mut self, item: &Item, now: Time) {
        self.decide_again(item, false, now);
    }

    fn decide_again(&mut self, item: &Item, stale: bool, now: Time) {
        let mut wait = None;
        self.land(item, |entry| {
            entry.rejections = entry.rejections.saturating_add(1);
            // A decision that is stale again and again is no longer a race; do not spin on it.
            if stale && entry.rejections <= STALE_AT_ONCE_MAX {
                entry.again = true;
            } else {
                wait = Some(back_off_millis(entry.rejections));
            }
        });
        if let Some(millis) = wait {
            self.set_due(item, Some(now.plus_millis(millis)));
        }
    }

    /// When the next item becomes due that only waits for its time; `None` when there is none.
    pub fn next_due(&self) -> Option<Time> {
        self.due.first().map(|(time, _)| *time)
    }

    /// True when an item could be taken now, given a snapshot that is new enough.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How many items wait, without those that are due later.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn push(&mut self, item: Item) {
        let entry = self.known.entry(item.clone()).or_default();
        if entry.in_flight {
            entry.again = true;
        } else if entry.turn.is_none() {
            entry.turn = Some(self.next_turn);
            self.waiting.insert(self.next_turn, item);
            self.next_turn += 1;
        }
    }

    /// Moves what is due to the waiting.
    fn wake(&mut self, now: Time) {
        while let Some((time, item)) = self.due.first().filter(|(time, _)| *time <= now).cloned() {
            self.due.remove(&(time, item.clone()));
            if let Some(entry) = self.known.get_mut(&item) {
                entry.due = None;
            }
            self.push(item);
        }
    }

    fn land(&mut self, item: &Item, change: impl FnOnce(&mut Entry)) {
        let entry = self.known.entry(item.clone()).or_default();
        entry.in_flight = false;
        change(entry);
        if std::mem::take(&mut entry.again) {
            self.push(item.clone());
        }
    }

    /// The newest decision knows best when to look again; an earlier wish is dropped.
    fn set_due(&mut self, item: &Item, time: Option<Time>) {
        let Some(entry) = self.known.get_mut(item) else {
            return;
        };
        if let Some(old) = std::mem::replace(&mut entry.due, time) {
            self.due.remove(&(old, item.clone()));
        }
        if let Some(time) = time {
            self.due.insert((time, item.clone()));
        } else if entry.is_idle() {
            self.known.remove(item);
        }
    }
}

/// So many times in a row a stale decision is repeated without a wait.
const STALE_AT_ONCE_MAX: u32 = 16;

fn back_off_millis(rejections: u32) -> i64 {
    let doublings = rejections.saturating_sub(1).min(20);
    (BACK_OFF_FIRST_MILLIS << doublings).min(BACK_OFF_LAST_MILLIS)
}

#[cfg(test)]
mod tests {
    use bosun_proto::Kind;

    use super::*;

    const LIMIT: usize = 10;

    fn key(name: &str) -> Key {
        Key::new(Kind::Job, "default", name)
    }

    fn item(name: &str) -> Item {
        Item {
            controller: 0,
            key: key(name),
        }
    }

    fn at(millis: i64) -> Time {
        Time::from_millis(millis)
    }

    fn names(items: &[Item]) -> Vec<&str> {
        items.iter().map(|item| &*item.key.name).collect()
    }

    #[test]
    fn items_come_once_in_the_order_asked_for_and_no_more_than_the_limit() {
        let mut queue = WorkQueue::default();
        for name in ["b", "a", "b", "c"] {
            queue.enqueue(0, key(name));
        }
        assert_eq!(names(&queue.take(at(0), 0, 2)), ["b", "a"]);
        assert_eq!(names(&queue.take(at(0), 0, 2)), ["c"]);
        assert!(!queue.has_waiting());
    }

    #[test]
    fn an_item_in_flight_is_not_handed_out_but_what_happened_is_remembered() {
        let mut queue = WorkQueue::default();
        queue.enqueue(0, key("a"));
        queue.take(at(0), 0, LIMIT);
        queue.enqueue(0, key("a"));
        assert!(queue.take(at(0), 0, LIMIT).is_empty());
        queue.settled(&item("a"), None);
        assert_eq!(names(&queue.take(at(0), 0, LIMIT)), ["a"]);
        queue.settled(&item("a"), None);
        assert!(queue.take(at(0), 0, LIMIT).is_empty());
        assert!(queue.known.is_empty(), "a settled item leaves nothing behind");
    }

    #[test]
    fn after_its_own_write_an_item_waits_for_a_snapshot_that_has_it() {
        let mut queue = WorkQueue::default();
        queue.enqueue(0, key("a"));
        queue.take(at(0), 4, LIMIT);
        queue.applied(&item("a"), 9, None);
        assert!(queue.take(at(0), 8, LIMIT).is_empty());
        assert_eq!(names(&queue.take(at(0), 9, LIMIT)), ["a"]);
    }

    #[test]
    fn the_last_wish_to_look_again_counts() {
        let mut queue = WorkQueue::default();
        queue.enqueue(0, key("a"));
        queue.take(at(0), 0, LIMIT);
        queue.settled(&item("a"), Some(at(50)));
        queue.enqueue(0, key("a"));
        queue.take(at(0), 0, LIMIT);
        queue.settled(&item("a"), Some(at(70)));
        assert_eq!(queue.next_due(), Some(at(70)));
        assert!(queue.take(at(69), 0, LIMIT).is_empty());
        assert_eq!(names(&queue.take(at(70), 0, LIMIT)), ["a"]);
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn a_stale_decision_is_repeated_at_once_and_other_refusals_after_a_growing_wait() {
        let mut queue = WorkQueue::default();
        queue.enqueue(0, key("a"));
        queue.take(at(0), 0, LIMIT);
        queue.rejected(&item("a"), &Reason::Conflict { current: 3 }, at(0));
        assert_eq!(names(&queue.take(at(0), 0, LIMIT)), ["a"]);
        queue.settled(&item("a"), None);
        queue.enqueue(0, key("a"));
        for (now, next) in [(0, 5), (5, 15), (15, 35)] {
            assert_eq!(names(&queue.take(at(now), 0, LIMIT)), ["a"]);
            queue.rejected(&item("a"), &Reason::NamespaceTerminating, at(now));
            assert_eq!(queue.next_due(), Some(at(next)));
        }
        assert_eq!(back_off_millis(u32::MAX), BACK_OFF_LAST_MILLIS);
    }
}
