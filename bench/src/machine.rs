//! The machine's own limits, measured in the same run as what is compared with them.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::statistics::Sorted;

/// How many appends the disk is measured by.
const APPENDS: usize = 1_000;

/// What machine this is, for the record.
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let model = model.map_or("unknown processor", |(_, model)| model);
    format!("{cores} cores, {model}, Linux {}", kernel.trim())
}

/// How many times per second this machine spawns `true` and waits for it, on so many threads.
pub(crate) fn spawns_per_second(threads: usize, spawns: usize) -> f64 {
    let start = Instant::now();
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            std::thread::spawn(move || {
                for _ in 0..spawns / threads {
                    let child = Command::new("true")
                        .stdin(Stdio::null())
                        .stdout(Stdio::null())
                        .spawn();
                    if let Ok(mut child) = child {
                        drop(child.wait());
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        drop(worker.join());
    }
    per_second(spawns, start.elapsed())
}

/// How long this machine takes to append 1 KiB to a file and have it on disk, where temporary data directories are made.
pub(crate) fn sync_time() -> anyhow::Result<Sorted> {
    let mut file = tempfile::tempfile()?;
    let mut times = Vec::with_capacity(APPENDS);
    for _ in 0..APPENDS {
        let start = Instant::now();
        file.write_all(&[7; 1024])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    Ok(Sorted::new(times))
}

/// A rate.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn per_second(count: usize, elapsed: std::time::Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}
