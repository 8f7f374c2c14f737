//! A control plane in one value: the state machine, a clock that only moves when told, and the controllers, run as the
//! server's leader runs them.

use std::collections::BTreeMap;

use bosun_proto::apps_v1::ReplicaSet;
use bosun_proto::batch_v1::{CronJob, Job};
use bosun_proto::core_v1::{Event, Namespace, Node, NodeCondition, NodeStatus, Pod};
use bosun_proto::meta_v1::{DeleteOptions, ObjectMeta};
use bosun_proto::scalars::{Quantity, Time};
use bosun_proto::{Key, Kind, Object, Resource};

use super::{fields, objects_from_yaml};
use crate::admission::{self, DeleteRequest};
use crate::controllers::CONTROLLERS;
use crate::controllers::queue::{Item, WorkQueue};
use crate::event;
use crate::plan::{Note, PLAN_OBJECTS_MAX, Plan};
use crate::refusal::Refusal;
use crate::scheduler;
use crate::stamp::Stamp;
use crate::state::{Command, Machine, Outcome, Reason, Rejection, Snapshot, Write};

/// The namespace of everything that names none.
pub(super) const NAMESPACE: &str = "default";
/// 2026-01-01T00:00:00Z, a Thursday.
const START_SECONDS: i64 = 1_767_225_600;
/// How many keys are decided over one snapshot.
const BATCH: usize = 16;
/// More rounds than any test needs; whoever needs more does not settle.
const ROUNDS_MAX: usize = 20_000;

/// How a plan ended: the version after it if it wrote anything, or why it was refused.
type End = Result<Option<u64>, Reason>;

/// A control plane whose time the test moves. Starts with namespace `default`, no node, at 2026-01-01T00:00:00Z.
///
/// Its methods panic where a test cannot go on; each says what was expected and what was there.
pub struct Fixture {
    machine: Machine,
    now: Time,
    entropy: u64,
    queue: WorkQueue,
    /// What the scheduler has to look at; it is no member of the table, since it decides about many keys at once.
    to_schedule: WorkQueue,
    observed_version: u64,
    notes: Vec<(Time, Note)>,
    /// Decisions that were made and not applied yet; only the step simulator leaves any.
    pub(super) in_flight: Vec<Flight>,
}

/// What was decided.
pub(super) enum Flight {
    /// By a controller.
    Controlled(Item, Plan),
    /// By the scheduler, about a batch.
    Scheduled(Vec<Item>, Vec<(Key, Plan)>),
}

impl Default for Fixture {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Fixture {
    /// A control plane whose random names and uids follow from `seed`.
    pub fn new(seed: u64) -> Self {
        let mut fixture = Self {
            machine: Machine::default(),
            now: Time::from_seconds(START_SECONDS),
            entropy: seed,
            queue: WorkQueue::default(),
            to_schedule: WorkQueue::default(),
            observed_version: 0,
            notes: Vec::new(),
            in_flight: Vec::new(),
        };
        fixture.create(Namespace {
            metadata: Some(ObjectMeta {
                name: NAMESPACE.into(),
                ..ObjectMeta::default()
            }),
            ..Namespace::default()
        });
        fixture
    }

    /// One with a ready node of 64 processors that takes 1,000 pods.
    pub fn with_node() -> Self {
        let mut fixture = Self::default();
        fixture.add_node("n1", &[("cpu", "64"), ("memory", "64Gi"), ("pods", "1000")]);
        fixture
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The state as it is.
    pub fn snapshot(&self) -> Snapshot {
        self.machine.snapshot()
    }

    /// What the controllers and the scheduler said so far, and when.
    pub fn notes(&self) -> &[(Time, Note)] {
        &self.notes
    }

    /// Reasons of the notes about one object, in order.
    pub fn reasons(&self, kind: Kind, name: &str) -> Vec<&str> {
        let about = |note: &Note| note.about.kind == kind && &*note.about.name == name;
        self.notes
            .iter()
            .filter(|(_, note)| about(note))
            .map(|(_, note)| note.reason.as_str())
            .collect()
    }

    /// A ready node.
    pub fn add_node(&mut self, name: &str, allocatable: &[(&str, &str)]) {
        let offers = |(resource, amount): &(&str, &str)| ((*resource).to_owned(), Quantity::from(*amount));
        let allocatable: BTreeMap<_, _> = allocatable.iter().map(offers).collect();
        let ready = NodeCondition {
            r#type: "Ready".into(),
            status: "True".into(),
            last_transition_time: Some(self.now),
            ..NodeCondition::default()
        };
        let labels = [("kubernetes.io/hostname".to_owned(), name.to_owned())].into();
        let mut node = Object::from(Node {
            metadata: Some(ObjectMeta {
                name: name.into(),
                labels,
                ..ObjectMeta::default()
            }),
            status: Some(NodeStatus {
                capacity: allocatable.clone(),
                allocatable,
                conditions: vec![ready],
                ..NodeStatus::default()
            }),
            ..Node::default()
        });
        self.stamp(|stamp| stamp.complete(&mut node));
        self.must(vec![Write::Create(node)]);
    }

    /// Creates, as a client does: with defaults and checks.
    pub fn try_create(&mut self, object: impl Into<Object>) -> Result<Object, Refusal> {
        let snapshot = self.snapshot();
        let object = object.into();
        let admitted = self.stamp(|stamp| admission::create(&snapshot, object, stamp))?;
        self.try_execute(admitted.writes)?;
        Ok(admitted.object)
    }

    /// Creates what must be all right.
    pub fn create(&mut self, object: impl Into<Object>) -> Object {
        self.try_create(object)
            .unwrap_or_else(|refusal| panic!("cannot create: {refusal}"))
    }

    /// Creates each object of a YAML text, or replaces it when it is there already, as `apply` does.
    pub fn try_apply(&mut self, yaml: &str) -> Result<Vec<Key>, String> {
        let mut keys = Vec::new();
        for mut object in objects_from_yaml(yaml)? {
            if object.kind().info().namespaced && object.metadata().namespace.is_empty() {
                object.metadata_mut().namespace = NAMESPACE.into();
            }
            keys.push(object.key());
            let snapshot = self.snapshot();
            let done = if snapshot.get(&object.key()).is_some() {
                admission::update(&snapshot, object, self.now)
                    .and_then(|admitted| self.try_execute(admitted.writes))
            } else {
                self.try_create(object).map(drop)
            };
            done.map_err(|refusal| refusal.to_string())?;
        }
        Ok(keys)
    }

    /// Applies what must be all right.
    pub fn apply(&mut self, yaml: &str) {
        self.try_apply(yaml)
            .unwrap_or_else(|message| panic!("cannot apply: {message}"));
    }

    /// Changes a stored object as a client does.
    pub fn update<R: Resource + Clone + Into<Object>>(&mut self, name: &str, change: impl FnOnce(&mut R)) {
        let snapshot = self.snapshot();
        let namespace = if R::KIND.info().namespaced { NAMESPACE } else { "" };
        let stored = snapshot
            .find::<R>(namespace, name)
            .unwrap_or_else(|| panic!("no {:?} {name}", R::KIND));
        let mut changed = stored.as_ref().clone();
        change(&mut changed);
        let admitted = admission::update(&snapshot, changed.into(), self.now)
            .unwrap_or_else(|refusal| panic!("cannot update: {refusal}"));
        self.must(admitted.writes);
    }

    /// Deletes as a client does. `propagation` is Background, Foreground or Orphan; without it the kind chooses.
    pub fn delete(&mut self, key: &Key, propagation: Option<&str>) {
        let propagation_policy = propagation.map(str::to_owned);
        let options = DeleteOptions {
            propagation_policy,
            ..DeleteOptions::default()
        };
        let request = DeleteRequest {
            key: key.clone(),
            options,
        };
        let admitted = admission::delete(&self.snapshot(), &request, self.now)
            .unwrap_or_else(|refusal| panic!("cannot delete: {refusal}"));
        self.must(admitted.writes);
    }

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

    /// The pods of the namespace, oldest first, those of one time by name.
    pub fn pods(&self) -> Vec<Pod> {
        let mut pods: Vec<Pod> = self
            .snapshot()
            .all::<Pod>(Some(NAMESPACE))
            .map(|pod| pod.as_ref().clone())
            .collect();
        pods.sort_by_key(|pod| pod.metadata().creation_timestamp);
        pods
    }

    /// The pods whose controller is this object, oldest first.
    pub fn pods_of(&self, kind: Kind, name: &str) -> Vec<Pod> {
        let owned = |pod: &Pod| {
            let mut owners = pod.metadata().owner_references.iter();
            owners.any(|owner| {
                owner.controller == Some(true) && owner.kind == kind.info().kind && owner.name == name
            })
        };
        self.pods().into_iter().filter(owned).collect()
    }

    /// A Job that must be there.
    pub fn job(&self, name: &str) -> Job {
        self.get(name)
    }

    /// A CronJob that must be there.
    pub fn cron_job(&self, name: &str) -> CronJob {
        self.get(name)
    }

    /// A ReplicaSet that must be there.
    pub fn replica_set(&self, name: &str) -> ReplicaSet {
        self.get(name)
    }

    /// The Events about one object, in order of their names.
    pub fn events(&self, kind: Kind, name: &str) -> Vec<Event> {
        let about = |event: &Event| {
            let object = event.involved_object.as_ref();
            object.is_some_and(|object| object.kind == kind.info().kind && object.name == name)
        };
        self.snapshot()
            .all::<Event>(None)
            .filter(|event| about(event))
            .map(|event| event.as_ref().clone())
            .collect()
    }

    /// An object that must be there.
    pub fn get<R: Resource + Clone>(&self, name: &str) -> R {
        let namespace = if R::KIND.info().namespaced { NAMESPACE } else { "" };
        let snapshot = self.snapshot();
        let found = snapshot
            .find::<R>(namespace, name)
            .unwrap_or_else(|| panic!("no {:?} {name}", R::KIND));
        found.as_ref().clone()
    }

    /// Applies writes as one command; nothing when there are none.
    pub fn execute(&mut self, writes: Vec<Write>) -> Result<Vec<u64>, Rejection> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let mut request_id = [0; 16];
        request_id[..8].copy_from_slice(&next_random(&mut self.entropy).to_le_bytes());
        let command = Command {
            request_id,
            time: self.now,
            writes,
        };
        // By way of the log, so that what cannot be written there shows.
        let entry = bosun_proto::log::Entry {
            commands: vec![command.to_wire()],
        };
        match self.machine.apply(&entry).remove(0) {
            Outcome::Applied(versions) => Ok(versions),
            Outcome::Rejected(rejection) => Err(rejection),
        }
    }

    /// Applies writes that must be accepted.
    pub(super) fn must(&mut self, writes: Vec<Write>) {
        self.execute(writes)
            .unwrap_or_else(|rejection| panic!("rejected: {rejection:?}"));
    }

    fn try_execute(&mut self, writes: Vec<Write>) -> Result<(), Refusal> {
        self.execute(writes).map(drop).map_err(Refusal::from)
    }

    fn stamp<T>(&mut self, use_it: impl FnOnce(&mut Stamp<'_>) -> T) -> T {
        let state = &mut self.entropy;
        let mut entropy = || next_random(state);
        use_it(&mut Stamp {
            now: self.now,
            entropy: &mut entropy,
        })
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
        self.stamp(|stamp| stamp.complete_plan(&mut plan));
        let writes = plan.writes.len();
        assert!(
            writes <= PLAN_OBJECTS_MAX,
            "{component} plans {writes} writes at once"
        );
        let allowed = fields::check(&self.snapshot(), component, &plan.writes);
        allowed.unwrap_or_else(|message| panic!("{message}"));
        self.execute(plan.writes).map_err(|rejection| rejection.reason)?;
        let version = self.machine.snapshot().version();
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

/// SplitMix64: small, and good enough for names.
pub(super) fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *state;
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
