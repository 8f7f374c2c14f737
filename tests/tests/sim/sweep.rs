//! Many seeds, each in a process of its own: a defect that takes a simulated machine down may take the process with it.

use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::SEED;

/// Far more than a seed takes; one that takes longer goes round in circles within one simulated moment.
const SEED_MAX: Duration = Duration::from_mins(3);
/// So much of a failure is shown.
const WHY_MAX: usize = 3_000;
/// How often a process is asked whether it has ended.
const ASK: Duration = Duration::from_millis(20);

/// Runs all seeds on all cores.
///
/// # Panics
/// If one fails, with what to type to see it again.
pub(crate) fn sweep(seeds: Range<u64>) {
    let next = AtomicU64::new(seeds.start);
    let failures = Mutex::new(Vec::new());
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let output = in_process(seed);
                    if !output.contains(&format!("seed {seed}: ")) || output.contains("panicked at") {
                        failures
                            .lock()
                            .expect("nobody panics with it")
                            .push((seed, why(&output)));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("nobody panics with it");
    let told = failures.iter().map(|(seed, why)| {
        format!("{why}\nreproduce: {SEED}={seed} cargo test -p bosun-tests --test sim one_seed -- --exact --nocapture\n")
    });
    let told: Vec<String> = told.collect();
    let count = seeds.end - seeds.start;
    assert!(
        told.is_empty(),
        "{} of {count} seeds failed\n\n{}",
        told.len(),
        told.join("\n")
    );
}

/// The first thing that went wrong, without what follows from it.
fn why(output: &str) -> String {
    let from = output.find("panicked at").unwrap_or(0);
    let first = output[from..].split("\nnote: ").next().unwrap_or_default();
    first.chars().take(WHY_MAX).collect()
}

/// What a process says that runs one seed.
pub(crate) fn in_process(seed: u64) -> String {
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["one_seed", "--exact", "--nocapture"])
        .env(SEED, seed.to_string())
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this program runs");
    ended(child, seed)
}

fn ended(mut child: Child, seed: u64) -> String {
    let deadline = Instant::now() + SEED_MAX;
    while child.try_wait().expect("it is a child of this process").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("it is a child of this process");
            return format!("panicked at: seed {seed} does not end");
        }
        thread::sleep(ASK);
    }
    let output = child.wait_with_output().expect("it is a child of this process");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}
