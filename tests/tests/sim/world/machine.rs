//! One machine: what stays over a crash (its disk, how its clock is off) and the `Host` that each start of a program on
//! it gets.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bosun_host::testing::{Crash, SeededEntropy, SimulatedDisk, TaskWorkers};
use bosun_host::{Entropy, Host, WallTime};

use super::clock::{SimulatedClock, Skew};
use super::network::SimulatedNetwork;
use super::{Links, Trace};

/// The shortest and the longest sync of a disk that is well, in microseconds.
const SYNC_MICROSECONDS: (u64, u64) = (200, 4_000);

/// A machine. Clones are the same.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) name: Arc<str>,
    pub(crate) disk: SimulatedDisk,
    pub(crate) skew: Skew,
    pub(crate) trace: Trace,
    epoch: WallTime,
    links: Links,
    seed: u64,
    starts: Arc<AtomicU64>,
}

impl Machine {
    /// One with an empty disk and a right clock.
    pub(crate) fn new(name: &str, seed: u64, epoch: WallTime, links: &Links, trace: &Trace) -> Self {
        let mut hasher = DefaultHasher::new();
        (seed, name).hash(&mut hasher);
        let seed = hasher.finish();
        let disk = SimulatedDisk::new();
        let entropy = SeededEntropy::new(seed ^ 1);
        let noted = (trace.clone(), name.to_owned());
        disk.set_sync_times(move || {
            let (least, most) = SYNC_MICROSECONDS;
            let time = least + entropy.next_u64() % (most - least);
            noted.0.note(&noted.1, "syncs", &time.to_le_bytes());
            Duration::from_micros(time)
        });
        Self {
            name: name.into(),
            disk,
            skew: Skew::default(),
            trace: trace.clone(),
            epoch,
            links: links.clone(),
            seed,
            starts: Arc::default(),
        }
    }

    /// The world as a program that starts now sees it.
    pub(crate) fn host(&self) -> Host {
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        Host {
            clock: Arc::new(SimulatedClock {
                epoch: self.epoch,
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

    /// What was not synced is lost, all or in part; the last write may be torn.
    pub(crate) fn lose_power(&self) {
        let entropy = SeededEntropy::new(self.seed ^ self.starts.load(Ordering::Relaxed) << 32);
        self.disk.crash(Crash::Random(&entropy));
    }
}
