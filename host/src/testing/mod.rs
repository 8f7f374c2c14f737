//! A host for tests: seeded entropy, a calendar clock that follows tokio's (so paused time steers it), a disk in
//! memory that can lose power, work run as ordinary tasks. The network stays the real loopback.

mod disk;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::time::Instant;

pub use disk::{Crash, SimulatedDisk};

use crate::{Clock, Entropy, Host, WallTime, Workers};

/// Random bytes that repeat with the seed.
pub struct SeededEntropy(Mutex<ChaCha8Rng>);

impl SeededEntropy {
    /// The sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(ChaCha8Rng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(bytes);
    }
}

/// A calendar that starts at a given time and runs with tokio's clock.
pub struct TokioClock {
    start: Instant,
    epoch: WallTime,
}

impl TokioClock {
    /// A calendar that shows `epoch` now. Must be called inside a tokio runtime for paused time to be seen.
    pub fn starting_at(epoch: WallTime) -> Self {
        Self {
            start: Instant::now(),
            epoch,
        }
    }
}

impl Clock for TokioClock {
    fn wall(&self) -> WallTime {
        self.epoch + self.start.elapsed()
    }
}

/// Runs work as tasks of the current tokio runtime.
pub struct TaskWorkers;

impl Workers for TaskWorkers {
    fn spawn(&self, _name: &str, work: BoxFuture<'static, ()>) -> io::Result<()> {
        drop(tokio::spawn(work));
        Ok(())
    }
}

/// A whole host for tests, and the disk in it, to be crashed.
pub fn host(seed: u64, epoch: WallTime) -> (Host, SimulatedDisk) {
    let disk = SimulatedDisk::new();
    let host = Host {
        clock: Arc::new(TokioClock::starting_at(epoch)),
        entropy: Arc::new(SeededEntropy::new(seed)),
        disk: Arc::new(disk.clone()),
        network: Host::system().network,
        workers: Arc::new(TaskWorkers),
    };
    (host, disk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn one_seed_gives_one_sequence() {
        let draw = |seed| SeededEntropy::new(seed).next_u64();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let first = SeededEntropy::new(1).uuid();
        assert_eq!(first.get_version_num(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn the_calendar_follows_paused_time() {
        let clock = TokioClock::starting_at(WallTime::UNIX_EPOCH);
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!((clock.wall() - WallTime::UNIX_EPOCH).num_seconds(), 90);
    }
}
