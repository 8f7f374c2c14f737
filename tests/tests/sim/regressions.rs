//! What the simulation has found, each with its cause: the seed and the faults that showed it, as few as still do.

use std::time::Duration;

use crate::faults::{Fault, Plan, Planned};
use crate::run::run_with;

fn check(seed: u64, faults: impl IntoIterator<Item = (u64, u64, Fault)>) {
    let planned = faults.into_iter().map(|(from, to, fault)| Planned {
        from: Duration::from_millis(from),
        to: Duration::from_millis(to),
        fault,
    });
    if let Err(broken) = run_with(seed, Plan(planned.collect())) {
        panic!("seed {seed}: {broken}");
    }
}

/// The leader gave up a follower that did not answer for two seconds, but the connection went on reading the requests that
/// were meant for it, and took from the library what the next attempt was to send. The library then sent what it had sent
/// last, from an entry on that was purged meanwhile: a gap in the follower's log, or a leader that stops.
#[test]
fn a_given_up_stream_of_entries_takes_nothing_from_the_next_one() {
    let cut = Fault::CutOneWay("server-2".into(), "server-1".into());
    check(3, [(1_539, 9_000, cut)]);
}
