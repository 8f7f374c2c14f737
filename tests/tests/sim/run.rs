//! One run: a seed in, the sum of its trace out, or what it broke.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::evidence::{Evidence, Notes};
use crate::faults::{Nemesis, Plan};
use crate::settings::{CLIENTS, HEALED, NODES, SAFETY, SERVERS, TICK, names};
use crate::world::{Sum, Trace, World, elapsed, epoch};
use crate::{invariants, programs, workload};

/// The environment variable with the file that takes the trace in words.
const TRACE: &str = "BOSUN_SIM_TRACE";

/// The environment variable with what the programs shall log, such as `bosun=debug`.
const LOG: &str = "BOSUN_SIM_LOG";

/// Shows the log of the programs with simulated times, if that is asked for. It changes nothing in the run.
pub(crate) fn log_if_asked() {
    if let Ok(filter) = std::env::var(LOG) {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
            .with_timer(SimulatedTime)
            .with_ansi(false)
            .init();
    }
}

struct SimulatedTime;

impl FormatTime for SimulatedTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write!(writer, "{:>10.6}", elapsed().as_secs_f64())
    }
}

/// Runs one seed to its end.
///
/// # Errors
/// Which invariant was broken, and how.
pub(crate) fn run(seed: u64) -> Result<Sum, String> {
    let (servers, nodes, clients) = (
        names("server", SERVERS),
        names("node", NODES),
        names("client", CLIENTS),
    );
    run_with(seed, Plan::of(seed, &servers, &nodes, &clients))
}

/// Runs one seed with faults that are not the seed's own.
pub(crate) fn run_with(seed: u64, plan: Plan) -> Result<Sum, String> {
    let file = std::env::var_os(TRACE).map(|path| File::create(path).expect("the trace can be written"));
    let trace = Trace::new(file);
    let (servers, nodes, clients) = (
        names("server", SERVERS),
        names("node", NODES),
        names("client", CLIENTS),
    );
    let all = servers.iter().chain(&nodes).chain(&clients).cloned();
    let world = World::new(seed, all.chain(["observer".to_owned()]), trace);
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .epoch(epoch().into())
        .simulation_duration(HEALED * 2)
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(10))
        .tcp_capacity(65_536)
        .enable_random_order()
        .build();
    for name in &servers {
        let machine = world.machine(name).clone();
        sim.host(name.as_str(), move || programs::serve(machine.clone()));
    }
    for name in &nodes {
        let machine = world.machine(name).clone();
        sim.host(name.as_str(), move || programs::attend(machine.clone()));
    }
    let evidence = Arc::new(Evidence::default());
    for (number, name) in (1..).zip(&clients) {
        let machine = world.machine(name).clone();
        sim.client(
            name.as_str(),
            workload::work(machine, number, Arc::clone(&evidence)),
        );
    }
    let observing = workload::observe(world.machine("observer").clone(), Arc::clone(&evidence));
    sim.client("observer", observing);

    let mut nemesis = Nemesis::new(plan);
    loop {
        nemesis.step(&mut sim, &world);
        let is_over = sim
            .step()
            .map_err(|error| format!("after {:?}: {error}", sim.elapsed()))?;
        if is_over {
            break;
        }
    }
    let end = sim.elapsed();
    assert!(
        nemesis.is_done() || end < SAFETY,
        "all harm is undone before the end"
    );
    drop(sim);
    let mut notes = std::mem::take(&mut *evidence.notes());
    for machine in world.machines.values() {
        machine.containers.settle_at(end);
    }
    notes.lives = world.lives.all();
    notes.end = end;
    judge(&evidence, &notes)?;
    Ok(world.trace.sum())
}

fn judge(evidence: &Evidence, notes: &Notes) -> Result<(), String> {
    for (name, check) in invariants::ALL {
        check(evidence, notes).map_err(|broken| format!("{name}: {broken}"))?;
    }
    Ok(())
}
