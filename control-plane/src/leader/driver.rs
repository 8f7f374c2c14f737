//! Runs the controllers and the scheduler: what has changed becomes keys, keys become plans, plans become commands.
//!
//! It starts by enqueuing every key, so that start-up, a missed change and an ordinary change are one code path; what is
//! due when is in the state, never only here. The bookkeeping is core's [`WorkQueue`]; this file only waits and proposes.

use std::collections::BTreeMap;
use std::time::Duration;

use bosun_core::controllers::queue::{Item, WorkQueue};
use bosun_core::controllers::{CONTROLLERS, namespace};
use bosun_core::plan::Plan;
use bosun_core::scheduler;
use bosun_core::state::{Outcome, Snapshot};
use bosun_host::Host;
use bosun_proto::{Key, Time};
use futures::StreamExt;
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;

use super::carry_out::{End, Refused, carry_out, complete};
use crate::replica::Replica;

/// Plans of controllers that may be under way at once.
const PLANS_IN_FLIGHT_MAX: usize = 256;
/// How many keys the scheduler is given at once.
const PODS_PER_BATCH_MAX: usize = 1_000;
/// How long a proposal that raft did not take is waited with.
const NOT_PROPOSED_PAUSE: Duration = Duration::from_millis(50);
/// The longest sleep, so that a calendar clock that was set does not delay what is due for long.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Drives until the caller drops it. Returns only when the server stops.
pub(super) async fn run(replica: &Replica, host: &Host) {
    bootstrap(replica, host).await;
    let mut snapshots = replica.subscribe();
    let mut driver = Driver::new(replica.clone(), host.clone());
    loop {
        let snapshot = snapshots.borrow_and_update().clone();
        driver.observe(&snapshot);
        driver.control(&snapshot);
        driver.schedule(&snapshot);
        let pause = driver.pause();
        tokio::select! {
            changed = snapshots.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            Some(landing) = driver.in_flight.next(), if !driver.in_flight.is_empty() => driver.land(landing),
            () = tokio::time::sleep(pause) => {}
        }
        // Whatever else has landed meanwhile belongs to the same round.
        while let Some(Some(landing)) = futures::FutureExt::now_or_never(driver.in_flight.next()) {
            driver.land(landing);
        }
    }
}

/// The namespaces that every cluster has.
async fn bootstrap(replica: &Replica, host: &Host) {
    loop {
        let mut plan = Plan {
            writes: namespace::bootstrap(&replica.snapshot(), replica.now()),
            ..Plan::default()
        };
        if plan.writes.is_empty() {
            return;
        }
        complete(&mut plan, replica, host);
        match replica.propose(plan.writes).await {
            Ok(Outcome::Applied(_)) => return,
            Ok(Outcome::Rejected(rejection)) => tracing::debug!(?rejection, "namespaces decided again"),
            Err(error) => {
                tracing::warn!(%error, "cannot create the first namespaces yet");
                tokio::time::sleep(NOT_PROPOSED_PAUSE).await;
            }
        }
    }
}

/// What came of one item, or of one batch of the scheduler.
enum Landing {
    Controlled {
        item: Item,
        look_again: Option<Time>,
        end: End,
    },
    Scheduled {
        items: Vec<Item>,
        ends: Vec<(Key, Option<Time>, End)>,
    },
}

struct Driver {
    replica: Replica,
    host: Host,
    queue: WorkQueue,
    /// What the scheduler has to look at; it is no member of the table, since it decides about many keys at once.
    to_schedule: WorkQueue,
    /// The version up to which changes have become keys; `None` before everything was enqueued.
    observed: Option<u64>,
    in_flight: FuturesUnordered<BoxFuture<'static, Landing>>,
    scheduling: bool,
}

impl Driver {
    fn new(replica: Replica, host: Host) -> Self {
        Self {
            replica,
            host,
            queue: WorkQueue::default(),
            to_schedule: WorkQueue::default(),
            observed: None,
            in_flight: FuturesUnordered::new(),
            scheduling: false,
        }
    }

    /// Turns what has changed into keys; everything, at the start and when the history does not reach back.
    fn observe(&mut self, snapshot: &Snapshot) {
        let observed = self.observed.replace(snapshot.version());
        let Some(changes) = observed.and_then(|version| snapshot.history().since(version).ok()) else {
            for key in scheduler::keys(snapshot) {
                self.to_schedule.enqueue(0, key);
            }
            for (place, controller) in CONTROLLERS.iter().enumerate() {
                for key in controller.keys(snapshot) {
                    self.queue.enqueue(place, key);
                }
            }
            return;
        };
        for change in changes {
            for key in scheduler::touched_by(change, snapshot) {
                self.to_schedule.enqueue(0, key);
            }
            for (place, controller) in CONTROLLERS.iter().enumerate() {
                for key in controller.touched_by(change, snapshot) {
                    self.queue.enqueue(place, key);
                }
            }
        }
    }

    fn control(&mut self, snapshot: &Snapshot) {
        let now = self.replica.now();
        let room = PLANS_IN_FLIGHT_MAX.saturating_sub(self.in_flight.len());
        for item in self.queue.take(now, snapshot.version(), room) {
            let controller = CONTROLLERS[item.controller];
            let plan = controller.reconcile(snapshot, &item.key, now);
            let look_again = plan.look_again;
            if plan.is_empty() {
                self.queue.settled(&item, look_again);
                continue;
            }
            let end = carry_out(self.replica.clone(), self.host.clone(), controller.name(), plan);
            self.in_flight.push(Box::pin(async move {
                Landing::Controlled {
                    item,
                    look_again,
                    end: end.await,
                }
            }));
        }
    }

    /// One batch at a time, so that each sees where the one before has put its pods.
    fn schedule(&mut self, snapshot: &Snapshot) {
        if self.scheduling {
            return;
        }
        let now = self.replica.now();
        let items = self.to_schedule.take(now, snapshot.version(), PODS_PER_BATCH_MAX);
        if items.is_empty() {
            return;
        }
        let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
        let (replica, host) = (&self.replica, &self.host);
        let plans = scheduler::schedule(snapshot, &keys, now)
            .into_iter()
            .map(|(key, plan)| {
                let look_again = plan.look_again;
                let end = carry_out(replica.clone(), host.clone(), scheduler::NAME, plan);
                async move { (key, look_again, end.await) }
            });
        let plans = join_all(plans);
        self.scheduling = true;
        self.in_flight.push(Box::pin(async move {
            Landing::Scheduled {
                items,
                ends: plans.await,
            }
        }));
    }

    fn land(&mut self, landing: Landing) {
        let now = self.replica.now();
        match landing {
            Landing::Controlled {
                item,
                look_again,
                end,
            } => settle(&mut self.queue, &item, look_again, end, now),
            Landing::Scheduled { items, ends } => {
                self.scheduling = false;
                let mut by_key: BTreeMap<Key, (Option<Time>, End)> = BTreeMap::new();
                for (key, look_again, end) in ends {
                    let (earliest, joined) = by_key.entry(key).or_insert((None, Ok(None)));
                    *earliest = earliest.iter().copied().chain(look_again).min();
                    *joined = join(std::mem::replace(joined, Ok(None)), end);
                }
                for item in &items {
                    let (look_again, end) = by_key.remove(&item.key).unwrap_or((None, Ok(None)));
                    settle(&mut self.to_schedule, item, look_again, end, now);
                }
            }
        }
    }

    /// How long nothing needs to be done unless something happens.
    fn pause(&self) -> Duration {
        let due = [self.queue.next_due(), self.to_schedule.next_due()]
            .into_iter()
            .flatten()
            .min();
        let Some(due) = due else { return SLEEP_MAX };
        let millis = due.millis_since(self.replica.now()).max(0);
        // One more, since a time is rounded down to milliseconds here.
        Duration::from_millis(u64::try_from(millis).unwrap_or(0) + 1).min(SLEEP_MAX)
    }
}

fn join(first: End, second: End) -> End {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok(first.max(second)),
        (Err(refused), _) | (_, Err(refused)) => Err(refused),
    }
}

fn settle(queue: &mut WorkQueue, item: &Item, look_again: Option<Time>, end: End, now: Time) {
    match end {
        Ok(None) => queue.settled(item, look_again),
        Ok(Some(version)) => queue.applied(item, version, look_again),
        Err(Refused::Rejected(reason)) => queue.rejected(item, &reason, now),
        Err(Refused::NotProposed(error)) => {
            tracing::debug!(key = %item.key, %error, "plan not proposed");
            queue.not_proposed(item, now);
        }
    }
}
