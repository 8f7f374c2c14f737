//! What time it is. Owns the readings of time; waiting is left to `tokio::time`, which a simulation can steer.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// A reading of the calendar clock. It may jump; use it for what people and objects see, never for measuring spans.
pub type WallTime = DateTime<Utc>;

/// The clocks of one host.
///
/// Spans, deadlines and waiting use `tokio::time` (`sleep`, `sleep_until`, `timeout`, `interval`): it is monotonic and
/// follows a simulated clock where one is installed.
pub trait Clock: Send + Sync + 'static {
    /// The calendar time.
    fn wall(&self) -> WallTime;

    /// The monotonic time, comparable only within this process.
    fn instant(&self) -> Instant {
        Instant::now()
    }

    /// Like [`Clock::instant`], but it goes on while the machine is suspended. Comparable only with other readings of it:
    /// timers go by [`Clock::instant`]. The same as that where nothing is ever suspended, as in a simulation.
    fn boot_instant(&self) -> Instant {
        self.instant()
    }

    /// The time since the machine was booted, also while it slept. Comparable between processes of one machine.
    fn since_boot(&self) -> Duration {
        let time = clock_gettime(ClockId::Boottime);
        Duration::new(
            time.tv_sec.try_into().unwrap_or(0),
            time.tv_nsec.try_into().unwrap_or(0),
        )
    }
}
