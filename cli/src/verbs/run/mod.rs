//! Owns `bosun run`: manifests carried out from beginning to end, in a cluster made for them or in one that exists, with
//! progress, output, and an account at the end.
//!
//! What a run knows is the pure [`board`]; [`account`] puts it into words, [`show`] on the screen; [`output`] reads what the
//! containers write; [`runner`] ties them together.

mod account;
mod board;
mod ending;
mod output;
mod pods;
mod runner;
mod show;

use crate::embedded::{Embedded, Settings};
use crate::failure::AlreadyTold;
use crate::manifest::{self, ManifestObject, Namespace};
use crate::session::Session;
use crate::signals::Stop;
use anyhow::{Context as _, Result};
use bosun_client::{Client, Patience};
use bosun_host::Host;
use bosun_node_agent::runtime::supervisor::Lifetime;
use clap::Args as ClapArgs;
use runner::{Finish, Runner};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a run goes on when the cluster does not answer.
const PATIENCE: Patience = Patience(Duration::from_secs(15));

/// How often the removal of the temporary directory is tried.
const REMOVALS_MAX: u32 = 10;
/// The pause between two of them.
const REMOVAL_PAUSE: Duration = Duration::from_millis(100);

/// The arguments of `run`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Ends when every Job in the files has ended, with 0 only if all of them completed.\n\nExamples:\n  bosun run job.yaml\n  bosun run --server 127.0.0.1:7600 job.yaml"
)]
pub(crate) struct Args {
    /// Manifest files, folders of them, or - for standard input
    #[arg(value_name = "FILE", required_unless_present = "more_files")]
    files: Vec<PathBuf>,
    /// The same, as kubectl writes it
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    more_files: Vec<PathBuf>,
    /// Also the folders inside folders
    #[arg(short = 'R', long)]
    recursive: bool,
    /// Keep the cluster's data when the run fails, and say where it is
    #[arg(long)]
    keep: bool,
    /// Go on after the Jobs have ended, until Ctrl-C
    #[arg(long)]
    until_interrupted: bool,
}

/// Runs the manifests.
pub(crate) async fn run(session: &Session, mut args: Args) -> Result<()> {
    args.files.append(&mut args.more_files);
    let namespace = Namespace {
        name: session.namespace(),
        explicit: session.global.namespace.is_some(),
    };
    // Before anything is started, so that a mistake in a file costs nothing.
    let manifests = manifest::load(&args.files, args.recursive, namespace)?;
    // Only the option counts here: an address in the environment is for the other verbs.
    if session.global.server.is_some() {
        in_existing(session, &args, manifests).await
    } else {
        in_new(session, &args, manifests).await
    }
}

async fn in_existing(session: &Session, args: &Args, manifests: Vec<ManifestObject>) -> Result<()> {
    // A wrong address shall be told at once, not after the patience that a run deserves.
    let client = session.client()?;
    client.server_state().await?;
    let client = client.with_patience(PATIENCE);
    let mut runner = Runner::new(session, client, Stop::listen(), args.until_interrupted);
    let finish = runner.run(&manifests, std::future::pending()).await?;
    let told = runner.account();
    runner.tell(&told)?;
    if finish == Finish::Interrupted {
        session
            .terminal
            .note("The objects stay in the cluster; `bosun delete -f FILE` removes them.");
    }
    verdict(&runner, finish)
}

async fn in_new(session: &Session, args: &Args, manifests: Vec<ManifestObject>) -> Result<()> {
    let stop = Stop::listen();
    let directory = temporary_directory(session)?;
    let result = in_directory(session, args, &manifests, &directory, &stop).await;
    if args.keep && result.is_err() {
        session.terminal.note(&format!(
            "The cluster's data is kept in {}; `bosun up --data-dir {0}` shows it.",
            directory.display()
        ));
        return result;
    }
    let removed = remove(&session.host, &directory).await;
    result.and(removed.with_context(|| format!("cannot remove {}", directory.display())))
}

async fn in_directory(
    session: &Session,
    args: &Args,
    manifests: &[ManifestObject],
    directory: &Path,
    stop: &Stop,
) -> Result<()> {
    let settings = Settings {
        data_directory: directory.to_owned(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        insecure_plaintext: false,
        containers: Lifetime::WithAgent,
    };
    let mut cluster = Embedded::start(&session.host, settings).await?;
    let address = cluster.address().to_string();
    let client = session.client_of(&[address])?.with_patience(PATIENCE);
    let result = in_cluster(session, args, manifests, &mut cluster, client, stop).await;
    result.and(cluster.stop().await)
}

async fn in_cluster(
    session: &Session,
    args: &Args,
    manifests: &[ManifestObject],
    cluster: &mut Embedded,
    client: Client,
    stop: &Stop,
) -> Result<()> {
    tokio::select! {
        ready = cluster.ready(&client) => ready?,
        () = stop.wished() => return Err(AlreadyTold.into()),
    }
    runner::make_namespaces(session, &client, manifests).await?;
    let mut runner = Runner::new(session, client.clone(), stop.clone(), args.until_interrupted);
    let finish = runner.run(manifests, cluster.failed()).await?;
    // The account is of the work, not of the end it is brought to.
    let told = runner.account();
    let fine = verdict(&runner, finish);
    if finish != Finish::Lost {
        let roots = runner.roots();
        let ending = async {
            tokio::select! {
                () = ending::end(session, &client, roots) => {}
                () = stop.insisted() => session.terminal.note("Killing what still runs."),
            }
        };
        runner.show_output_during(ending).await?;
    }
    runner.tell(&told)?;
    fine
}

/// What the run's end means for the exit code; everything was said already.
fn verdict(runner: &Runner<'_>, finish: Finish) -> Result<()> {
    let fine = match finish {
        // Where nothing ends by itself, the interruption is the ordinary end.
        Finish::Done | Finish::Interrupted => runner.has_succeeded(),
        Finish::Lost => false,
    };
    if fine { Ok(()) } else { Err(AlreadyTold.into()) }
}

fn temporary_directory(session: &Session) -> Result<PathBuf> {
    let parent = &session.environment.temporary;
    let name = format!("bosun-run-{}", session.host.entropy.uuid().simple());
    let directory = parent.join(name);
    let disk = &session.host.disk;
    // Listed first, because a directory that does not exist is rather a mistake than to be made.
    let made = disk.list(parent).and_then(|_| disk.create_directory(&directory));
    made.with_context(|| {
        format!(
            "cannot make a directory in {}; TMPDIR may name another place",
            parent.display()
        )
    })?;
    Ok(directory)
}

/// Removes a directory into which the last of the containers' output may still be written.
async fn remove(host: &Host, directory: &Path) -> std::io::Result<()> {
    let mut attempts = REMOVALS_MAX;
    loop {
        attempts -= 1;
        let (disk, directory) = (std::sync::Arc::clone(&host.disk), directory.to_owned());
        let removed = host
            .workers
            .run("remove", move || disk.remove_directory(&directory))
            .await?;
        if removed.is_ok() || attempts == 0 {
            return removed;
        }
        tokio::time::sleep(REMOVAL_PAUSE).await;
    }
}
