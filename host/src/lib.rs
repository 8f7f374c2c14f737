//! The only place that touches clock, entropy, sockets and files.
//!
//! Everything above gets a [`Host`] value once, at the edge, and uses nothing else; clippy.toml at the root of the
//! repository bans the direct ways. `main` passes [`Host::system`], tests and simulations pass their own parts.

mod clock;
mod data_directory;
mod disk;
mod entropy;
mod network;
mod system;
#[cfg(feature = "testing")]
pub mod testing;
mod workers;

use std::sync::Arc;

pub use clock::{Clock, WallTime};
pub use data_directory::{DataDirectory, DataDirectoryError};
pub use disk::{Disk, DiskFile, DiskLock, OpenMode, read_fully};
pub use entropy::Entropy;
pub use network::{ByteStream, Connection, Listener, LocalListener, Network};
pub use workers::Workers;

/// The world as one program sees it. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Sockets.
    pub network: Arc<dyn Network>,
    /// Where blocking work runs.
    pub workers: Arc<dyn Workers>,
}

impl Host {
    /// The real machine.
    pub fn system() -> Self {
        Self {
            clock: Arc::new(system::SystemClock),
            entropy: Arc::new(system::SystemEntropy),
            disk: Arc::new(system::SystemDisk),
            network: Arc::new(system::SystemNetwork),
            workers: Arc::new(system::SystemWorkers),
        }
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Host")
    }
}
