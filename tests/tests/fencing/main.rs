//! Attacks fencing: servers that elect leaders and give a node up, and an agent with a lease, all with the decisions of the
//! real program, in a world that delays and loses messages, stops processes and runs clocks apart. At no instant may a
//! fenced pod live that has been replaced. docs/fencing.md has the argument that this tests.

mod agent;
mod server;
mod world;

use world::{Rules, World};

/// How long each world goes on, in milliseconds.
const SPAN: u64 = 90_000;

/// Worlds in which the rules as they are must hold.
const WORLDS: u64 = 60;
/// Worlds in which a missing rule must be found out.
const WORLDS_TO_FIND: u64 = 300;

/// What happened in a number of worlds.
#[derive(Debug, Default)]
struct Seen {
    /// Times a pod was given up.
    given_up: usize,
    /// Times a lease was prolonged without a leader.
    prolonged: usize,
    /// Times an agent stopped its pods.
    stopped: usize,
}

/// Plays a world; the first pod that lives on after it was replaced, in words.
fn play(seed: u64, rules: Rules, seen: &mut Seen) -> Option<String> {
    let mut world = World::new(seed, rules);
    let violation = (0..SPAN / world::STEP).find_map(|_| world.step());
    seen.given_up += world.pods.given_up_count();
    seen.prolonged += world.agent.prolonged;
    seen.stopped += world.agent.stopped;
    violation.map(|violation| format!("seed {seed}: {violation}"))
}

#[test]
fn no_pod_lives_after_it_was_replaced() {
    let mut seen = Seen::default();
    let violation = (0..WORLDS).find_map(|seed| play(seed, Rules::default(), &mut seen));
    assert_eq!(violation, None);
    // The worlds are hard enough to mean something.
    assert!(
        seen.given_up > 60 && seen.prolonged > 60 && seen.stopped > 60,
        "{seen:?}"
    );
}

fn is_found_out(rules: Rules) -> bool {
    (0..WORLDS_TO_FIND).any(|seed| play(seed, rules, &mut Seen::default()).is_some())
}

#[test]
fn the_attack_finds_out_a_leader_that_answers_although_it_may_be_replaced() {
    let rules = Rules {
        answer_only_when_certain: false,
        ..Rules::default()
    };
    assert!(is_found_out(rules));
}

#[test]
fn the_attack_finds_out_a_lease_as_long_as_the_leaders_patience() {
    let rules = Rules {
        lease: 9_900,
        ..Rules::default()
    };
    assert!(is_found_out(rules));
}

#[test]
fn the_attack_finds_out_a_lease_that_counts_from_the_answer() {
    let rules = Rules {
        count_from_sending: false,
        ..Rules::default()
    };
    assert!(is_found_out(rules));
}

#[test]
fn the_attack_finds_out_servers_that_say_too_soon_that_there_is_no_leader() {
    let rules = Rules {
        ask_for_silence: false,
        ..Rules::default()
    };
    assert!(is_found_out(rules));
}

#[test]
fn the_attack_finds_out_a_leader_that_forgets_that_it_was_cut_off() {
    let rules = Rules {
        grace_after_a_break: false,
        ..Rules::default()
    };
    assert!(is_found_out(rules));
}
