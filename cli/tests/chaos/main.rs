//! Chaos: three servers and three agents as real processes with real data, clients that never stop, and faults drawn from a
//! seed. Afterwards everything is healed, and what the clients and the containers recorded is held against the promises.
//! docs/chaos.md says what is promised, how to run it for long and how to reproduce a failure.
#![expect(
    clippy::disallowed_methods,
    reason = "this test is about real processes, files and sockets"
)]
#![expect(clippy::print_stderr, reason = "a long run says what it does")]

mod checks;
mod clients;
mod cluster;
mod container;
mod faults;
mod machine;
mod network;
mod processes;
mod random;
mod run;
mod settings;

use cluster::Cluster;
use settings::Settings;

/// In a thread of its own, since the thread goes into the cluster's network and takes all it starts with it.
#[test]
fn what_was_promised_holds_whatever_fails() {
    let settings = Settings::from_environment("what_was_promised");
    let run = std::thread::spawn(move || run::run(&settings, Cluster::of_processes));
    if let Err(panic) = run.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Only where it is asked for: it needs an image that was built from this checkout, which takes longer than all tests.
#[test]
fn the_same_holds_in_containers() {
    if settings::image().is_none() {
        eprintln!(
            "SKIPPED chaos in containers: build the image with scripts/image and set BOSUN_CHAOS_IMAGE=bosun"
        );
        return;
    }
    run::run(
        &Settings::from_environment("the_same_holds"),
        Cluster::of_containers,
    );
}
