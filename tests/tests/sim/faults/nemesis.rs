//! Carries the plan out. Owns the state of all links, because several faults may want something of the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use turmoil::Sim;

use super::{Fault, Plan};
use crate::world::{Machine, World};

/// The latency of a link that is well, at most.
const LATENCY_MAX: Duration = Duration::from_millis(10);

/// A link that is not well. The later wins where several faults concern one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Held,
    OneWay { from: String },
    Cut,
}

type Pair = (String, String);

/// Does the harm, and undoes it.
pub(crate) struct Nemesis {
    plan: Plan,
    begun: usize,
    active: Vec<(Duration, Fault)>,
    /// Machines that must not be heard for this step.
    dark: BTreeSet<String>,
    links: BTreeMap<Pair, Trouble>,
}

impl Nemesis {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            begun: 0,
            active: Vec::new(),
            dark: BTreeSet::new(),
            links: BTreeMap::new(),
        }
    }

    /// Whether all harm is undone.
    pub(crate) fn is_done(&self) -> bool {
        self.begun == self.plan.0.len() && self.active.is_empty() && self.dark.is_empty()
    }

    /// To be called before each step of the simulator.
    pub(crate) fn step(&mut self, sim: &mut Sim<'_>, world: &World) {
        let now = sim.elapsed();
        let mut changed = !self.dark.is_empty();
        self.dark.clear();
        let (over, active) = std::mem::take(&mut self.active)
            .into_iter()
            .partition(|(to, _)| *to <= now);
        self.active = active;
        for (_, fault) in over {
            world
                .trace
                .note("nemesis", "undoes", format!("{now:?} {fault:?}").as_bytes());
            end(sim, world, &fault);
            changed = true;
        }
        while let Some(planned) = self
            .plan
            .0
            .get(self.begun)
            .filter(|planned| planned.from <= now)
            .cloned()
        {
            self.begun += 1;
            if self.is_busy(&planned.fault) {
                continue;
            }
            world.trace.note(
                "nemesis",
                "does",
                format!("{now:?} {:?}", planned.fault).as_bytes(),
            );
            self.active.push((planned.to, planned.fault.clone()));
            self.begin(sim, world, &planned.fault);
            changed = true;
        }
        if changed {
            self.join(sim, world);
        }
    }

    /// A program dies once at a time.
    fn is_busy(&self, fault: &Fault) -> bool {
        let stopped = |fault: &Fault| match fault {
            Fault::PowerCut(machine) | Fault::Kill(machine) => Some(machine.clone()),
            _ => None,
        };
        let wanted = stopped(fault);
        wanted.is_some() && self.active.iter().any(|(_, other)| stopped(other) == wanted)
    }

    fn begin(&mut self, sim: &mut Sim<'_>, world: &World, fault: &Fault) {
        match fault {
            Fault::PowerCut(name) | Fault::Kill(name) => {
                // Cut off first: the order in which a dying program's connections are closed repeats in no other
                // process, and must reach nobody.
                self.dark.insert(name.clone());
                self.join(sim, world);
                sim.crash(name.as_str());
                if matches!(fault, Fault::PowerCut(_)) {
                    world.machine(name).lose_power(sim.elapsed());
                }
            }
            Fault::Slow(one, other, milliseconds) => {
                let most = Duration::from_millis(*milliseconds);
                sim.set_link_max_message_latency(one.as_str(), other.as_str(), most);
            }
            Fault::Skew(name, milliseconds) => world.machine(name).skew.set_milliseconds(*milliseconds),
            Fault::SlowDisk(name, milliseconds) => world.machine(name).slow_down(*milliseconds),
            Fault::Hold(..) | Fault::Cut(..) | Fault::CutOneWay(..) | Fault::Isolate(_) => {}
        }
    }

    /// Brings all links into the state that the active faults want.
    fn join(&mut self, sim: &Sim<'_>, world: &World) {
        let wanted = self.troubles(&world.machines);
        for (pair, old) in &self.links {
            if wanted.get(pair) != Some(old) {
                let (one, other) = (pair.0.as_str(), pair.1.as_str());
                match old {
                    Trouble::Held => sim.release(one, other),
                    Trouble::Cut | Trouble::OneWay { .. } => sim.repair(one, other),
                }
            }
        }
        for (pair, new) in &wanted {
            if self.links.get(pair) != Some(new) {
                let (one, other) = (pair.0.as_str(), pair.1.as_str());
                match new {
                    Trouble::Held => sim.hold(one, other),
                    Trouble::Cut => sim.partition(one, other),
                    Trouble::OneWay { from } => {
                        let to = if from == one { other } else { one };
                        sim.partition_oneway(from.as_str(), to);
                    }
                }
            }
        }
        let severed = wanted.iter().filter(|(_, trouble)| **trouble != Trouble::Held);
        world.links.set(severed.map(|(pair, _)| pair.clone()).collect());
        self.links = wanted;
    }

    fn troubles(&self, machines: &BTreeMap<String, Machine>) -> BTreeMap<Pair, Trouble> {
        let mut troubles: BTreeMap<Pair, Trouble> = BTreeMap::new();
        let mut add = |one: &str, other: &str, trouble: Trouble| {
            let pair = if one < other { (one, other) } else { (other, one) };
            let pair = (pair.0.to_owned(), pair.1.to_owned());
            // Cut in one way by one fault and in the other by another is cut.
            let trouble = match (troubles.get(&pair), trouble) {
                (Some(Trouble::OneWay { from: old }), Trouble::OneWay { from: new }) if *old != new => {
                    Trouble::Cut
                }
                (Some(old), new) => new.max(old.clone()),
                (None, new) => new,
            };
            troubles.insert(pair, trouble);
        };
        let mut alone: BTreeSet<&String> = self.dark.iter().collect();
        for (_, fault) in &self.active {
            match fault {
                Fault::Hold(one, other) => add(one, other, Trouble::Held),
                Fault::Cut(one, other) => add(one, other, Trouble::Cut),
                Fault::CutOneWay(from, to) => add(from, to, Trouble::OneWay { from: from.clone() }),
                Fault::Isolate(name) | Fault::PowerCut(name) => {
                    alone.insert(name);
                }
                Fault::Kill(_) | Fault::Slow(..) | Fault::Skew(..) | Fault::SlowDisk(..) => {}
            }
        }
        for name in alone {
            for other in machines.keys().filter(|other| *other != name) {
                add(name, other, Trouble::Cut);
            }
        }
        troubles
    }
}

/// Undoes what a fault did to a machine or a link's speed; cuts end by themselves when links are joined anew.
fn end(sim: &mut Sim<'_>, world: &World, fault: &Fault) {
    match fault {
        Fault::PowerCut(name) | Fault::Kill(name) => sim.bounce(name.as_str()),
        Fault::Slow(one, other, _) => {
            sim.set_link_max_message_latency(one.as_str(), other.as_str(), LATENCY_MAX);
        }
        Fault::SlowDisk(name, _) => world.machine(name).slow_down(0),
        Fault::Skew(..) | Fault::Hold(..) | Fault::Cut(..) | Fault::CutOneWay(..) | Fault::Isolate(_) => {}
    }
}
