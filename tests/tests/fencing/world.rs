//! The world: true time, messages under way, links that fail, processes that are stopped, clocks that drift.

use std::collections::BTreeMap;
use std::time::Duration;

use bosun_host::Entropy;
use bosun_host::testing::SeededEntropy;
use bosun_proto::node::LeaderContactResponse;
use tokio::time::Instant;

use crate::agent::Agent;
use crate::server::Server;

/// Milliseconds of true time per step.
pub(crate) const STEP: u64 = 10;
/// Servers of a world; three and five in turn.
const SERVERS: [usize; 2] = [3, 5];
/// The longest that a message is under way unless something is wrong.
const DELAY_MAX: u64 = 60;
/// By when the processes of a pod are dead once its lease has run out.
pub(crate) const STOPPED_WITHIN: u64 = 950;

/// What the program does, and what it would be without one of its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) answer_only_when_certain: bool,
    pub(crate) count_from_sending: bool,
    pub(crate) ask_for_silence: bool,
    pub(crate) grace_after_a_break: bool,
    /// Milliseconds.
    pub(crate) lease: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            answer_only_when_certain: true,
            count_from_sending: true,
            ask_for_silence: true,
            grace_after_a_break: true,
            lease: 8_000,
        }
    }
}

/// Whoever sends and receives: a server by its place, or the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Agent,
    Server(usize),
}

/// What is said.
#[derive(Clone, Debug)]
pub(crate) enum Message {
    /// A leader's call, sent at a time of its own clock.
    Append {
        term: u64,
        sent: Instant,
    },
    Appended {
        term: u64,
        sent: Instant,
    },
    Vote {
        term: u64,
    },
    Voted {
        term: u64,
    },
    Join {
        sent: Instant,
    },
    Joined {
        sent: Instant,
        session: u64,
    },
    Open {
        session: u64,
    },
    FullSet {
        session: u64,
        pods: Vec<u64>,
    },
    Heartbeat {
        session: u64,
        sent: Instant,
    },
    Answered {
        session: u64,
        sent: Instant,
    },
    Refused {
        session: u64,
    },
    AnyLeader {
        round: u64,
    },
    LeaderContact {
        round: u64,
        answer: LeaderContactResponse,
    },
}

/// A clock that drifts by up to one percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    base: Instant,
    offset: u64,
    /// In ten-thousandths.
    rate: u64,
}

impl Clock {
    pub(crate) fn at(&self, now: u64) -> Instant {
        self.base + Duration::from_micros((self.offset + now * self.rate / 10_000) * 1_000)
    }
}

/// The pods that were ever made for the node: the newest is the one that is wanted there.
#[derive(Debug, Default)]
pub(crate) struct Pods {
    /// When each was given up, and so replaced elsewhere.
    given_up: BTreeMap<u64, Option<u64>>,
}

impl Pods {
    /// The pods that the node shall run; a new one if it has none.
    pub(crate) fn assigned(&mut self) -> Vec<u64> {
        let mut assigned: Vec<u64> = self.wanted();
        if assigned.is_empty() {
            let pod = self.given_up.len() as u64;
            self.given_up.insert(pod, None);
            assigned.push(pod);
        }
        assigned
    }

    pub(crate) fn wanted(&self) -> Vec<u64> {
        let wanted = self.given_up.iter().filter(|(_, given_up)| given_up.is_none());
        wanted.map(|(pod, _)| *pod).collect()
    }

    pub(crate) fn give_up(&mut self, pods: &[u64], now: u64) {
        for pod in pods {
            self.given_up.entry(*pod).and_modify(|at| *at = at.or(Some(now)));
        }
    }

    /// The agent says that these have ended: once nothing of them lives they are replaced, too.
    pub(crate) fn ended(&mut self, pods: &[u64], now: u64, alive: &BTreeMap<u64, Option<u64>>) {
        for pod in pods.iter().filter(|pod| !alive.contains_key(pod)) {
            self.given_up.entry(*pod).and_modify(|at| *at = at.or(Some(now)));
        }
    }

    pub(crate) fn given_up_count(&self) -> usize {
        self.given_up.values().flatten().count()
    }
}

/// Everything.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) rules: Rules,
    pub(crate) pods: Pods,
    pub(crate) agent: Agent,
    pub(crate) servers: Vec<Server>,
    entropy: SeededEntropy,
    /// By when they arrive.
    under_way: BTreeMap<(u64, u64), (Who, Who, Message)>,
    sent: u64,
    /// Links that carry nothing, and until when.
    cut: BTreeMap<(Who, Who), u64>,
    /// Processes that stand still, and until when.
    stopped: BTreeMap<Who, u64>,
    /// What came to a process that stands still.
    waiting: BTreeMap<Who, Vec<(Who, Message)>>,
}

impl World {
    pub(crate) fn new(seed: u64, rules: Rules) -> Self {
        let entropy = SeededEntropy::new(seed);
        let base = Instant::now();
        let clock = || Clock {
            base,
            offset: entropy.next_u64() % 100_000,
            rate: 9_900 + entropy.next_u64() % 201,
        };
        let count = SERVERS[usize::try_from(seed % 2).expect("0 or 1")];
        let agent = Agent::new(clock());
        let servers = (0..count)
            .map(|place| Server::new(place, count, clock()))
            .collect();
        Self {
            now: 0,
            rules,
            pods: Pods::default(),
            agent,
            servers,
            entropy,
            under_way: BTreeMap::new(),
            sent: 0,
            cut: BTreeMap::new(),
            stopped: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// A number below `limit`.
    pub(crate) fn draw(&self, limit: u64) -> u64 {
        self.entropy.next_u64() % limit
    }

    pub(crate) fn send(&mut self, from: Who, to: Who, message: Message) {
        if self.cut.contains_key(&(from, to)) {
            return;
        }
        // Now and then one is late: a connection that was repaired delivers what is old.
        let late = if self.draw(50) == 0 { self.draw(3_000) } else { 0 };
        let delay = 1 + self.draw(DELAY_MAX) + late;
        self.sent += 1;
        self.under_way
            .insert((self.now + delay, self.sent), (from, to, message));
    }

    /// Lets a step's time pass; what is wrong after it, if anything is.
    pub(crate) fn step(&mut self) -> Option<String> {
        self.now += STEP;
        self.trouble();
        while let Some(entry) = self
            .under_way
            .first_entry()
            .filter(|entry| entry.key().0 <= self.now)
        {
            let (from, to, message) = entry.remove();
            self.waiting.entry(to).or_default().push((from, message));
        }
        for place in 0..self.servers.len() {
            if let Some(inbox) = self.inbox(Who::Server(place)) {
                crate::server::turn(self, place, inbox);
            }
        }
        if let Some(inbox) = self.inbox(Who::Agent) {
            crate::agent::turn(self, inbox);
        }
        self.supervise()
    }

    /// What came to a process; `None` while it is stopped.
    fn inbox(&mut self, who: Who) -> Option<Vec<(Who, Message)>> {
        if self.stopped.contains_key(&who) {
            return None;
        }
        Some(self.waiting.remove(&who).unwrap_or_default())
    }

    /// The supervisor of the processes outlives the agent: it goes by the lease alone.
    fn supervise(&mut self) -> Option<String> {
        let now = self.agent.clock.at(self.now);
        let expired = self.agent.until.is_none_or(|until| now >= until);
        let kill_at = self.now + self.draw(STOPPED_WITHIN);
        for (pod, dies_at) in &mut self.agent.alive {
            if expired {
                dies_at.get_or_insert(kill_at);
            }
            if let Some(given_up) = self.pods.given_up[pod]
                && dies_at.is_none_or(|dies_at| dies_at > given_up.max(self.now - STEP))
            {
                return Some(format!(
                    "at {} pod {pod} lives, which was replaced at {given_up}; its end was to be {dies_at:?}",
                    self.now
                ));
            }
        }
        let now = self.now;
        self.agent
            .alive
            .retain(|_, dies_at| dies_at.is_none_or(|at| at > now));
        None
    }

    /// Cuts and mends links, stops and continues processes.
    fn trouble(&mut self) {
        let now = self.now;
        self.cut.retain(|_, until| *until > now);
        self.stopped.retain(|_, until| *until > now);
        let everybody: Vec<Who> = (0..self.servers.len())
            .map(Who::Server)
            .chain([Who::Agent])
            .collect();
        let some =
            |world: &Self| everybody[usize::try_from(world.draw(everybody.len() as u64)).expect("small")];
        match self.draw(900) {
            // One way or both between two.
            0 => {
                let (one, two) = (some(self), some(self));
                let until = now + self.draw(15_000);
                self.cut.insert((one, two), until);
                if self.draw(2) == 0 {
                    self.cut.insert((two, one), until);
                }
            }
            // One alone.
            1 => {
                let (alone, until) = (some(self), now + self.draw(20_000));
                for other in everybody.iter().copied().filter(|other| *other != alone) {
                    self.cut.insert((alone, other), until);
                    self.cut.insert((other, alone), until);
                }
            }
            2 => {
                let (who, until) = (some(self), now + self.draw(20_000));
                self.stopped.insert(who, until);
            }
            // The agent is cut off from the leaders, or the servers from each other.
            3 => {
                let until = now + self.draw(14_000);
                let between_servers = self.draw(2) == 0;
                for one in &everybody {
                    for two in &everybody {
                        let of_agent = *one == Who::Agent || *two == Who::Agent;
                        if one != two && of_agent != between_servers {
                            self.cut.insert((*one, *two), until);
                        }
                    }
                }
            }
            _ => {}
        }
    }
}
