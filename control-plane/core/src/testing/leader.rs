//! The leader: runs the controllers and the scheduler as the server's driver does, without its threads and waits.

use std::collections::BTreeMap;

use bosun_proto::Key;
use bosun_proto::scalars::Time;

use super::fields;
use super::fixture::Fixture;
use crate::controllers::queue::{Item, WorkQueue};
use crate::controllers::{CONTROLLERS, node_lifecycle};
use crate::event;
use crate::liveness::Standing;
use crate::plan::{PLAN_OBJECTS_MAX, Plan};
use crate::scheduler;
use crate::state::Reason;

/// How many keys are decided over one snapshot.
const BATCH: usize = 16;
/// More rounds than any test needs; whoever needs more does not settle.
const ROUNDS_MAX: usize = 20_000;

/// How a plan ended: the version after it if it wrote anything, or why it was refused.
type End = Result<Option<u64>, Reason>;

/// What was decided.
pub(super) enum Flight {
    /// By a controller.
    Controlled(Item, Plan),
    /// By the scheduler, about a batch.
    Scheduled(Vec<Item>, Vec<(Key, Plan)>),
}

impl Fixture {
    /// Runs the controllers and the scheduler until nothing is left to do at this time.
    ///
    /// # Panics
    /// When they never come to an end.
    pub fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.observe();
            if !self.control(BATCH) && !self.schedule() {
                return;
            }
            while !self.in_flight.is_empty() {
                let flight = self.in_flight.remove(0);
                self.land(flight);
            }
        }
        panic!(
            "does not settle; the last notes were {:?}",
            self.notes.iter().rev().take(5).collect::<Vec<_>>()
        );
    }

    /// Lets time pass. What is due meanwhile happens at its time and in order.
    pub fn advance(&mut self, seconds: i64) {
        let end = self.now.plus_seconds(seconds);
        self.settle();
        let mut steps = 0;
        while let Some(due) = self.next_due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.settle();
            steps += 1;
            assert!(
                steps < ROUNDS_MAX,
                "asks again and again to look again; now at {:?}",
                self.now
            );
        }
        self.now = end;
        self.settle();
    }

    /// Moves the clock and nothing else.
    pub(super) fn let_time_pass(&mut self, seconds: i64) {
        self.now = self.now.plus_seconds(seconds);
    }

    /// Forgets everything that is not in the state, as a new leader has not seen it.
    pub fn change_leader(&mut self) {
        self.queue = WorkQueue::default();
        self.to_schedule = WorkQueue::default();
        self.observed_version = 0;
        self.in_flight.clear();
    }

    /// When something becomes due, if nothing happens before.
    pub fn next_due(&self) -> Option<Time> {
        [self.queue.next_due(), self.to_schedule.next_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The leader finds that a node is heard, silent or lost, and writes what follows.
    pub fn find_node(&mut self, name: &str, standing: Standing) {
        for plan in node_lifecycle::plans(&self.snapshot(), name, standing, self.now) {
            let end = self.carry_out(node_lifecycle::NAME, plan);
            assert!(end.is_ok(), "nothing came in between: {end:?}");
        }
    }

    /// Tells the controllers and the scheduler what has changed; everything, at the start.
    pub(super) fn observe(&mut self) {
        let snapshot = self.snapshot();
        let since = std::mem::replace(&mut self.observed_version, snapshot.version());
        if since == 0 {
            for key in scheduler::keys(&snapshot) {
                self.to_schedule.enqueue(0, key);
            }
            for (place, controller) in CONTROLLERS.iter().enumerate() {
                for key in controller.keys(&snapshot) {
                    self.queue.enqueue(place, key);
                }
            }
            return;
        }
        for change in snapshot
            .history()
            .since(since)
            .expect("tests make fewer changes than are kept")
        {
            for key in scheduler::touched_by(change, &snapshot) {
                self.to_schedule.enqueue(0, key);
            }
            for (place, controller) in CONTROLLERS.iter().enumerate() {
                for key in controller.touched_by(change, &snapshot) {
                    self.queue.enqueue(place, key);
                }
            }
        }
    }

    /// Lets the controllers decide about at most `limit` keys; true when there was something to decide.
    pub(super) fn control(&mut self, limit: usize) -> bool {
        let snapshot = self.snapshot();
        let items = self.queue.take(self.now, snapshot.version(), limit);
        let decided = !items.is_empty();
        for item in items {
            let plan = CONTROLLERS[item.controller].reconcile(&snapshot, &item.key, self.now);
            self.in_flight.push(Flight::Controlled(item, plan));
        }
        decided
    }

    /// Lets the scheduler decide about what it has to look at; true when there was something to decide.
    pub(super) fn schedule(&mut self) -> bool {
        let snapshot = self.snapshot();
        let items = self.to_schedule.take(self.now, snapshot.version(), usize::MAX);
        let decided = !items.is_empty();
        if decided {
            let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
            let plans = scheduler::schedule(&snapshot, &keys, self.now);
            self.in_flight.push(Flight::Scheduled(items, plans));
        }
        decided
    }

    /// Applies what was decided, if it still may be.
    pub(super) fn land(&mut self, flight: Flight) {
        match flight {
            Flight::Controlled(item, plan) => {
                let look_again = plan.look_again;
                let end = self.carry_out(CONTROLLERS[item.controller].name(), plan);
                finish(&mut self.queue, &item, look_again, end, self.now);
            }
            Flight::Scheduled(items, plans) => {
                let mut ends: BTreeMap<Key, (Option<Time>, End)> = BTreeMap::new();
                for (key, plan) in plans {
                    let look_again = plan.look_again;
                    let end = self.carry_out(scheduler::NAME, plan);
                    let (earliest, joined) = ends.entry(key).or_insert((None, Ok(None)));
                    *earliest = earliest.iter().copied().chain(look_again).min();
                    if joined.is_ok() && end != Ok(None) {
                        *joined = end;
                    }
                }
                for item in &items {
                    let (look_again, end) = ends.remove(&item.key).unwrap_or((None, Ok(None)));
                    finish(&mut self.to_schedule, item, look_again, end, self.now);
                }
            }
        }
    }

    /// Applies a plan and records its notes: the version after it, if it wrote anything.
    fn carry_out(&mut self, component: &str, mut plan: Plan) -> End {
        let snapshot = self.snapshot();
        self.stamp(|stamp| stamp.complete_plan(&mut plan, &snapshot));
        let writes = plan.writes.len();
        assert!(
            writes <= PLAN_OBJECTS_MAX,
            "{component} plans {writes} writes at once"
        );
        let allowed = fields::check(&self.snapshot(), component, &plan.writes);
        allowed.unwrap_or_else(|message| panic!("{message}"));
        self.execute(plan.writes).map_err(|rejection| rejection.reason)?;
        let version = self.snapshot().version();
        for note in plan.notes {
            let write = event::record(&self.snapshot(), &note, component, self.now);
            // An Event that cannot be written (its namespace is gone) is no reason to stop.
            drop(self.execute(vec![write]));
            self.notes.push((self.now, note));
        }
        Ok((writes > 0).then_some(version))
    }
}

fn finish(queue: &mut WorkQueue, item: &Item, look_again: Option<Time>, end: End, now: Time) {
    match end {
        Ok(None) => queue.settled(item, look_again),
        Ok(Some(version)) => queue.applied(item, version, look_again),
        Err(reason) => queue.rejected(item, &reason, now),
    }
}
