//! Owns `bosun get`: objects as rows, whole, or by name; once, or again with each change.

use crate::args::Selection;
use crate::failure::{AlreadyTold, UsageError, render_api};
use crate::json_path::{Path, text};
use crate::output::format::{self, Format};
use crate::output::rows::{Columns, last_seen};
use crate::output::terminal::{print_line, print_lines};
use crate::session::Session;
use crate::signals::Stop;
use crate::target::{self, Target};
use anyhow::Result;
use bosun_client::{ApiError, Client, Query, Step};
use bosun_proto::core_v1::Event;
use bosun_proto::{Key, Kind, Object, Resource as _};
use clap::Args as ClapArgs;
use serde_json::Value;
use std::cmp::Ordering;

/// The arguments of `get`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  bosun get pods\n  bosun get jobs,pods -A\n  bosun get job/hello -o yaml\n  bosun get all -w"
)]
pub(crate) struct Args {
    /// KIND,KIND..., KIND NAME..., KIND/NAME... or all
    #[arg(required = true, value_name = "WHAT")]
    words: Vec<String>,
    /// wide, yaml, json, name or jsonpath=TEMPLATE
    #[arg(short, long, value_name = "FORM", value_parser = format::parse)]
    output: Option<Format>,
    /// Stay and show each change
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    selection: Selection,
    /// Show labels in a last column
    #[arg(long)]
    show_labels: bool,
    /// Leave out the headings
    #[arg(long)]
    no_headers: bool,
    /// Order by a field, for example .metadata.creationTimestamp
    #[arg(long, value_name = "PATH", value_parser = Path::parse)]
    sort_by: Option<Path>,
    /// Say nothing and succeed when a named object does not exist
    #[arg(long)]
    ignore_not_found: bool,
}

/// Shows what was asked for.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    let targets = target::parse(&args.words)?;
    let client = session.client()?;
    if args.watch {
        return watch(session, &client, &args, &targets).await;
    }
    let mut objects = Vec::new();
    let mut missing = 0;
    for target in &targets {
        match fetch(session, &client, &args.selection, target).await {
            Ok(found) => objects.extend(found),
            Err(error) if error.is_not_found() => {
                missing += 1;
                if !args.ignore_not_found {
                    session.terminal.error(&render_api(&error));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    // By name, events would come in an order that says nothing.
    objects.sort_by_key(|object| Event::from_object(object).and_then(|event| last_seen(event)));
    if let Some(path) = &args.sort_by {
        objects.sort_by(|one, other| compare(path, one, other));
    }
    show(session, &args, &targets, &objects)?;
    if missing > 0 && !args.ignore_not_found {
        Err(AlreadyTold.into())
    } else {
        Ok(())
    }
}

async fn fetch(
    session: &Session,
    client: &Client,
    selection: &Selection,
    target: &Target,
) -> Result<Vec<Object>, ApiError> {
    match target {
        Target::All(kind) => Ok(client.list(&session.query(*kind, selection)).await?.items),
        Target::Named(kind, name) => Ok(vec![
            client
                .get(&Key::new(*kind, session.namespace_of(*kind), name))
                .await?,
        ]),
    }
}

fn show(session: &Session, args: &Args, targets: &[Target], objects: &[Object]) -> Result<()> {
    let format = args.output.clone().unwrap_or_default();
    if !format.is_table() {
        let single = matches!(targets, [Target::Named(..)]);
        return format.print(objects, single);
    }
    if objects.is_empty() {
        if args.ignore_not_found || targets.iter().any(|target| matches!(target, Target::Named(..))) {
            return Ok(());
        }
        session.terminal.note(&nothing_found(session, args, targets));
        return Ok(());
    }
    let mut kinds: Vec<Kind> = targets.iter().map(Target::kind).collect();
    kinds.dedup();
    let columns = columns(args, &format, kinds.len() > 1);
    let mut first = true;
    for kind in kinds {
        let mut table = columns.table(kind);
        for object in objects.iter().filter(|object| object.kind() == kind) {
            table.push(columns.row(object, session.now()));
        }
        if table.is_empty() {
            continue;
        }
        if !std::mem::take(&mut first) {
            print_line("")?;
        }
        print_lines(table.lines(!args.no_headers))?;
    }
    Ok(())
}

fn columns(args: &Args, format: &Format, several_kinds: bool) -> Columns {
    Columns {
        wide: matches!(format, Format::Wide),
        namespaces: args.selection.all_namespaces,
        labels: args.show_labels,
        kinds: several_kinds,
    }
}

fn nothing_found(session: &Session, args: &Args, targets: &[Target]) -> String {
    let namespaced = targets.iter().any(|target| target.kind().info().namespaced);
    let narrowed = args.selection.selector.is_some() || args.selection.field_selector.is_some();
    let fitting = if narrowed { " that fit the selector" } else { "" };
    if namespaced && !args.selection.all_namespaces {
        format!("No objects{fitting} in namespace {}.", session.namespace())
    } else {
        format!("No objects{fitting}.")
    }
}

/// Numbers by value, everything else as text; objects without the field come first.
fn compare(path: &Path, one: &Object, other: &Object) -> Ordering {
    let value = |object: &Object| path.find(&object.to_json()).first().map(|value| (*value).clone());
    match (value(one), value(other)) {
        (Some(Value::Number(one)), Some(Value::Number(other))) => one
            .as_f64()
            .partial_cmp(&other.as_f64())
            .unwrap_or(Ordering::Equal),
        (one, other) => one.as_ref().map(text).cmp(&other.as_ref().map(text)),
    }
}

async fn watch(session: &Session, client: &Client, args: &Args, targets: &[Target]) -> Result<()> {
    let query = match targets {
        [Target::All(kind)] => session.query(*kind, &args.selection),
        [Target::Named(kind, name)] => Query::new(*kind, session.namespace_of(*kind)).named(name),
        _ => {
            return Err(
                UsageError::new("--watch follows one kind or one object; leave out the others").into(),
            );
        }
    };
    let kind = query.kind;
    let format = args.output.clone().unwrap_or_default();
    let columns = columns(args, &format, false);
    let mut follow = client.follow(query);
    let mut widths = Vec::new();
    let mut headings = !args.no_headers;
    let mut present = columns.table(kind);
    let mut caught_up = false;
    let mut documents = false;
    let stop = Stop::listen();
    loop {
        let change = tokio::select! {
            step = follow.next() => step?,
            () = stop.wished() => return Ok(()),
        };
        match change {
            Step::CaughtUp => caught_up = true,
            Step::Change(change) if !format.is_table() => {
                if std::mem::replace(&mut documents, true) && matches!(format, Format::Yaml) {
                    print_line("---")?;
                }
                format.print(&[change.object], true)?;
            }
            Step::Change(change) => present.push(columns.row(&change.object, session.now())),
        }
        // Until the present state is complete its rows are laid out together.
        if caught_up && !present.is_empty() {
            print_lines(present.lines_with(&mut widths, std::mem::take(&mut headings)))?;
            present = columns.table(kind);
        }
    }
}
