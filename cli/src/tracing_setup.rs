//! Owns what is logged to standard error: how much, and in which form.

use crate::args::{Args, Verb};
use crate::environment::Environment;
use crate::output::terminal::Terminal;
use tracing_subscriber::EnvFilter;

/// Installs the log for this process. BOSUN_LOG decides, then RUST_LOG, then -v, then the verb.
pub(crate) fn install(args: &Args, environment: &Environment, terminal: Terminal) {
    let by_default = level(args);
    let filter = match &environment.log {
        Some(directives) => EnvFilter::try_new(directives).unwrap_or_else(|error| {
            terminal.warning(&format!(
                "BOSUN_LOG (or RUST_LOG) is not understood ({error}); logging {by_default}"
            ));
            EnvFilter::new(by_default)
        }),
        None => EnvFilter::new(by_default),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal.err && terminal.colours)
        .with_target(true);
    subscriber.init();
}

/// Servers, agents and supervisors tell what they do; tools only what is wrong.
fn level(args: &Args) -> &'static str {
    let serves = matches!(args.verb, Verb::Server(_) | Verb::Agent(_) | Verb::Supervisor(_));
    match (serves, args.global.verbose) {
        // The raft library warns of what is ordinary at the start of a server, and calls its own end an error. What matters
        // of what it says is said again by the server, with the way out.
        (false, 0) => "warn,openraft=off",
        (true, 0) | (false, 1) => "info,openraft=warn",
        (true, 1) | (false, 2) => {
            "info,openraft=warn,bosun=debug,bosun_client=debug,bosun_control_plane=debug,bosun_node_agent=debug"
        }
        _ => "debug",
    }
}
