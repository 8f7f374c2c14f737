//! The agent of the node: leases and trust are the real ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bosun_node_agent::leaderless::{ROUND_MAX, vouch};
use bosun_node_agent::lease::{Lease, Trust};
use bosun_proto::node::LeaderContactResponse;
use tokio::time::Instant;

use crate::world::{Clock, Message, Who, World};

const HEARTBEAT: u64 = 500;
/// Nothing answered for so long: another server may be better.
const GIVE_UP_SESSION: u64 = 1_500;

pub(crate) struct Agent {
    pub(crate) clock: Clock,
    lease: Option<Lease>,
    trust: Trust,
    /// Until when fenced processes may live, as the supervisor was told.
    pub(crate) until: Option<Instant>,
    session: Option<(usize, u64)>,
    /// Sessions are numbered as they come; the servers' names for them are other ones.
    answered: u64,
    complete: bool,
    next_heartbeat: u64,
    next_join: u64,
    /// What the servers say shall run.
    assigned: BTreeSet<u64>,
    /// Pods that must not be started any more.
    over: BTreeSet<u64>,
    /// Pods whose processes live; some are dying.
    pub(crate) alive: BTreeMap<u64, Option<u64>>,
    round: Option<(u64, Instant, Vec<LeaderContactResponse>)>,
    rounds: u64,
    pub(crate) prolonged: usize,
    pub(crate) stopped: usize,
}

impl Agent {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            lease: None,
            trust: Trust::default(),
            until: None,
            session: None,
            answered: 0,
            complete: false,
            next_heartbeat: 0,
            next_join: 0,
            assigned: BTreeSet::new(),
            over: BTreeSet::new(),
            alive: BTreeMap::new(),
            round: None,
            rounds: 0,
            prolonged: 0,
            stopped: 0,
        }
    }

    fn granted(&mut self, sent: Instant, session: u64, lease: Duration) {
        let granted = Lease::granted(self.lease, sent, lease, session);
        self.until = self.until.max(Some(granted.ends()));
        self.lease = Some(granted);
    }
}

/// Takes in what came, and does what is due.
pub(crate) fn turn(world: &mut World, inbox: Vec<(Who, Message)>) {
    for (from, message) in inbox {
        take_in(world, from, message);
        look(world);
    }
    look(world);
    beat(world);
    ask(world);
}

fn take_in(world: &mut World, from: Who, message: Message) {
    let Who::Server(place) = from else { return };
    let lease = Duration::from_millis(world.rules.lease);
    let now = world.now;
    let agent = &mut world.agent;
    let here = agent.clock.at(now);
    let counted = |sent| {
        if world.rules.count_from_sending {
            sent
        } else {
            here
        }
    };
    match message {
        Message::Joined { sent, session } if agent.session.is_none() => {
            agent.granted(counted(sent), session, lease);
            agent.session = Some((place, session));
            agent.trust.opened();
            agent.complete = false;
            agent.answered = now;
            agent.next_heartbeat = now;
        }
        Message::FullSet { session, pods } if agent.session == Some((place, session)) => {
            agent.assigned = pods.iter().copied().collect();
            // What is surplus is stopped at once.
            for (pod, dies_at) in &mut agent.alive {
                if !agent.assigned.contains(pod) {
                    dies_at.get_or_insert(now);
                }
            }
            agent.trust.completed(session);
            agent.complete = true;
        }
        Message::Answered { session, sent } => {
            agent.granted(counted(sent), session, lease);
            agent.answered = now;
        }
        Message::Refused { session } if agent.session == Some((place, session)) => agent.session = None,
        Message::LeaderContact { round, answer } => {
            if let Some((current, began, answers)) = &mut agent.round
                && *current == round
                && here - *began <= ROUND_MAX
            {
                answers.push(answer);
                if vouch(answers.iter()) {
                    let began = *began;
                    agent.round = None;
                    let before = agent.lease;
                    agent.lease = agent.lease.map(|lease| lease.prolonged(began, here));
                    agent.until = agent.until.max(agent.lease.map(|lease| lease.ends()));
                    agent.prolonged += usize::from(agent.lease != before);
                }
            }
        }
        _ => {}
    }
}

fn look(world: &mut World) {
    let agent = &mut world.agent;
    let verdict = agent.trust.look(agent.lease, agent.clock.at(world.now));
    if verdict.stop {
        agent.stopped += usize::from(!agent.alive.is_empty());
        agent.over.extend(agent.alive.keys());
        for dies_at in agent.alive.values_mut() {
            dies_at.get_or_insert(world.now + 200);
        }
    }
    if agent.trust.may_start() {
        for pod in agent.assigned.difference(&agent.over) {
            agent.alive.entry(*pod).or_insert(None);
        }
        let ended: Vec<u64> = agent.assigned.intersection(&agent.over).copied().collect();
        // Reported as failed; the owner makes another one.
        world.pods.ended(&ended, world.now, &agent.alive);
    }
}

fn beat(world: &mut World) {
    let now = world.now;
    let agent = &mut world.agent;
    if agent.session.is_some() && now - agent.answered > GIVE_UP_SESSION {
        agent.session = None;
    }
    let sent = agent.clock.at(now);
    if let Some((place, session)) = agent.session {
        if now >= agent.next_heartbeat {
            agent.next_heartbeat = now + HEARTBEAT;
            let complete = agent.complete;
            world.send(
                Who::Agent,
                Who::Server(place),
                Message::Heartbeat { session, sent },
            );
            if !complete {
                world.send(Who::Agent, Who::Server(place), Message::Open { session });
            }
        }
    } else if now >= agent.next_join {
        agent.next_join = now + 200;
        let place = usize::try_from(world.draw(world.servers.len() as u64)).expect("small");
        world.send(Who::Agent, Who::Server(place), Message::Join { sent });
    }
}

fn ask(world: &mut World) {
    let agent = &mut world.agent;
    let here = agent.clock.at(world.now);
    let doubtful = agent
        .lease
        .is_some_and(|lease| lease.runs(here) && here >= lease.doubtful_at());
    let asking = agent
        .round
        .as_ref()
        .is_some_and(|(_, began, _)| here - *began <= ROUND_MAX);
    if !doubtful || asking {
        return;
    }
    agent.rounds += 1;
    let round = agent.rounds;
    agent.round = Some((round, here, Vec::new()));
    for place in 0..world.servers.len() {
        world.send(Who::Agent, Who::Server(place), Message::AnyLeader { round });
    }
}
