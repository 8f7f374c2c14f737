//! Measures Bosun as a user meets it: real processes, real disks, real gRPC on loopback; and the machine's own limit beside it.
//!
//! Each figure and the command that made it belong into docs/benchmarks.md. None of this is a test.
#![expect(clippy::print_stdout, reason = "the figures are the output")]
#![expect(
    clippy::disallowed_methods,
    reason = "a measurement reads the real clock and the real machine"
)]

mod cluster;
mod etcd;
mod failover;
mod footprint;
mod latency;
mod load;
mod machine;
mod process;
mod replacement;
mod statistics;
mod throughput;
mod trio;
mod writes;

use clap::{Parser, Subcommand};

/// Measurements of Bosun, servers and agents each a process of its own.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// One pod of `true`, from submitting it to seeing it Finished.
    Latency {
        /// How many pods, one after another.
        #[arg(long, default_value_t = 200)]
        pods: usize,
    },
    /// One Job of many pods of `true`, beside the machine's own rate of spawning and waiting for `true`.
    Throughput {
        /// How many completions.
        #[arg(long, default_value_t = 5_000)]
        completions: i32,
        /// How many at once.
        #[arg(long, default_value_t = 64)]
        parallelism: i32,
    },
    /// Memory of server and agent, idle and after the load of `throughput`; size of the program.
    Footprint {
        /// How many completions the load has.
        #[arg(long, default_value_t = 5_000)]
        completions: i32,
    },
    /// Three servers: kill -9 of the leader to the first acknowledged write.
    Failover {
        /// How often.
        #[arg(long, default_value_t = 20)]
        trials: usize,
    },
    /// Three servers, three nodes: kill -9 of a node to its pods running elsewhere, alone and together with the leader.
    Replacement {
        /// How often, each of the two.
        #[arg(long, default_value_t = 20)]
        trials: usize,
    },
    /// Three servers: durable replicated writes of 1 KiB, beside etcd where it is installed, and memory.
    Writes(writes::Settings),
    /// All that one server and one agent do: latency, throughput, footprint.
    All,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    println!("machine: {}", machine::describe());
    match Args::parse().what {
        What::Latency { pods } => latency::measure(pods).await,
        What::Throughput {
            completions,
            parallelism,
        } => throughput::measure(completions, parallelism).await,
        What::Footprint { completions } => footprint::measure(completions).await,
        What::Failover { trials } => failover::measure(trials).await,
        What::Replacement { trials } => replacement::measure(trials).await,
        What::Writes(settings) => writes::measure(&settings).await,
        What::All => {
            latency::measure(200).await?;
            throughput::measure(5_000, 64).await?;
            footprint::measure(5_000).await
        }
    }
}
