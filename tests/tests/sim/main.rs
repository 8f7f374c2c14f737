//! The whole cluster in one thread, under a seed that decides everything. docs/simulation.md says what it is for, how a
//! failing seed is looked at, and what it has found.
#![expect(
    clippy::disallowed_methods,
    reason = "seeds, files and processes of the sweep are outside; nothing below a simulated host touches the world"
)]

#[cfg(not(tokio_unstable))]
compile_error!(
    "without --cfg tokio_unstable (.cargo/config.toml) the simulator cannot seed tokio, and no run repeats"
);

mod evidence;
mod faults;
mod invariants;
mod programs;
mod regressions;
mod run;
mod settings;
mod sweep;
mod workload;
mod world;

use bosun_host::Host;
use run::{log_if_asked, run};

/// The environment variable with the seed of [`one_seed`].
const SEED: &str = "BOSUN_SIM_SEED";
/// The environment variable with how many seeds [`fresh_seeds`] tries.
const COUNT: &str = "BOSUN_SIM_COUNT";
/// The environment variable with the first seed of [`fresh_seeds`].
const FIRST: &str = "BOSUN_SIM_FIRST";
/// So many fresh seeds belong to every `cargo test`. `.ci/run` tries more.
const COUNT_DEFAULT: u64 = 16;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is {text:?}; it must be a number")),
    )
}

#[test]
fn the_same_seed_is_the_same_run() {
    let first = run(1).expect("all goes well");
    assert!(first.events > 1_000, "a trace of {first} shows nothing");
    assert_eq!(Ok(first), run(1));
    assert_ne!(Ok(first), run(2));
}

#[test]
fn the_same_seed_is_the_same_run_in_another_process() {
    let expected = format!("seed 3: {}", run(3).expect("all goes well"));
    let output = sweep::in_process(3);
    assert!(output.contains(&expected), "{expected} is not in:\n{output}");
}

/// Runs the seed in the environment, to look at it; the first one if there is none.
#[test]
fn one_seed() {
    log_if_asked();
    let seed = number(SEED).unwrap_or(1);
    match run(seed) {
        Ok(sum) => println!("seed {seed}: {sum}"),
        Err(broken) => panic!("seed {seed}: {broken}"),
    }
}

#[test]
fn fresh_seeds() {
    // Short, so that people can type it.
    let first = number(FIRST).unwrap_or_else(|| Host::system().entropy.next_u64() % 1_000_000_000);
    let count = number(COUNT).unwrap_or(COUNT_DEFAULT);
    println!("{count} seeds from {first}");
    sweep::sweep(first..first + count);
}
