//! What time it is. Owns the two readings of time; waiting is left to `tokio::time`, which a simulation can steer.

use chrono::{DateTime, Utc};
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
}
