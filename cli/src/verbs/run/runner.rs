//! Owns the course of a run: apply, follow, show, and the account at the end.

use super::account;
use super::board::{Board, End, FOLLOWED, Source};
use super::output::{LastLines, Readers, Told};
use super::show::Show;
use crate::failure::render;
use crate::manifest::ManifestObject;
use crate::output::terminal::{print_line, print_lines};
use crate::session::{DEFAULT_NAMESPACE, Session};
use crate::verbs::apply::{self, Outcome};
use anyhow::{Context as _, Result, bail};
use bosun_client::{ApiError, Change, ChangeKind, Client, Query, Step};
use bosun_proto::core_v1;
use bosun_proto::meta_v1::ObjectMeta;
use bosun_proto::{Kind, Object};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// How many changes may wait to be taken in.
const CHANGES_WAITING_MAX: usize = 1_024;
/// How often the status block is redrawn.
const REDRAW: Duration = Duration::from_millis(100);
/// How long the rest of the output may take once the work is done.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// All work has ended.
    Done,
    /// Somebody wished it to stop.
    Interrupted,
    /// The cluster does not answer any more.
    Lost,
}

/// One run.
pub(super) struct Runner<'a> {
    session: &'a Session,
    client: Client,
    until_interrupted: bool,
    board: Board,
    readers: Readers,
    last_lines: LastLines,
    show: Show,
}

/// Something to react to.
enum News {
    Change(Change),
    Told(Told),
    Tick,
    Stop,
    Lost(anyhow::Error),
}

/// Makes the namespaces that the manifests live in and do not bring: a cluster made for them has none.
pub(super) async fn make_namespaces(
    session: &Session,
    client: &Client,
    manifests: &[ManifestObject],
) -> Result<()> {
    let metadata = || {
        manifests
            .iter()
            .map(|manifest| (manifest.object.kind(), manifest.object.metadata()))
    };
    let brought: BTreeSet<&str> = metadata()
        .filter(|(kind, _)| *kind == Kind::Namespace)
        .map(|(_, metadata)| metadata.name.as_str())
        .collect();
    let mut needed: BTreeSet<&str> = metadata()
        .map(|(_, metadata)| metadata.namespace.as_str())
        .collect();
    needed.retain(|name| !name.is_empty() && *name != DEFAULT_NAMESPACE && !brought.contains(name));
    for name in needed {
        let metadata = ObjectMeta {
            name: name.to_owned(),
            ..ObjectMeta::default()
        };
        let namespace = core_v1::Namespace {
            metadata: Some(metadata),
            ..Default::default()
        };
        match client.create(&Object::from(namespace), false).await {
            Err(error) if !error.is_already_exists() => {
                return Err(anyhow::Error::from(error).context(format!("namespace {name}")));
            }
            Ok(_) | Err(_) => session.terminal.note(&format!("namespace/{name} created")),
        }
    }
    Ok(())
}

impl<'a> Runner<'a> {
    pub(super) fn new(session: &'a Session, client: Client, until_interrupted: bool) -> Self {
        Self {
            session,
            readers: Readers::new(client.clone()),
            client,
            until_interrupted,
            board: Board::default(),
            last_lines: LastLines::default(),
            show: Show::new(session.terminal),
        }
    }

    /// Whether all work ended well.
    pub(super) fn has_succeeded(&self) -> bool {
        self.board.has_succeeded()
    }

    /// Carries the manifests out. `lost` tells when the cluster itself has failed.
    pub(super) async fn run(
        &mut self,
        manifests: &[ManifestObject],
        lost: impl Future<Output = anyhow::Error>,
    ) -> Result<Finish> {
        self.apply(manifests).await?;
        self.say_when_it_ends();
        // Dropped with this function, and the tasks with it.
        let mut tasks = JoinSet::new();
        let mut changes = self.follow(&mut tasks);
        let finish = self.watch(&mut changes, lost).await?;
        self.show.clear();
        self.tell()?;
        Ok(finish)
    }

    async fn apply(&mut self, manifests: &[ManifestObject]) -> Result<()> {
        let mut warned = BTreeSet::new();
        for manifest in manifests {
            let applied = apply::apply(&self.client, manifest, false)
                .await
                .with_context(|| manifest.place())?;
            for warning in applied.warnings {
                // The same of every object would bury the rest.
                if warned.insert(warning.clone()) {
                    self.session.warn_all(&manifest.reference(), &[warning]);
                }
            }
            self.show
                .note(&format!("{} {}", manifest.reference(), applied.outcome.word()));
            if applied.outcome != Outcome::Created && self.board.end(&applied.object).is_some() {
                let name = manifest.reference();
                bail!(
                    "{name} is in this cluster and has ended already; `bosun delete {name}` makes room to run it again"
                );
            }
            self.board.add_root(&applied.object);
        }
        Ok(())
    }

    fn say_when_it_ends(&mut self) {
        let has_work = self.board.work().next().is_some();
        let all_work = self.board.work().count() == self.board.roots().count();
        if self.until_interrupted {
            self.show.note("Running until Ctrl-C.");
        } else if !has_work {
            self.show
                .note("Nothing in the files ends by itself: running until Ctrl-C.");
        } else if !all_work {
            self.show
                .note("Ends when the Jobs have ended; --until-interrupted goes on.");
        }
    }

    /// The namespaces whose objects matter to this run.
    fn namespaces(&self) -> BTreeSet<String> {
        let own = self.board.roots().map(|root| root.metadata().namespace.clone());
        own.filter(|namespace| !namespace.is_empty()).collect()
    }

    /// Follows everything that may grow out of the manifests.
    fn follow(&self, tasks: &mut JoinSet<()>) -> mpsc::Receiver<Result<Change, ApiError>> {
        let (sender, receiver) = mpsc::channel(CHANGES_WAITING_MAX);
        for namespace in self.namespaces() {
            for kind in FOLLOWED {
                let mut follow = self.client.follow(Query::new(*kind, &namespace));
                let sender = sender.clone();
                tasks.spawn(async move {
                    loop {
                        let news = match follow.next().await {
                            Ok(Step::CaughtUp) => continue,
                            Ok(Step::Change(change)) => Ok(change),
                            Err(error) => Err(error),
                        };
                        let is_last = news.is_err();
                        if sender.send(news).await.is_err() || is_last {
                            return;
                        }
                    }
                });
            }
        }
        // Without namespaced objects there is nothing to follow; the channel must stay open all the same.
        if receiver.sender_strong_count() == 1 {
            tasks.spawn(async move { sender.closed().await });
        }
        receiver
    }

    async fn watch(
        &mut self,
        changes: &mut mpsc::Receiver<Result<Change, ApiError>>,
        lost: impl Future<Output = anyhow::Error>,
    ) -> Result<Finish> {
        let mut stop = std::pin::pin!(crate::signals::stop());
        let mut lost = std::pin::pin!(lost);
        let mut ticks = tokio::time::interval(REDRAW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let news = tokio::select! {
                Some(change) = changes.recv() => change.map_or_else(|error| News::Lost(error.into()), News::Change),
                told = self.readers.next() => News::Told(told),
                _ = ticks.tick() => News::Tick,
                () = &mut stop => News::Stop,
                why = &mut lost => News::Lost(why),
            };
            match news {
                News::Change(change) => self.take_in(&change),
                News::Told(told) => self.print(told)?,
                News::Tick => self.show.status(&self.board, self.session.now()),
                News::Stop => {
                    self.show.note("Stopping.");
                    return Ok(Finish::Interrupted);
                }
                News::Lost(why) => {
                    self.show.clear();
                    let told = render(&why);
                    self.session.terminal.error(&format!(
                        "the cluster is lost: {told}\nWhat is known of the run so far:"
                    ));
                    return Ok(Finish::Lost);
                }
            }
            if self.board.is_done() && !self.until_interrupted {
                self.drain().await?;
                return Ok(Finish::Done);
            }
        }
    }

    fn take_in(&mut self, change: &Change) {
        self.board.observe(change);
        for source in self.board.take_new_sources() {
            self.readers.start(source);
        }
    }

    fn print(&mut self, told: Told) -> Result<()> {
        let Told::Chunk(source, bytes) = told else {
            return Ok(());
        };
        self.last_lines.push(&source.pod, &bytes);
        self.show.output(&self.name(&source), &bytes)
    }

    /// The pod's name; with the container's, where it has several.
    fn name(&self, source: &Source) -> String {
        if self.board.has_several_containers(&source.uid) {
            format!("{}/{}", source.pod, source.container)
        } else {
            source.pod.clone()
        }
    }

    /// Shows the rest of the output. A Job may be known to have ended before its last pods are.
    async fn drain(&mut self) -> Result<()> {
        for namespace in self.namespaces() {
            let pods = self.client.list(&Query::new(Kind::Pod, &namespace)).await;
            for object in pods.map(|list| list.items).unwrap_or_default() {
                self.take_in(&Change {
                    kind: ChangeKind::Modified,
                    object,
                });
            }
        }
        let limit = tokio::time::Instant::now() + DRAIN_TIMEOUT;
        while self.readers.open().any(|source| self.board.is_over(&source.uid)) {
            let Ok(told) = tokio::time::timeout_at(limit, self.readers.next()).await else {
                self.session
                    .terminal
                    .warning("the last output did not arrive in time");
                break;
            };
            self.print(told)?;
        }
        self.show.status(&self.board, self.session.now());
        Ok(())
    }

    /// The account: a table of all roots, then why those failed that did.
    fn tell(&mut self) -> Result<()> {
        print_line("")?;
        print_lines(account::table(&self.board, self.session.now()).lines(true))?;
        for root in self.board.work() {
            let Some(End::Failed(why)) = self.board.end(root) else {
                continue;
            };
            let name = crate::target::reference(root.kind(), &root.metadata().name);
            self.session.terminal.error(&format!("{name} failed: {why}"));
            let (pods, more) = account::culprits(&self.board, root);
            for pod in pods {
                self.session.terminal.note(&format!("  {}", account::why(pod)));
                let name = &pod
                    .metadata
                    .as_ref()
                    .map(|metadata| metadata.name.clone())
                    .unwrap_or_default();
                for line in self.last_lines.of(name) {
                    self.session.terminal.note(&format!("    | {line}"));
                }
            }
            if more > 0 {
                self.session.terminal.note(&format!("  ... and {more} more pods"));
            }
        }
        let unfinished = self
            .board
            .work()
            .filter(|root| self.board.end(root).is_none())
            .count();
        if unfinished > 0 {
            self.session
                .terminal
                .error(&format!("{unfinished} unfinished when the run ended"));
        }
        Ok(())
    }
}
