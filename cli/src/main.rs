//! The one binary `bosun`: server, agent, embedded cluster and the client verbs.
//!
//! This crate is the edge: it reads the command line and the environment, builds the real [`bosun_host::Host`], and is the
//! only one that prints. What it starts (server, agent) and what it asks (client) are the libraries below it.

mod args;
mod duration;
mod embedded;
mod environment;
mod failure;
mod json_path;
mod manifest;
mod merge;
mod nearest;
mod output;
mod session;
mod signals;
mod target;
mod tracing_setup;
mod verbs;

use crate::args::{Args, Verb};
use crate::environment::Environment;
use crate::output::terminal::Terminal;
use crate::session::Session;
use anyhow::{Context as _, Result};
use bosun_host::Host;
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    let environment = Environment::read();
    let terminal = Terminal::detect(environment.colours);
    explain_panics();
    tracing_setup::install(&args, &environment, terminal);
    let session = Session {
        host: Host::system(),
        terminal,
        environment,
        global: args.global,
    };
    match run(&session, args.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error, terminal),
    }
}

fn run(session: &Session, verb: Verb) -> Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Verb::Supervisor(_) = verb {
        // There is one on every machine beside the agent, and its work is small.
        runtime.worker_threads(verbs::supervisor::THREADS);
    }
    let runtime = runtime
        .enable_all()
        .build()
        .context("cannot start the threads of this program")?;
    runtime.block_on(async {
        match verb {
            Verb::Run(args) => verbs::run::run(session, args).await,
            Verb::Up(args) => verbs::up::run(session, args).await,
            Verb::Apply(args) => verbs::apply::run(session, args).await,
            Verb::Create(args) => verbs::create::run(session, args).await,
            Verb::Get(args) => verbs::get::run(session, args).await,
            Verb::Describe(args) => verbs::describe::run(session, args).await,
            Verb::Logs(args) => verbs::logs::run(session, args).await,
            Verb::Delete(args) => verbs::delete::run(session, args).await,
            Verb::Scale(args) => verbs::scale::run(session, args).await,
            Verb::Cordon(args) => verbs::cordon::run_cordon(session, args).await,
            Verb::Uncordon(args) => verbs::cordon::run_uncordon(session, args).await,
            Verb::Drain(args) => verbs::drain::run(session, args).await,
            Verb::Wait(args) => verbs::wait::run(session, args).await,
            Verb::Server(args) => verbs::server::run(session, args).await,
            Verb::Servers(args) => verbs::servers::run(session, args).await,
            Verb::Agent(args) => verbs::agent::run(session, args).await,
            Verb::Supervisor(args) => verbs::supervisor::run(session, args).await,
            Verb::Completion(args) => verbs::completion::run(&args),
            Verb::Version(args) => verbs::version::run(session, args).await,
        }
    })
}

/// A panic is a defect of ours; whoever meets it gets a sentence and a place to report, and the trace on request.
fn explain_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        default(panic);
        Terminal::default().error("this is a defect in bosun; please report it with the lines above");
    }));
}
