//! The whole cluster in one thread, under a seed that decides everything.
#![expect(
    clippy::disallowed_methods,
    reason = "the seed and the trace's file come from outside; nothing below a simulated host touches the world"
)]

#[cfg(not(tokio_unstable))]
compile_error!(
    "without --cfg tokio_unstable (.cargo/config.toml) the simulator cannot seed tokio, and no run repeats"
);

mod cluster;
mod world;

use std::process::Command;

use cluster::run;

/// The environment variable with the seed of [`one_seed`].
const SEED: &str = "BOSUN_SIM_SEED";

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 1..=3 {
        let first = run(seed);
        assert!(first.events > 200, "a trace of {first} shows nothing");
        assert_eq!(first, run(seed), "seed {seed}");
    }
    assert_ne!(run(1), run(2));
}

#[test]
fn the_same_seed_is_the_same_run_in_another_process() {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["one_seed", "--exact", "--nocapture"])
        .env(SEED, "4")
        .output()
        .expect("it runs");
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = format!("seed 4: {}", run(4));
    assert!(output.contains(&expected), "{expected} is not in:\n{output}");
}

/// Runs the seed in the environment, to look at it; the first one if there is none.
#[test]
fn one_seed() {
    let seed = std::env::var(SEED).map_or(1, |text| text.parse().expect("a seed is a number"));
    println!("seed {seed}: {}", run(seed));
}
