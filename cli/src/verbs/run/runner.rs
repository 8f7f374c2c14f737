//! Owns the course of a run: apply, follow, show, and the account at the end.

use super::account::{self, Account};
use super::board::{Board, FOLLOWED, Source};
use super::output::{LastLines, Readers, Told};
use super::show::Show;
use crate::failure::render;
use crate::manifest::ManifestObject;
use crate::output::terminal::{print_line, print_lines};
use crate::session::{DEFAULT_NAMESPACE, Session};
use crate::signals::Stop;
use crate::verbs::apply::{self, Outcome};
use anyhow::{Result, bail};
use bosun_client::{ApiError, Change, ChangeKind, Client, Query, Step};
use bosun_proto::core_v1;
use bosun_proto::meta_v1::ObjectMeta;
use bosun_proto::{Key, Kind, Object};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// How many changes may wait to be taken in.
const CHANGES_WAITING_MAX: usize = 1_024;
/// How often the status block is redrawn.
const REDRAW: Duration = Duration::from_millis(100);
/// How long to wait for more of the output once the work is done; anything that arrives begins the time anew.
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
    stop: Stop,
    until_interrupted: bool,
    was_cut_off: bool,
    /// Something was taken in that the status does not show yet.
    has_news: bool,
    board: Board,
    readers: Readers,
    last_lines: LastLines,
    show: Show,
    changes_sender: mpsc::Sender<Result<Change, ApiError>>,
    changes: mpsc::Receiver<Result<Change, ApiError>>,
    /// What feeds the changes; ended with the run.
    tasks: JoinSet<()>,
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
    pub(super) fn new(session: &'a Session, client: Client, stop: Stop, until_interrupted: bool) -> Self {
        let (changes_sender, changes) = mpsc::channel(CHANGES_WAITING_MAX);
        Self {
            session,
            readers: Readers::new(client.clone()),
            client,
            stop,
            until_interrupted,
            was_cut_off: false,
            has_news: true,
            board: Board::default(),
            last_lines: LastLines::default(),
            show: Show::new(session.terminal),
            changes_sender,
            changes,
            tasks: JoinSet::new(),
        }
    }

    /// Whether all work ended well.
    pub(super) fn has_succeeded(&self) -> bool {
        self.board.has_succeeded()
    }

    /// What was applied, as far as it is still there.
    pub(super) fn roots(&self) -> Vec<Key> {
        let present = self.board.roots().filter(|root| !self.board.is_gone(root));
        present.map(Object::key).collect()
    }

    /// Carries the manifests out. `lost` tells when the cluster itself has failed.
    pub(super) async fn run(
        &mut self,
        manifests: &[ManifestObject],
        lost: impl Future<Output = anyhow::Error>,
    ) -> Result<Finish> {
        let stop = self.stop.clone();
        tokio::select! {
            applied = self.apply(manifests) => applied?,
            () = stop.wished() => return Ok(Finish::Interrupted),
        }
        self.say_when_it_ends();
        self.follow();
        let finish = self.watch(lost).await?;
        self.show.clear();
        Ok(finish)
    }

    /// Goes on showing output, and nothing else, while something ends.
    pub(super) async fn show_output_during(&mut self, ending: impl Future<Output = ()>) -> Result<()> {
        let mut ending = std::pin::pin!(ending);
        let mut is_over = false;
        while !is_over {
            tokio::select! {
                () = &mut ending => is_over = true,
                Some(Ok(change)) = self.changes.recv() => self.take_in(&change),
                told = self.readers.next() => self.print(told)?,
            }
        }
        Ok(())
    }

    async fn apply(&mut self, manifests: &[ManifestObject]) -> Result<()> {
        let mut warned = BTreeSet::new();
        for manifest in manifests {
            let applied = apply::apply(&self.client, manifest, false).await;
            let applied = applied.map_err(|error| manifest.explain(error))?;
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
    fn follow(&mut self) {
        for namespace in self.namespaces() {
            for kind in FOLLOWED {
                let mut follow = self.client.follow(Query::new(*kind, &namespace));
                let sender = self.changes_sender.clone();
                self.tasks.spawn(async move {
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
    }

    async fn watch(&mut self, lost: impl Future<Output = anyhow::Error>) -> Result<Finish> {
        let stop = self.stop.clone();
        let mut lost = std::pin::pin!(lost);
        let mut ticks = tokio::time::interval(REDRAW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let news = tokio::select! {
                Some(change) = self.changes.recv() => change.map_or_else(|error| News::Lost(error.into()), News::Change),
                told = self.readers.next() => News::Told(told),
                _ = ticks.tick() => News::Tick,
                () = stop.wished() => News::Stop,
                why = &mut lost => News::Lost(why),
            };
            match news {
                News::Change(change) => self.take_in(&change),
                News::Told(told) => self.print(told)?,
                News::Tick => {
                    self.say_when_cut_off();
                    // Only durations change by themselves, and only the block shows them.
                    if std::mem::take(&mut self.has_news) || self.show.is_live() {
                        self.show.status(&self.board, self.session.now());
                    }
                }
                News::Stop => {
                    self.show.note("Stopping.");
                    return Ok(Finish::Interrupted);
                }
                News::Lost(why) => {
                    self.show.clear();
                    let told = why
                        .downcast_ref::<ApiError>()
                        .map_or_else(|| render(&why), ToString::to_string);
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

    /// Silence while connections are tried again would look like a run that hangs.
    fn say_when_cut_off(&mut self) {
        let cut_off = self.client.is_cut_off();
        if std::mem::replace(&mut self.was_cut_off, cut_off) == cut_off {
            return;
        }
        let seconds = super::PATIENCE.0.as_secs();
        self.show.note(&if cut_off {
            format!("The cluster does not answer; trying again for {seconds} s.")
        } else {
            "The cluster answers again.".to_owned()
        });
    }

    fn take_in(&mut self, change: &Change) {
        for source in self.board.observe(change) {
            self.readers.start(source);
        }
        if change.kind == ChangeKind::Deleted && self.board.forget(&change.object) {
            self.last_lines.forget(&change.object.metadata().name);
        }
        self.has_news = true;
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
        while self.readers.open().any(|source| self.board.is_over(&source.uid)) {
            let Ok(told) = tokio::time::timeout(DRAIN_TIMEOUT, self.readers.next()).await else {
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

    /// The account of the run as it is now.
    pub(super) fn account(&self) -> Account {
        account::account(&self.board, &self.last_lines, self.session.now())
    }

    /// Prints an account.
    pub(super) fn tell(&mut self, account: &Account) -> Result<()> {
        self.show.clear();
        print_line("")?;
        print_lines(account.table.iter().cloned())?;
        for failure in &account.failures {
            self.session.terminal.error(failure);
        }
        Ok(())
    }
}
