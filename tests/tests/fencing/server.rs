//! A server: elections are the least that Raft promises, without any lease of the voters; what it says to agents and when it
//! gives a node up are the real decisions.

use std::collections::BTreeMap;
use std::time::Duration;

use bosun_control_plane::raft::{LastContact, LeaderContact, QuorumContact, SeenQuorum};
use bosun_core::liveness::{Liveness, Patience, Standing};
use bosun_proto::node::{LeaderContactResponse, VoterSet, Voters};
use tokio::time::Instant;

use crate::world::{Clock, Message, Who, World};

const NODE: &str = "n";
const HEARTBEAT: u64 = 50;
const ELECTION: (u64, u64) = (150, 300);
/// For how long a leader goes by its older contact.
const PATIENCE: Duration = Duration::from_millis(ELECTION.1);
const LOOK: u64 = 100;
/// A look that is so much late means that the process was stopped.
const PAUSE_MAX: Duration = Duration::from_millis(500);

pub(crate) struct Server {
    place: usize,
    count: usize,
    clock: Clock,
    term: u64,
    last_contact: LastContact,
    election_due: Instant,
    /// The term that votes are asked for, and how many there are.
    votes: Option<(u64, usize)>,
    office: Option<Office>,
}

/// What a server has while it leads.
struct Office {
    acknowledged: BTreeMap<usize, Instant>,
    contact: Option<QuorumContact>,
    next_append: u64,
    eye: Option<Eye>,
    session: Option<(u64, Instant)>,
    /// What it knows to be assigned: it cannot see what others wrote after it was replaced.
    pods: Vec<u64>,
}

struct Eye {
    start: Instant,
    liveness: Liveness,
    contact: Instant,
    looked: Instant,
    next: u64,
}

impl Server {
    pub(crate) fn new(place: usize, count: usize, clock: Clock) -> Self {
        Self {
            place,
            count,
            clock,
            term: 0,
            last_contact: LastContact::starting_at(clock.at(0)),
            election_due: clock.at(0) + Duration::from_millis(20 * place as u64),
            votes: None,
            office: None,
        }
    }

    fn contact(&self, here: Instant) -> Option<QuorumContact> {
        let contact = self.office.as_ref()?.contact?;
        contact.holds(here).then_some(contact)
    }

    /// When the calls were sent that a majority, this server included, has answered.
    fn quorum_acknowledged(&self) -> Option<Instant> {
        let mut acknowledged: Vec<Instant> = self.office.as_ref()?.acknowledged.values().copied().collect();
        acknowledged.sort_by(|one, two| two.cmp(one));
        acknowledged.get(self.count / 2 - 1).copied()
    }

    fn answer(&self, here: Instant, ask_for_silence: bool) -> LeaderContactResponse {
        let voters: Vec<u64> = (0..self.count as u64).collect();
        let contact = LeaderContact {
            node_id: self.place as u64,
            silence: self.last_contact.silence(here),
            patience: PATIENCE,
            voters_made_by: (1, 0, 1),
            voters: vec![voters.clone()],
        };
        let knows_no_leader = if ask_for_silence {
            contact.knows_no_leader(bosun_node_agent::leaderless::ROUND_MAX)
        } else {
            self.office.is_none()
        };
        LeaderContactResponse {
            server_id: contact.node_id,
            knows_no_leader,
            voters: Some(Voters {
                term: 1,
                leader_id: 0,
                index: 1,
                sets: vec![VoterSet { server_ids: voters }],
            }),
        }
    }
}

/// Takes in what came, and does what is due.
pub(crate) fn turn(world: &mut World, place: usize, inbox: Vec<(Who, Message)>) {
    for (from, message) in inbox {
        take_in(world, place, from, message);
    }
    follow(world, place);
    elect(world, place);
    append(world, place);
    look(world, place);
}

/// Keeps the contact with the majority up to date.
fn follow(world: &mut World, place: usize) {
    let server = &mut world.servers[place];
    let here = server.clock.at(world.now);
    let acknowledged = server.quorum_acknowledged();
    let Some(office) = &mut server.office else { return };
    let seen = SeenQuorum {
        term: server.term,
        alone: false,
        acknowledged,
    };
    office.contact = QuorumContact::next(office.contact, seen, PATIENCE, here);
    if let (Some(at), Some(_)) = (acknowledged, office.contact) {
        server.last_contact.note(at);
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "one arm per message; together they are the protocol"
)]
fn take_in(world: &mut World, place: usize, from: Who, message: Message) {
    let now = world.now;
    let election = Duration::from_millis(ELECTION.0 + world.draw(ELECTION.1 - ELECTION.0));
    let rules = world.rules;
    let server = &mut world.servers[place];
    let here = server.clock.at(now);
    let newer = |server: &mut Server, term| {
        if term > server.term {
            server.term = term;
            server.votes = None;
            server.office = None;
        }
    };
    let answer = match message {
        Message::Append { term, sent } => {
            newer(server, term);
            if term < server.term {
                return;
            }
            server.last_contact.note(here);
            server.election_due = here + election;
            Some(Message::Appended { term, sent })
        }
        Message::Appended { term, sent } => {
            if let (Some(office), Who::Server(other)) = (&mut server.office, from)
                && term == server.term
            {
                let last = office.acknowledged.entry(other).or_insert(sent);
                *last = (*last).max(sent);
            }
            None
        }
        Message::Vote { term } if term > server.term => {
            newer(server, term);
            server.election_due = here + election;
            Some(Message::Voted { term })
        }
        Message::Voted { term } => {
            // Its own vote is given with the first of another: who is alone does not end a leader's term.
            if server.votes == Some((term, 0)) && server.term < term {
                server.term = term;
                server.votes = Some((term, 1));
            }
            if let Some((of_term, votes)) = &mut server.votes
                && *of_term == term
                && server.term == term
            {
                *votes += 1;
                if *votes * 2 > server.count {
                    server.votes = None;
                    server.office = Some(Office {
                        acknowledged: BTreeMap::new(),
                        contact: None,
                        next_append: now,
                        eye: None,
                        session: None,
                        pods: world.pods.assigned(),
                    });
                }
            }
            None
        }
        Message::Join { sent } => {
            follow(world, place);
            join(world, place, sent);
            None
        }
        Message::Heartbeat { session, sent } => {
            let certain = server.contact(here).is_some() || !rules.answer_only_when_certain;
            match &mut server.office {
                Some(Office {
                    session: Some((current, heard)),
                    ..
                }) if *current == session && certain => {
                    *heard = here;
                    Some(Message::Answered { session, sent })
                }
                _ => Some(Message::Refused { session }),
            }
        }
        Message::Open { session } => {
            // Also one that was replaced long ago goes on telling what it knows.
            let office = server.office.as_ref();
            let office =
                office.filter(|office| office.session.is_some_and(|(current, _)| current == session));
            office.map(|office| Message::FullSet {
                session,
                pods: office.pods.clone(),
            })
        }
        Message::AnyLeader { round } => {
            let answer = server.answer(here, rules.ask_for_silence);
            Some(Message::LeaderContact { round, answer })
        }
        _ => None,
    };
    if let Some(answer) = answer {
        world.send(Who::Server(place), from, answer);
    }
}

fn join(world: &mut World, place: usize, sent: Instant) {
    let server = &mut world.servers[place];
    let here = server.clock.at(world.now);
    // What it writes needs a majority, so only a leader that has one can take a node in.
    if server.contact(here).is_none() {
        return;
    }
    let session = world.now * 10 + place as u64;
    if let Some(office) = &mut server.office {
        office.session = Some((session, here));
        office.pods = world.pods.assigned();
        world.send(Who::Server(place), Who::Agent, Message::Joined { sent, session });
    }
}

fn elect(world: &mut World, place: usize) {
    let election = Duration::from_millis(ELECTION.0 + world.draw(ELECTION.1 - ELECTION.0));
    let server = &mut world.servers[place];
    let here = server.clock.at(world.now);
    if server.office.is_some() || here < server.election_due {
        return;
    }
    server.election_due = here + election;
    let (term, count) = (server.term + 1, server.count);
    server.votes = Some((term, 0));
    for other in (0..count).filter(|other| *other != place) {
        world.send(Who::Server(place), Who::Server(other), Message::Vote { term });
    }
}

fn append(world: &mut World, place: usize) {
    let now = world.now;
    let server = &mut world.servers[place];
    let (term, count, sent) = (server.term, server.count, server.clock.at(now));
    let Some(office) = server.office.as_mut().filter(|office| now >= office.next_append) else {
        return;
    };
    office.next_append = now + HEARTBEAT;
    for other in (0..count).filter(|other| *other != place) {
        world.send(
            Who::Server(place),
            Who::Server(other),
            Message::Append { term, sent },
        );
    }
}

/// The leader's look at the node.
fn look(world: &mut World, place: usize) {
    let now = world.now;
    let rules = world.rules;
    let server = &mut world.servers[place];
    let here = server.clock.at(now);
    let contact = server.contact(here);
    let Some(office) = &mut server.office else { return };
    let Some(contact) = contact else { return };
    let eye = office.eye.get_or_insert_with(|| Eye {
        start: here,
        liveness: Liveness::new(
            Patience::default(),
            [(NODE.to_owned(), Standing::Heard)],
            Duration::ZERO,
        ),
        contact: contact.since,
        looked: here,
        next: now,
    });
    if now < eye.next {
        return;
    }
    eye.next = now + LOOK;
    let at = here - eye.start;
    let broken = eye.contact != contact.since || here - eye.looked > PAUSE_MAX;
    if broken && rules.grace_after_a_break {
        eye.liveness.grace(at);
    }
    eye.contact = contact.since;
    eye.looked = here;
    if let Some((_, heard)) = office.session
        && let Some(heard) = heard.checked_duration_since(eye.start)
    {
        eye.liveness.heard(NODE, heard);
    }
    let mut lost = None;
    for (node, standing) in eye.liveness.due(at) {
        eye.liveness.settle(&node, standing);
        if standing == Standing::Lost {
            office.session = None;
            lost = Some(office.pods.clone());
        }
    }
    // Where a majority is of a later term it cannot be agreed on any more.
    let term = server.term;
    let agreeing = world.servers.iter().filter(|server| server.term <= term);
    if let Some(pods) = lost
        && agreeing.count() * 2 > world.servers.len()
    {
        world.pods.give_up(&pods, now);
    }
}
