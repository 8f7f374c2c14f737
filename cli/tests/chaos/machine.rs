//! One machine of the run, whatever it is made of: what can be done to it.

use std::net::Ipv4Addr;

use anyhow::Result;
use rustix::process::Signal;

use crate::container::Container;
use crate::network::Holder;
use crate::processes::Processes;

/// A server's or a node's machine.
pub(crate) enum Machine {
    Processes(Processes),
    Container(Container),
}

impl Machine {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Processes(machine) => &machine.name,
            Self::Container(container) => &container.name,
        }
    }

    /// Starts its program, if it does not run.
    pub(crate) fn start(&mut self) -> Result<()> {
        match self {
            Self::Processes(machine) => machine.start(),
            Self::Container(container) => container.start(),
        }
    }

    /// kill -9 for its program. Of a container nothing is left either way.
    pub(crate) fn kill(&mut self) {
        match self {
            Self::Processes(machine) => machine.kill(),
            Self::Container(container) => container.kill(),
        }
    }

    /// kill -9 for the program, without waiting for its end.
    pub(crate) fn begin_kill(&mut self) {
        match self {
            Self::Processes(machine) => machine.signal(Signal::KILL),
            Self::Container(container) => container.kill(),
        }
    }

    /// Everything on it is gone in one instant.
    pub(crate) fn power_off(&mut self) {
        match self {
            Self::Processes(machine) => machine.power_off(),
            Self::Container(container) => container.kill(),
        }
    }

    /// Its program stands still; of a container everything does.
    pub(crate) fn pause_program(&mut self) {
        match self {
            Self::Processes(machine) => machine.signal(Signal::STOP),
            Self::Container(container) => container.pause(),
        }
    }

    /// It goes on.
    pub(crate) fn resume_program(&mut self) {
        match self {
            Self::Processes(machine) => machine.signal(Signal::CONT),
            Self::Container(container) => container.resume(),
        }
    }

    /// Everything on it stands still.
    pub(crate) fn freeze(&self) {
        match self {
            Self::Processes(machine) => machine.freeze(),
            Self::Container(container) => container.pause(),
        }
    }

    /// Everything on it goes on.
    pub(crate) fn thaw(&self) {
        match self {
            Self::Processes(machine) => machine.thaw(),
            Self::Container(container) => container.resume(),
        }
    }

    /// Where links and disks are the test's own: the place, and the address in it.
    pub(crate) fn place(&self) -> Option<(&Holder, Ipv4Addr)> {
        match self {
            Self::Processes(machine) => machine.place.as_ref().map(|place| (place, machine.address)),
            Self::Container(_) => None,
        }
    }

    /// From now on nothing of what `other` sends arrives here.
    pub(crate) fn deafen(&self, other: &Self) -> Result<()> {
        match (self.place(), other.place()) {
            (Some((place, _)), Some((_, address))) => place.deafen(address),
            _ => Ok(()),
        }
    }

    /// What this machine sends is late.
    pub(crate) fn slow(&self) -> Result<()> {
        self.place().map_or(Ok(()), |(place, _)| place.slow())
    }

    /// Takes a container off its network. The links of other machines are cut one by one.
    pub(crate) fn unplug(&self) {
        if let Self::Container(container) = self {
            container.unplug();
        }
    }

    /// All its links are whole and fast again.
    pub(crate) fn heal(&self) -> Result<()> {
        match self {
            Self::Processes(machine) => machine.place.iter().try_for_each(Holder::heal),
            Self::Container(container) => {
                container.plug_in();
                Ok(())
            }
        }
    }
}
