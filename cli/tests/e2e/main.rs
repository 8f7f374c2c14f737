//! End to end: the real binary `bosun` as processes of its own, real containers, real files. One file per theme.
//!
//! Nothing here sleeps: tests wait by watching (`bosun wait`, `logs -f`, the lines that a program prints), under one overall
//! deadline per program. Each test has a directory of its own that is removed at its end, and ends only what it started.
#![expect(
    clippy::disallowed_methods,
    reason = "these tests are about real processes, files and sockets"
)]
#![expect(clippy::print_stderr, reason = "a test that this machine cannot run says so")]

mod bad_input;
mod cluster;
mod command_line;
mod cron_jobs;
mod durability;
mod jobs;
mod manifests;
mod pods;
mod program;
mod replica_sets;
mod run;
mod server;
mod servers;
