//! Owns the command line: the verbs and what they have in common. Each verb's own arguments are declared beside the verb.

use crate::verbs;
use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand};

/// Runs containers and jobs on many machines, in the language of Kubernetes manifests.
#[derive(Debug, Parser)]
#[command(name = "bosun", version, disable_help_subcommand = true, max_term_width = 110)]
#[command(after_help = "Try it: bosun run examples/job.yaml")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every verb understands.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Global {
    /// The namespace to work in [default: default]
    #[arg(
        short,
        long,
        global = true,
        value_name = "NAME",
        help_heading = "Global options"
    )]
    pub(crate) namespace: Option<String>,
    /// Where the servers are, HOST:PORT, several separated by commas [env: BOSUN_SERVER] [default: 127.0.0.1:7600]
    #[arg(
        long,
        global = true,
        value_name = "ADDRESSES",
        help_heading = "Global options"
    )]
    pub(crate) server: Option<String>,
    /// Log more to standard error; -vv logs even more [env: BOSUN_LOG, RUST_LOG]
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run manifests to their end in a cluster made for them, showing progress and output
    Run(verbs::run::Args),
    /// Keep a cluster of one server and one agent running on this machine
    Up(verbs::up::Args),
    /// Create or change objects so that they match manifests
    Apply(verbs::apply::Args),
    /// Create objects from manifests, or a Job from a CronJob
    Create(verbs::create::Args),
    /// Show objects
    Get(verbs::get::Args),
    /// Show one object in detail, with its events
    Describe(verbs::describe::Args),
    /// Show the output of containers
    Logs(verbs::logs::Args),
    /// Delete objects
    Delete(verbs::delete::Args),
    /// Set how many pods a ReplicaSet or a Job runs
    Scale(verbs::scale::Args),
    /// Keep new pods away from nodes
    Cordon(verbs::cordon::Args),
    /// Let nodes take new pods again
    Uncordon(verbs::cordon::Args),
    /// Cordon nodes and delete the pods on them, so that their owners make them anew elsewhere
    Drain(verbs::drain::Args),
    /// Wait until objects are in a certain state
    Wait(verbs::wait::Args),
    /// Run a server of the control plane
    Server(verbs::server::Args),
    /// Show the servers of the control plane; remove one, or hand the lead over
    Servers(verbs::servers::Args),
    /// Run a node's agent
    Agent(verbs::agent::Args),
    /// Keep the containers of an agent; agents start this by themselves
    #[command(hide = true)]
    Supervisor(verbs::supervisor::Args),
    /// Print a completion script for a shell
    Completion(verbs::completion::Args),
    /// Show the versions of client and server
    Version(verbs::version::Args),
}

/// Which objects of a kind, in the verbs that take several.
#[derive(Clone, Debug, Default, ClapArgs)]
pub(crate) struct Selection {
    /// Only objects with these labels, for example app=web,tier!=front
    #[arg(short = 'l', long = "selector", value_name = "LABELS")]
    pub(crate) selector: Option<String>,
    /// Only objects with these fields, for example status.phase!=Succeeded
    #[arg(long, value_name = "FIELDS")]
    pub(crate) field_selector: Option<String>,
    /// In all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
}

#[cfg(test)]
mod tests {
    use super::Args;
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn kubectl_habits_are_understood() {
        let lines = [
            "get pods,jobs -o wide -w -A -l a=b --field-selector x=y --show-labels --sort-by .metadata.name",
            "get job/x -ojson -nother",
            "apply -f a.yaml -f - -n x",
            "create -f a.yaml",
            "create job once --from=cronjob/nightly",
            "describe pods x y",
            "logs x -c main -f -p --tail=5 --timestamps --since=5m",
            "logs job/x --all-pods",
            "delete job x y --cascade=orphan --wait=false",
            "delete -f a.yaml --now",
            "delete pods --all --grace-period=0 --force",
            "scale rs/x --replicas=3",
            "scale --replicas=3 rs x",
            "cordon n-1 node/n-2",
            "uncordon n-1",
            "drain n-1 --force --ignore-daemonsets --delete-emptydir-data --grace-period=-1 --timeout=60s",
            "wait --for=condition=Complete job/x --timeout=10s",
            "wait --for=delete pod/x",
            "run a.yaml b.yaml --keep",
            "run -f a.yaml --until-interrupted",
            "servers",
            "servers remove server-2",
            "servers transfer server-1",
            "server --name a --listen 10.0.0.1:7600 --servers a:7600,b:7600,c:7600 --advertise a:7600",
            "up --data-dir /tmp/x --listen 127.0.0.1:0",
            "agent --keep-pods",
            "supervisor --directory /tmp/x",
            "completion bash",
            "version --client",
        ];
        for line in lines {
            let words = std::iter::once("bosun").chain(line.split(' '));
            Args::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn nonsense_is_refused_with_exit_code_2() {
        let lines = [
            "gett pods",
            "get -o nonsense pods",
            "apply",
            "delete",
            "get pods -A -n x",
            "wait pod/x",
            "scale rs/x",
            "cordon",
            "drain n --grace-period=-2",
            "up --listen nowhere",
            "logs x --tail=many",
            "completion cmd",
        ];
        for line in lines {
            let words = std::iter::once("bosun").chain(line.split(' '));
            let error = Args::try_parse_from(words).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
