//! Owns `bosun describe`: one object in full, with what it owns and what happened to it.

use crate::args::Selection;
use crate::output::age;
use crate::output::format::readable;
use crate::output::rows::{self, Columns};
use crate::output::table::{Table, one_line};
use crate::output::terminal::print_lines;
use crate::output::yaml;
use crate::session::Session;
use crate::target::{self, Target};
use anyhow::Result;
use bosun_client::{ApiError, Client, Query};
use bosun_core::kinds;
use bosun_proto::core_v1::Event;
use bosun_proto::meta_v1::ObjectMeta;
use bosun_proto::{Key, Kind, Object, Time};
use clap::Args as ClapArgs;
use serde_json::Value;
use std::sync::Arc;

/// The most owned objects that are listed.
const OWNED_SHOWN_MAX: usize = 50;
/// The most events that are listed; the latest.
const EVENTS_SHOWN_MAX: usize = 50;

/// The arguments of `describe`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  bosun describe job hello\n  bosun describe pods -l app=web")]
pub(crate) struct Args {
    /// KIND NAME..., KIND/NAME... or KIND
    #[arg(required = true, value_name = "WHAT")]
    words: Vec<String>,
    #[command(flatten)]
    selection: Selection,
    /// Leave out the events
    #[arg(long = "show-events", default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    show_events: bool,
}

/// Describes what was asked for.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    let client = session.client()?;
    let mut objects = Vec::new();
    for target in target::parse(&args.words)? {
        match target {
            Target::Named(kind, name) => {
                objects.push(
                    client
                        .get(&Key::new(kind, session.namespace_of(kind), name))
                        .await?,
                );
            }
            Target::All(kind) => {
                objects.extend(client.list(&session.query(kind, &args.selection)).await?.items);
            }
        }
    }
    if objects.is_empty() {
        session.terminal.note("No objects to describe.");
    }
    for (index, object) in objects.iter().enumerate() {
        if index > 0 {
            print_lines([String::new(), String::new()])?;
        }
        let owned = owned(&client, object).await?;
        let events = if args.show_events {
            Some(events(&client, object).await?)
        } else {
            None
        };
        print_lines(describe(object, &owned, events.as_deref(), session.now()))?;
    }
    Ok(())
}

/// What belongs to an object: the pods of a Job, a ReplicaSet or a node, the Jobs of a CronJob.
async fn owned(client: &Client, object: &Object) -> Result<Vec<Object>, ApiError> {
    let metadata = object.metadata();
    let query = match object.kind() {
        Kind::Job | Kind::ReplicaSet => Query::new(Kind::Pod, &metadata.namespace),
        Kind::CronJob => Query::new(Kind::Job, &metadata.namespace),
        Kind::Node => {
            let selector = format!("spec.nodeName={}", metadata.name);
            return Ok(client
                .list(&Query::new(Kind::Pod, "").fields(&selector))
                .await?
                .items);
        }
        Kind::Pod | Kind::Namespace | Kind::Event => return Ok(Vec::new()),
    };
    let mut items = client.list(&query).await?.items;
    items.retain(|item| kinds::controller_of(item.metadata()).is_some_and(|owner| owner.uid == metadata.uid));
    Ok(items)
}

/// What happened to an object, the latest last.
async fn events(client: &Client, object: &Object) -> Result<Vec<Arc<Event>>, ApiError> {
    let metadata = object.metadata();
    let selector = format!("involvedObject.uid={}", metadata.uid);
    let mut events = client
        .list_as::<Event>(Query::new(Kind::Event, &metadata.namespace).fields(&selector))
        .await?;
    events.sort_by_key(|event| rows::last_seen(event));
    let surplus = events.len().saturating_sub(EVENTS_SHOWN_MAX);
    Ok(events.split_off(surplus))
}

fn describe(object: &Object, owned: &[Object], events: Option<&[Arc<Event>]>, now: Time) -> Vec<String> {
    let mut lines = heading(object, now);
    let mut value = readable(object);
    let conditions = value.pointer_mut("/status/conditions").map(Value::take);
    lines.extend(conditions_table(conditions.as_ref(), now));
    for part in ["spec", "status"] {
        let Some(part_value) = value
            .get(part)
            .filter(|value| value.as_object().is_some_and(|fields| !fields.is_empty()))
        else {
            continue;
        };
        let text = yaml::write(&without_null(part_value));
        lines.push(format!("{}:", capitalised(part)));
        lines.extend(text.lines().map(|line| format!("  {line}")));
    }
    lines.extend(owned_table(owned, now));
    if let Some(events) = events {
        lines.extend(events_table(events, now));
    }
    lines
}

fn without_null(value: &Value) -> Value {
    let Value::Object(fields) = value else {
        return value.clone();
    };
    let filled = fields.iter().filter(|(_, value)| !value.is_null());
    Value::Object(
        filled
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    )
}

/// Name, labels and the like, and the printed columns as a summary.
fn heading(object: &Object, now: Time) -> Vec<String> {
    let metadata = object.metadata();
    let mut pairs: Vec<(String, String)> = vec![
        ("Kind".into(), object.kind().to_string()),
        ("Name".into(), metadata.name.clone()),
    ];
    if object.kind().info().namespaced {
        pairs.push(("Namespace".into(), metadata.namespace.clone()));
    }
    pairs.extend(map_lines("Labels", metadata.labels.iter()));
    // The manifest of the last apply only repeats the object.
    let annotations = metadata
        .annotations
        .iter()
        .filter(|(name, _)| !name.ends_with("/last-applied-configuration"));
    pairs.extend(map_lines("Annotations", annotations));
    pairs.extend(identity(metadata, now));
    let columns = kinds::columns(object.kind())
        .iter()
        .zip(kinds::cells(object, now));
    pairs.extend(
        columns
            .filter(|(column, _)| column.name != "Age")
            .map(|(column, cell)| (column.name.to_owned(), cell)),
    );
    let width = pairs
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or_default()
        + 3;
    let line = |(name, value): (String, String)| {
        let name = if name.is_empty() { name } else { format!("{name}:") };
        format!("{name:<width$}{}", one_line(&value))
            .trim_end()
            .to_owned()
    };
    pairs.into_iter().map(line).collect()
}

fn map_lines<'a>(
    name: &str,
    entries: impl Iterator<Item = (&'a String, &'a String)>,
) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> = entries
        .map(|(key, value)| (String::new(), format!("{key}={value}")))
        .collect();
    match lines.first_mut() {
        Some(first) => name.clone_into(&mut first.0),
        None => lines.push((name.to_owned(), "<none>".to_owned())),
    }
    lines
}

fn identity(metadata: &ObjectMeta, now: Time) -> Vec<(String, String)> {
    let at = |time: Time| format!("{} ({} ago)", shown(time), age::short(seconds_between(time, now)));
    let mut pairs = vec![("UID".to_owned(), metadata.uid.clone())];
    pairs.extend(
        metadata
            .creation_timestamp
            .map(|time| ("Created".to_owned(), at(time))),
    );
    pairs.extend(
        metadata
            .deletion_timestamp
            .map(|time| ("Ends by".to_owned(), shown(time))),
    );
    let owners = metadata
        .owner_references
        .iter()
        .map(|owner| format!("{}/{}", owner.kind, owner.name));
    pairs.extend(owners.map(|owner| ("Owned by".to_owned(), owner)));
    pairs
}

fn conditions_table(conditions: Option<&Value>, now: Time) -> Vec<String> {
    let Some(conditions) = conditions
        .and_then(Value::as_array)
        .filter(|list| !list.is_empty())
    else {
        return Vec::new();
    };
    let mut table = Table::new(["  Type", "Status", "Since", "Reason", "Message"]);
    for condition in conditions {
        let field = |name: &str| {
            condition
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let since = field("lastTransitionTime").parse::<Time>().ok();
        let since = since.map_or_else(String::new, |time| age::short(seconds_between(time, now)));
        table.push(vec![
            format!("  {}", field("type")),
            field("status"),
            since,
            field("reason"),
            field("message"),
        ]);
    }
    headed("Conditions", &table)
}

fn owned_table(owned: &[Object], now: Time) -> Vec<String> {
    let Some(kind) = owned.first().map(Object::kind) else {
        return Vec::new();
    };
    let columns = Columns::default();
    let mut table = columns.table(kind);
    for object in owned.iter().take(OWNED_SHOWN_MAX) {
        table.push(columns.row(object, now));
    }
    let mut lines = vec![format!("{}:", capitalised(kind.info().plural))];
    lines.extend(table.lines(true).into_iter().map(|line| format!("  {line}")));
    let more = owned.len().saturating_sub(OWNED_SHOWN_MAX);
    lines.extend((more > 0).then(|| format!("  ... and {more} more")));
    lines
}

fn events_table(events: &[Arc<Event>], now: Time) -> Vec<String> {
    if events.is_empty() {
        return vec!["Events:  <none>".to_owned()];
    }
    let mut table = Table::new(["  Type", "Reason", "Age", "From", "Message"]);
    for event in events {
        let seen =
            rows::last_seen(event).map_or_else(String::new, |time| age::short(seconds_between(time, now)));
        let count = event.series.as_ref().map_or(event.count, |series| series.count);
        let seen = if count > 1 {
            format!("{seen} (x{count})")
        } else {
            seen
        };
        let source = event
            .source
            .as_ref()
            .map(|source| source.component.clone())
            .unwrap_or_default();
        let source = if source.is_empty() {
            event.reporting_component.clone()
        } else {
            source
        };
        table.push(vec![
            format!("  {}", event.r#type),
            event.reason.clone(),
            seen,
            source,
            event.message.clone(),
        ]);
    }
    headed("Events", &table)
}

fn headed(title: &str, table: &Table) -> Vec<String> {
    std::iter::once(format!("{title}:"))
        .chain(table.lines(true))
        .collect()
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn shown(time: Time) -> String {
    serde_json::to_value(time)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn seconds_between(earlier: Time, later: Time) -> i64 {
    later.millis_since(earlier).div_euclid(1_000)
}

#[cfg(test)]
mod tests {
    use super::describe;
    use bosun_proto::{Object, Time};
    use serde_json::json;

    #[test]
    fn a_pod_in_full() {
        let (pod, _) = Object::from_json(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "a", "namespace": "default", "uid": "u", "creationTimestamp": "1970-01-01T00:00:10Z", "labels": {"x": "y", "z": "1"}},
            "spec": {"containers": [{"name": "main", "command": ["true"]}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "1970-01-01T00:01:00Z"}]},
        }))
        .unwrap();
        let text = describe(&pod, &[], Some(&[]), Time::from_seconds(100)).join("\n");
        for expected in [
            "Kind:",
            "x=y",
            "(90s ago)",
            "Conditions:",
            "  Ready   True     40s",
            "Spec:",
            "    name: main",
            "Events:  <none>",
        ] {
            assert!(text.contains(expected), "{expected} in\n{text}");
        }
        assert!(!text.contains("conditions:"), "{text}");
    }
}
