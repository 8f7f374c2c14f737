//! The simulated world: machines with clocks, disks, containers and entropy of their own, joined by the simulator's
//! network, and a trace of all that happened. Owns what production code sees as its `Host`; what runs on the machines is
//! not known here.

mod clock;
mod containers;
mod links;
mod lives;
mod machine;
mod network;
mod trace;

use std::collections::BTreeMap;
use std::time::Duration;

use bosun_host::WallTime;

pub(crate) use links::Links;
pub(crate) use lives::{JOB, Life, Lives};
pub(crate) use machine::Machine;
pub(crate) use trace::{Sum, Trace};

/// The simulated time since the beginning, the same on all machines. Outside of a machine it stands still at zero.
pub(crate) fn elapsed() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// What a calendar that is right shows at the beginning.
pub(crate) fn epoch() -> WallTime {
    WallTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

/// All machines and what they share.
pub(crate) struct World {
    pub(crate) machines: BTreeMap<String, Machine>,
    pub(crate) links: Links,
    pub(crate) lives: Lives,
    pub(crate) trace: Trace,
}

impl World {
    /// Machines of these names, all well.
    pub(crate) fn new(seed: u64, names: impl IntoIterator<Item = String>, trace: Trace) -> Self {
        let (links, lives) = (Links::default(), Lives::default());
        let machine = |name: String| {
            let machine = Machine::new(&name, seed, &links, &lives, &trace);
            (name, machine)
        };
        Self {
            machines: names.into_iter().map(machine).collect(),
            links: links.clone(),
            lives: lives.clone(),
            trace: trace.clone(),
        }
    }

    pub(crate) fn machine(&self, name: &str) -> &Machine {
        &self.machines[name]
    }
}
