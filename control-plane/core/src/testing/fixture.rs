//! A control plane in one value: the state machine and a clock that only moves when told. What users, agents and the leader
//! do with it is in the files beside.

use bosun_proto::core_v1::Namespace;
use bosun_proto::meta_v1::ObjectMeta;
use bosun_proto::scalars::Time;

use super::leader::Flight;
use crate::controllers::queue::WorkQueue;
use crate::plan::Note;
use crate::stamp::Stamp;
use crate::state::{Command, ENTRY_FORMAT, Machine, Outcome, Rejection, Snapshot, Write};

/// The namespace of everything that names none.
pub(super) const NAMESPACE: &str = "default";
/// 2026-01-01T00:00:00Z, a Thursday.
const START_SECONDS: i64 = 1_767_225_600;
/// A control plane whose time the test moves. Starts with namespace `default`, no node, at 2026-01-01T00:00:00Z.
///
/// Its methods panic where a test cannot go on; each says what was expected and what was there.
pub struct Fixture {
    machine: Machine,
    pub(super) now: Time,
    entropy: u64,
    pub(super) queue: WorkQueue,
    /// What the scheduler has to look at; it is no member of the table, since it decides about many keys at once.
    pub(super) to_schedule: WorkQueue,
    pub(super) observed_version: u64,
    pub(super) notes: Vec<(Time, Note)>,
    /// Decisions that were made and not applied yet; only the step simulator leaves any.
    pub(super) in_flight: Vec<Flight>,
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
            format: ENTRY_FORMAT,
        };
        let mut outcomes = self.machine.apply(entry).expect("it was written by this version");
        match outcomes.remove(0) {
            Outcome::Applied(versions) => Ok(versions),
            Outcome::Rejected(rejection) => Err(rejection),
        }
    }

    /// Applies writes that must be accepted.
    pub(super) fn must(&mut self, writes: Vec<Write>) {
        self.execute(writes)
            .unwrap_or_else(|rejection| panic!("rejected: {rejection:?}"));
    }

    /// What completes new objects at this time.
    pub(super) fn stamp<T>(&mut self, use_it: impl FnOnce(&mut Stamp<'_>) -> T) -> T {
        let state = &mut self.entropy;
        let mut entropy = || next_random(state);
        use_it(&mut Stamp {
            now: self.now,
            entropy: &mut entropy,
        })
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
