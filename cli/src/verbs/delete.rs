//! Owns `bosun delete`: by name, by file, by label; with the wait until what was deleted is really gone.

use crate::args::Selection;
use crate::failure::{AlreadyTold, UsageError, render_api};
use crate::manifest::{self, Namespace};
use crate::output::terminal::print_line;
use crate::session::Session;
use crate::target::{self, Target, qualified, reference};
use anyhow::{Result, bail};
use bosun_client::{Client, Query, Step};
use bosun_proto::{Key, meta_v1};
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// The arguments of `delete`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  bosun delete job hello\n  bosun delete -f job.yaml\n  bosun delete pods -l app=web\n  bosun delete jobs --all"
)]
pub(crate) struct Args {
    /// KIND NAME..., KIND/NAME..., or KIND,KIND... with -l or --all
    #[arg(
        value_name = "WHAT",
        required_unless_present = "files",
        conflicts_with = "files"
    )]
    words: Vec<String>,
    /// What a manifest names: a file, a folder, or - for standard input
    #[arg(short, long = "filename", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Also the folders inside folders
    #[arg(short = 'R', long)]
    recursive: bool,
    #[command(flatten)]
    selection: Selection,
    /// All objects of the kinds in the namespace
    #[arg(long)]
    all: bool,
    /// What becomes of the objects that these own
    #[arg(long, value_name = "HOW", default_value = "background", num_args = 0..=1, require_equals = true, default_missing_value = "background")]
    cascade: Cascade,
    /// Return only when they are gone
    #[arg(long, default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    wait: bool,
    /// Stop waiting after so long; 0 waits for ever
    #[arg(long, value_name = "SPAN", default_value = "0", value_parser = crate::duration::parse)]
    timeout: Duration,
    /// Seconds a pod may take to end
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(i64).range(0..))]
    grace_period: Option<i64>,
    /// Let pods end within one second
    #[arg(long, conflicts_with = "grace_period")]
    now: bool,
    /// Remove pods at once, without waiting for their node to confirm that they ended
    #[arg(long, conflicts_with = "now")]
    force: bool,
    /// Succeed when there is nothing to delete
    #[arg(long)]
    ignore_not_found: bool,
    /// `name` prints KIND/NAME only
    #[arg(short, long, value_name = "FORM", value_parser = ["name"])]
    output: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Cascade {
    /// They are deleted afterwards
    Background,
    /// They are deleted first
    Foreground,
    /// They stay
    Orphan,
}

/// What was deleted and is awaited.
pub(super) struct Ending {
    pub(super) key: Key,
    pub(super) uid: String,
}

/// Deletes what was asked for.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    if args.force && args.grace_period.is_some_and(|seconds| seconds > 0) {
        return Err(UsageError::new("--force means a grace period of 0; leave out --grace-period").into());
    }
    if args.grace_period == Some(0) && !args.force {
        return Err(UsageError::new("--grace-period=0 needs --force; to stop pods quickly use --now").into());
    }
    let client = session.client()?;
    let keys = keys(session, &client, &args).await?;
    if keys.is_empty() && !args.ignore_not_found {
        session.terminal.note("Nothing to delete.");
    }
    let mut endings = Vec::new();
    let mut failed = false;
    for key in keys {
        match client.delete(&key, args.options()).await {
            Ok(deleted) => {
                session.warn_all(&reference(key.kind, &key.name), &deleted.warnings);
                args.tell(&key)?;
                let uid = deleted.object.map(|object| object.metadata().uid.clone());
                if !deleted.gone {
                    endings.push(Ending {
                        key,
                        uid: uid.unwrap_or_default(),
                    });
                }
            }
            // What was chosen and not named may have gone meanwhile, most likely with its owner.
            Err(error) if error.is_not_found() && (args.ignore_not_found || args.chooses()) => {}
            Err(error) if error.is_not_found() => {
                session.terminal.error(&render_api(&error));
                failed = true;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if args.wait {
        wait(&client, endings, args.timeout).await?;
    }
    if failed { Err(AlreadyTold.into()) } else { Ok(()) }
}

impl Args {
    /// Whether the objects are those that are there, instead of those that the words name.
    fn chooses(&self) -> bool {
        self.all || self.selection.selector.is_some() || self.selection.field_selector.is_some()
    }

    fn options(&self) -> meta_v1::DeleteOptions {
        let policy = match self.cascade {
            Cascade::Background => "Background",
            Cascade::Foreground => "Foreground",
            Cascade::Orphan => "Orphan",
        };
        let grace = if self.force {
            Some(0)
        } else if self.now {
            Some(1)
        } else {
            self.grace_period
        };
        meta_v1::DeleteOptions {
            grace_period_seconds: grace,
            propagation_policy: Some(policy.to_owned()),
            ..Default::default()
        }
    }

    fn tell(&self, key: &Key) -> Result<()> {
        let line = if self.output.is_some() {
            reference(key.kind, &key.name)
        } else {
            let how = if self.force { "force deleted" } else { "deleted" };
            format!("{} \"{}\" {how}", qualified(key.kind), key.name)
        };
        Ok(print_line(&line)?)
    }
}

async fn keys(session: &Session, client: &Client, args: &Args) -> Result<Vec<Key>> {
    if !args.files.is_empty() {
        let namespace = Namespace {
            name: session.namespace(),
            explicit: session.global.namespace.is_some(),
        };
        let manifests = manifest::load(&args.files, args.recursive, namespace)?;
        return Ok(manifests.iter().map(|manifest| manifest.object.key()).collect());
    }
    let mut keys = Vec::new();
    for target in target::parse(&args.words)? {
        match target {
            Target::Named(..) if args.chooses() => {
                return Err(UsageError::new("give either names, or -l or --all").into());
            }
            Target::Named(kind, name) => keys.push(Key::new(kind, session.namespace_of(kind), &name)),
            Target::All(kind) if args.chooses() => {
                let found = client.list(&session.query(kind, &args.selection)).await?;
                keys.extend(found.items.iter().map(bosun_proto::Object::key));
            }
            Target::All(kind) => {
                let plural = kind.info().plural;
                let message =
                    format!("name the {plural} to delete, or choose them by -l LABELS, or say --all");
                return Err(UsageError::new(message).into());
            }
        }
    }
    Ok(keys)
}

/// Waits until each object is gone, or has made room for another of its name.
async fn wait(client: &Client, endings: Vec<Ending>, timeout: Duration) -> Result<()> {
    let all = async {
        for ending in &endings {
            gone(client, ending).await?;
        }
        Ok(())
    };
    if timeout.is_zero() {
        return all.await;
    }
    let waited = tokio::time::timeout(timeout, all).await;
    let Ok(result) = waited else {
        bail!(
            "not all objects were gone after {} s; they go on ending",
            timeout.as_secs()
        );
    };
    result
}

/// Waits until it is gone, or has made room for another of its name.
pub(super) async fn gone(client: &Client, ending: &Ending) -> Result<()> {
    let query = Query::new(ending.key.kind, &ending.key.namespace).named(&ending.key.name);
    let mut follow = client.follow(query);
    let mut caught_up = false;
    loop {
        caught_up |= matches!(follow.next().await?, Step::CaughtUp);
        let present = follow
            .known()
            .values()
            .any(|object| object.metadata().uid == ending.uid);
        if caught_up && !present {
            return Ok(());
        }
    }
}
