//! One machine: what stays over a crash (its disk, its containers, how its clock is off) and the `Host` that each start
//! of a program on it gets.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bosun_host::testing::{Crash, SeededEntropy, SimulatedDisk, TaskWorkers};
use bosun_host::{Entropy, Host};

use super::clock::{SimulatedClock, Skew};
use super::containers::Containers;
use super::network::SimulatedNetwork;
use super::{Links, Lives, Trace};

/// The shortest and the longest sync of a disk that is well, in microseconds.
const SYNC_MICROSECONDS: (u64, u64) = (200, 4_000);

/// A machine. Clones are the same.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) name: Arc<str>,
    pub(crate) disk: SimulatedDisk,
    pub(crate) skew: Skew,
    pub(crate) containers: Containers,
    trace: Trace,
    links: Links,
    seed: u64,
    starts: Arc<AtomicU64>,
    /// What each sync takes longer, in microseconds.
    slowness: Arc<AtomicU64>,
}

impl Machine {
    /// One with an empty disk and a right clock.
    pub(super) fn new(name: &str, seed: u64, links: &Links, lives: &Lives, trace: &Trace) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, name).hash(&mut hasher);
        let machine = Self {
            name: name.into(),
            disk: SimulatedDisk::new(),
            skew: Skew::default(),
            containers: Containers::new(name.into(), lives, trace),
            trace: trace.clone(),
            links: links.clone(),
            seed: hasher.finish(),
            starts: Arc::default(),
            slowness: Arc::default(),
        };
        machine.let_syncs_take_time();
        machine
    }

    fn let_syncs_take_time(&self) {
        let entropy = SeededEntropy::new(self.seed ^ 1);
        let (name, trace, slowness) = (self.name.clone(), self.trace.clone(), self.slowness.clone());
        self.disk.set_sync_times(move || {
            let (least, most) = SYNC_MICROSECONDS;
            let time = least + entropy.next_u64() % (most - least) + slowness.load(Ordering::Relaxed);
            trace.note(&name, "syncs", &time.to_le_bytes());
            Duration::from_micros(time)
        });
    }

    /// The world as a program that starts now sees it.
    pub(crate) fn host(&self) -> Host {
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        Host {
            clock: Arc::new(SimulatedClock {
                skew: self.skew.clone(),
            }),
            entropy: Arc::new(SeededEntropy::new(self.seed.wrapping_add(start << 8))),
            disk: Arc::new(self.disk.clone()),
            network: Arc::new(SimulatedNetwork {
                machine: Arc::clone(&self.name),
                links: self.links.clone(),
                trace: self.trace.clone(),
            }),
            workers: Arc::new(TaskWorkers),
        }
    }

    /// What was not synced is lost, all or in part; the last write may be torn. What ran is over.
    pub(crate) fn lose_power(&self, now: Duration) {
        let entropy = SeededEntropy::new(self.seed ^ self.starts.load(Ordering::Relaxed) << 32);
        self.disk.crash(Crash::Random(&entropy));
        self.containers.lose_power(now);
    }

    /// Has each sync take so much longer; 0 for a disk that is well.
    pub(crate) fn slow_down(&self, milliseconds: u64) {
        self.slowness.store(milliseconds * 1_000, Ordering::Relaxed);
    }
}
