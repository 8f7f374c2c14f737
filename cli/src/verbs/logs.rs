//! Owns `bosun logs`: the output of one container, or of all containers of several pods with their names in front.

use crate::failure::{AlreadyTold, UsageError, render_api};
use crate::output::lines::Prefixer;
use crate::output::terminal::{Colour, print_bytes};
use crate::session::Session;
use crate::target::{self, Target, reference};
use anyhow::{Result, bail};
use bosun_client::{ApiError, ChangeKind, Client, LogOptions, Query, Step};
use bosun_core::kinds;
use bosun_proto::core_v1::Pod;
use bosun_proto::{Key, Kind, Object, Resource as _};
use bytes::Bytes;
use clap::Args as ClapArgs;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How many chunks of output may wait to be printed.
const CHUNKS_WAITING_MAX: usize = 256;
/// How many containers are read at once.
const STREAMS_MAX: usize = 100;
/// Lines per container when pods are chosen by a label, unless --tail says otherwise.
const TAIL_BY_LABEL: i64 = 10;
/// How long `-f` waits for an owner's first pod.
const FIRST_POD_TIMEOUT: Duration = Duration::from_secs(20);
/// Which container is meant when none is named.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// The arguments of `logs`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  bosun logs hello-x7k2p\n  bosun logs -f job/hello\n  bosun logs -l app=web --tail=20"
)]
pub(crate) struct Args {
    /// A pod, or KIND/NAME of what owns pods: job/x, rs/x
    #[arg(
        value_name = "POD",
        required_unless_present = "selector",
        conflicts_with = "selector"
    )]
    what: Option<String>,
    /// The container
    #[arg(short, long, value_name = "NAME")]
    container: Option<String>,
    /// All containers of the pods
    #[arg(long, conflicts_with = "container")]
    all_containers: bool,
    /// All pods of the owner, with names in front
    #[arg(long)]
    all_pods: bool,
    /// All pods with these labels, with names in front
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// Stay and show what is written
    #[arg(short, long)]
    follow: bool,
    /// The output of the run before the last restart
    #[arg(short, long)]
    previous: bool,
    /// Only the last lines; -1 for all
    #[arg(long, value_name = "LINES", allow_negative_numbers = true)]
    tail: Option<i64>,
    /// Put each line's time in front
    #[arg(long)]
    timestamps: bool,
    /// Only what is younger than this
    #[arg(long, value_name = "SPAN", value_parser = crate::duration::parse)]
    since: Option<Duration>,
    /// Put the pod's and container's name in front of each line
    #[arg(long)]
    prefix: bool,
}

/// Shows the output asked for.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    let client = session.client()?;
    let pods = pods(session, &client, &args).await?;
    let several = pods.len() > 1 || args.all_pods || args.selector.is_some();
    let mut sources = Vec::new();
    for pod in &pods {
        for container in containers(session, pod, &args, several)? {
            sources.push(args.options(pod, &container));
        }
    }
    if sources.len() > STREAMS_MAX {
        let count = sources.len();
        return Err(UsageError::new(format!(
            "{count} containers fit, more than the {STREAMS_MAX} read at once; choose fewer by -l"
        ))
        .into());
    }
    let prefixed = several || args.prefix || sources.len() > 1;
    show(session, &client, sources, prefixed, args.all_containers).await
}

impl Args {
    fn options(&self, pod: &Pod, container: &str) -> LogOptions {
        let by_label = self.selector.is_some().then_some(TAIL_BY_LABEL);
        let metadata = pod.metadata();
        LogOptions {
            follow: self.follow,
            previous: self.previous,
            tail_lines: self.tail.or(by_label).filter(|lines| *lines >= 0),
            timestamps: self.timestamps,
            since_seconds: self
                .since
                .map(|since| i64::try_from(since.as_secs().max(1)).unwrap_or(i64::MAX)),
            ..LogOptions::of(&metadata.namespace, &metadata.name, container)
        }
    }
}

/// The pods whose output is wanted.
async fn pods(session: &Session, client: &Client, args: &Args) -> Result<Vec<Arc<Pod>>> {
    let all = || Query::new(Kind::Pod, session.namespace());
    if let Some(selector) = &args.selector {
        let found = client.list_as::<Pod>(all().labels(selector)).await?;
        if found.is_empty() {
            bail!(
                "no pod in namespace {} has the labels {selector}",
                session.namespace()
            );
        }
        return Ok(found);
    }
    let what = args.what.clone().unwrap_or_default();
    let word = if what.contains('/') {
        what
    } else {
        format!("pod/{what}")
    };
    let targets = target::parse(&[word])?;
    let [Target::Named(kind, name)] = targets.as_slice() else {
        return Err(UsageError::new("name one pod, or one owner of pods as KIND/NAME").into());
    };
    if *kind == Kind::Pod {
        return Ok(vec![client.get_as::<Pod>(session.namespace(), name).await?]);
    }
    let owner = client
        .get(&Key::new(*kind, session.namespace_of(*kind), name))
        .await?;
    let mut owned = owned(client.list_as::<Pod>(all()).await?, &owner);
    if owned.is_empty() && args.follow {
        owned.extend(first_pod(client, all(), &owner).await?);
    }
    // The youngest first: it is the one people ask about.
    owned.sort_by_key(|pod| std::cmp::Reverse(pod.metadata().creation_timestamp));
    match owned.first() {
        None => bail!("{} has no pods", reference(*kind, name)),
        Some(first) if owned.len() > 1 && !args.all_pods => {
            let count = owned.len();
            let chosen = &first.metadata().name;
            session
                .terminal
                .note(&format!("{count} pods, showing {chosen}; --all-pods shows all"));
            owned.truncate(1);
            Ok(owned)
        }
        Some(_) => Ok(owned),
    }
}

/// The first pod of an owner that has none yet, if one appears soon.
async fn first_pod(client: &Client, pods: Query, owner: &Object) -> Result<Option<Arc<Pod>>, ApiError> {
    let appears = async {
        let mut follow = client.follow(pods);
        loop {
            follow.next().await?;
            let known = follow
                .known()
                .values()
                .filter_map(Pod::from_object)
                .cloned()
                .collect();
            if let Some(first) = owned(known, owner).pop() {
                return Ok(first);
            }
        }
    };
    tokio::time::timeout(FIRST_POD_TIMEOUT, appears)
        .await
        .ok()
        .transpose()
}

fn owned(pods: Vec<Arc<Pod>>, owner: &Object) -> Vec<Arc<Pod>> {
    let uid = &owner.metadata().uid;
    let is_owned =
        |pod: &Arc<Pod>| kinds::controller_of(pod.metadata()).is_some_and(|owner| owner.uid == *uid);
    pods.into_iter().filter(is_owned).collect()
}

/// The containers of a pod whose output is wanted.
fn containers(session: &Session, pod: &Pod, args: &Args, quiet: bool) -> Result<Vec<String>> {
    let spec = kinds::pod::spec(pod);
    let name = &pod.metadata().name;
    let main: Vec<&str> = spec
        .containers
        .iter()
        .map(|container| container.name.as_str())
        .collect();
    let all = || {
        spec.init_containers
            .iter()
            .map(|container| container.name.as_str())
            .chain(main.iter().copied())
    };
    if args.all_containers {
        return Ok(all().map(str::to_owned).collect());
    }
    if let Some(wanted) = &args.container {
        if all().any(|container| container == wanted) {
            return Ok(vec![wanted.clone()]);
        }
        let known: Vec<&str> = all().collect();
        bail!(
            "pod {name} has no container {wanted:?}; it has {}",
            known.join(", ")
        );
    }
    let marked = pod
        .metadata()
        .annotations
        .get(DEFAULT_CONTAINER)
        .map(String::as_str);
    let Some(chosen) = marked
        .filter(|marked| main.contains(marked))
        .or_else(|| main.first().copied())
    else {
        bail!("pod {name} has no containers");
    };
    if main.len() > 1 && marked.is_none() && !quiet {
        session.terminal.note(&format!(
            "pod {name} has {}; showing {chosen}, choose with -c",
            main.join(", ")
        ));
    }
    Ok(vec![chosen.to_owned()])
}

/// Reads all sources at once and prints what comes, whole lines.
async fn show(
    session: &Session,
    client: &Client,
    sources: Vec<LogOptions>,
    prefixed: bool,
    name_containers: bool,
) -> Result<()> {
    let (sender, mut receiver) = mpsc::channel::<(String, Result<Bytes, ApiError>)>(CHUNKS_WAITING_MAX);
    for source in sources {
        let name = if name_containers {
            format!("{}/{}", source.pod, source.container)
        } else {
            source.pod.clone()
        };
        tokio::spawn(read(client.clone(), source, name, sender.clone()));
    }
    drop(sender);
    let mut prefixer = Prefixer::default();
    let mut failed = false;
    while let Some((name, chunk)) = receiver.recv().await {
        match chunk {
            Ok(bytes) if prefixed => {
                let prefix = session.terminal.paint(Colour::Cyan, &format!("{name} | "));
                print_bytes(&prefixer.lines(&prefix, &bytes))?;
            }
            Ok(bytes) => print_bytes(&bytes)?,
            Err(error) => {
                session.terminal.error(&format!("{name}: {}", render_api(&error)));
                failed = true;
            }
        }
    }
    if failed { Err(AlreadyTold.into()) } else { Ok(()) }
}

async fn read(
    client: Client,
    source: LogOptions,
    name: String,
    sender: mpsc::Sender<(String, Result<Bytes, ApiError>)>,
) {
    let result = copy(&client, source, &name, &sender).await;
    if let Err(error) = result {
        // Nobody listens any more when the verb has ended.
        drop(sender.send((name, Err(error))).await);
    }
}

async fn copy(
    client: &Client,
    source: LogOptions,
    name: &str,
    sender: &mpsc::Sender<(String, Result<Bytes, ApiError>)>,
) -> Result<(), ApiError> {
    if source.follow && !source.previous {
        started(client, &source).await?;
    }
    let mut stream = client.logs(source).await?;
    while let Some(bytes) = stream.next().await? {
        if sender.send((name.to_owned(), Ok(bytes))).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Waits until the container has been started once, so that following may begin before there is output.
async fn started(client: &Client, source: &LogOptions) -> Result<(), ApiError> {
    let mut follow = client.follow(Query::new(Kind::Pod, &source.namespace).named(&source.pod));
    loop {
        let step = follow.next().await?;
        let gone = matches!(&step, Step::CaughtUp if follow.known().is_empty())
            || matches!(&step, Step::Change(change) if change.kind == ChangeKind::Deleted);
        let has_started = follow
            .known()
            .values()
            .filter_map(Pod::from_object)
            .any(|pod| has_output(pod, &source.container));
        if gone || has_started {
            return Ok(());
        }
    }
}

/// Whether a container runs or has run, or will never run any more.
fn has_output(pod: &Pod, container: &str) -> bool {
    let status = kinds::pod::status(pod);
    let all = status
        .container_statuses
        .iter()
        .chain(&status.init_container_statuses);
    let mut own = all.filter(|status| status.name == container);
    kinds::pod::is_finished(pod)
        || own.any(|status| {
            let state = status.state.as_ref();
            let has_begun = state.is_some_and(|state| state.running.is_some() || state.terminated.is_some());
            has_begun || status.restart_count > 0
        })
}
