//! The real machine behind the traits: the one module in which the banned calls are allowed.
#![expect(
    clippy::disallowed_methods,
    reason = "this module is the edge that the bans point to"
)]

mod disk;
mod local_socket;
mod network;

use std::io;
use std::time::Duration;

use futures::future::BoxFuture;
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

pub(crate) use disk::SystemDisk;
pub(crate) use network::SystemNetwork;

use crate::{Clock, Entropy, WallTime, Workers};

/// The machine's clocks.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> WallTime {
        WallTime::from(std::time::SystemTime::now())
    }

    fn boot_instant(&self) -> Instant {
        let reading = |clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default();
        let suspended = reading(ClockId::Boottime).saturating_sub(reading(ClockId::Monotonic));
        self.instant() + suspended
    }
}

/// The kernel's random bytes.
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the kernel hands out random bytes once it has booted");
    }
}

/// One thread per piece of work.
pub(crate) struct SystemWorkers;

impl Workers for SystemWorkers {
    fn spawn(&self, name: &str, work: BoxFuture<'static, ()>) -> io::Result<()> {
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || futures::executor::block_on(work))
            .map(drop)
    }
}
