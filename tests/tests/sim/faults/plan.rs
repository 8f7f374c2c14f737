//! Which faults a seed has.

use std::time::Duration;

use bosun_host::Entropy;
use bosun_host::testing::SeededEntropy;

use crate::settings::{SAFETY, SETTLED};

/// How many faults one run has, at least and at most.
const FAULTS: (u64, u64) = (3, 8);

/// Something that goes wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The machine goes dark: nothing that it has not synced survives, and what ran on it is over.
    PowerCut(String),
    /// The program dies; the machine, its disk and its containers live.
    Kill(String),
    /// Both ways at once, and what was sent meanwhile arrives when it is over, as TCP has it.
    Hold(String, String),
    /// Both ways at once, and what was sent meanwhile is lost for good.
    Cut(String, String),
    /// Only what the first sends to the second is lost.
    CutOneWay(String, String),
    /// The machine reaches nobody, and nobody reaches it.
    Isolate(String),
    /// A message takes so many milliseconds.
    Slow(String, String, u64),
    /// The machine's calendar is off by so many milliseconds from now on, for good.
    Skew(String, i64),
    /// Each sync of the machine's disk takes so many milliseconds more.
    SlowDisk(String, u64),
}

/// A fault and its time.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) fault: Fault,
}

/// All faults of a run, by their beginnings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan(pub(crate) Vec<Planned>);

impl Plan {
    /// The faults that belong to a seed.
    pub(crate) fn of(seed: u64, servers: &[String], nodes: &[String], clients: &[String]) -> Self {
        let entropy = SeededEntropy::new(seed ^ 0xfa17);
        let draw = Draw {
            entropy: &entropy,
            servers,
            nodes,
            clients,
        };
        let (least, most) = FAULTS;
        let count = least + draw.below(most - least + 1);
        let mut planned: Vec<Planned> = (0..count).map(|_| draw.planned()).collect();
        planned.sort_by_key(|planned| planned.from);
        Self(planned)
    }
}

struct Draw<'a> {
    entropy: &'a SeededEntropy,
    servers: &'a [String],
    nodes: &'a [String],
    clients: &'a [String],
}

impl Draw<'_> {
    fn below(&self, limit: u64) -> u64 {
        self.entropy.next_u64() % limit
    }

    fn one_of(&self, names: &[String]) -> String {
        let index = usize::try_from(self.below(names.len() as u64)).expect("there are few");
        names[index].clone()
    }

    /// Servers twice as often as nodes: more can go wrong there.
    fn machine(&self) -> String {
        let of_servers = self.below(3) < 2;
        self.one_of(if of_servers { self.servers } else { self.nodes })
    }

    /// Two machines that talk to each other: a server and anyone else.
    fn pair(&self) -> (String, String) {
        let server = self.one_of(self.servers);
        loop {
            let other = match self.below(4) {
                0 | 1 => self.one_of(self.servers),
                2 => self.one_of(self.nodes),
                _ => self.one_of(self.clients),
            };
            if other != server {
                return if self.below(2) == 0 {
                    (server, other)
                } else {
                    (other, server)
                };
            }
        }
    }

    fn planned(&self) -> Planned {
        let window = u64::try_from(SAFETY.saturating_sub(SETTLED).as_millis()).expect("a short time");
        let from = SETTLED + Duration::from_millis(self.below(window));
        // Long ones decide what is given up, short ones what is interrupted.
        let longest = [200, 1_000, 6_000][usize::try_from(self.below(3)).expect("one of three")];
        let to = (from + Duration::from_millis(20 + self.below(longest))).min(SAFETY);
        Planned {
            from,
            to,
            fault: self.fault(),
        }
    }

    fn fault(&self) -> Fault {
        let signed = |limit: u64| {
            i64::try_from(self.below(2 * limit)).expect("small") - i64::try_from(limit).expect("small")
        };
        match self.below(20) {
            0..=3 => Fault::PowerCut(self.machine()),
            4..=7 => Fault::Kill(self.one_of(self.servers)),
            8..=9 => {
                let (one, other) = self.pair();
                Fault::Hold(one, other)
            }
            10..=11 => {
                let (one, other) = self.pair();
                Fault::Cut(one, other)
            }
            12..=13 => {
                let (from, to) = self.pair();
                Fault::CutOneWay(from, to)
            }
            14..=15 => Fault::Isolate(self.machine()),
            16 => {
                let (one, other) = self.pair();
                Fault::Slow(one, other, 20 + self.below(200))
            }
            17..=18 => Fault::Skew(self.machine(), signed(4_000)),
            _ => Fault::SlowDisk(self.one_of(self.servers), 10 + self.below(200)),
        }
    }
}
