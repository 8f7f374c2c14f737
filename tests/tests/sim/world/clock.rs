//! The calendar of a machine: simulated time, and how far this machine is off.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bosun_host::{Clock, WallTime};

use super::{elapsed, epoch};

/// How far a machine's calendar is ahead of the truth, in milliseconds. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Skew(Arc<AtomicI64>);

impl Skew {
    pub(crate) fn set_milliseconds(&self, ahead: i64) {
        self.0.store(ahead, Ordering::Relaxed);
    }
}

/// The calendar that belongs to a skew.
pub(super) struct SimulatedClock {
    pub(super) skew: Skew,
}

impl Clock for SimulatedClock {
    fn wall(&self) -> WallTime {
        let ahead = std::time::Duration::from_millis(self.skew.0.load(Ordering::Relaxed).unsigned_abs());
        let truth = epoch() + elapsed();
        if self.skew.0.load(Ordering::Relaxed) < 0 {
            truth - ahead
        } else {
            truth + ahead
        }
    }
}
