//! Owns `bosun wait`: until a condition holds, a field has a value, or objects are gone.

use crate::args::Selection;
use crate::failure::{AlreadyTold, UsageError};
use crate::json_path::{Path, text};
use crate::output::terminal::print_line;
use crate::session::Session;
use crate::target::{self, Target, reference};
use anyhow::{Result, anyhow, bail};
use bosun_client::{ChangeKind, Client, Query, Step};
use bosun_proto::{Key, Object};
use clap::Args as ClapArgs;
use serde_json::Value;
use std::time::Duration;

/// The arguments of `wait`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  bosun wait --for=condition=Complete job/hello --timeout=60s\n  bosun wait --for=delete pod/x\n  bosun wait --for=jsonpath='{.status.phase}'=Running pods -l app=web"
)]
pub(crate) struct Args {
    /// KIND/NAME..., KIND NAME..., or KIND with -l or --all
    #[arg(required = true, value_name = "WHAT")]
    words: Vec<String>,
    /// condition=TYPE[=STATUS], delete, create or jsonpath=PATH[=VALUE]
    #[arg(long = "for", value_name = "STATE", required = true, value_parser = parse_goal)]
    goal: Goal,
    /// Give up after so long; 0 looks once
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = crate::duration::parse)]
    timeout: Duration,
    #[command(flatten)]
    selection: Selection,
    /// All objects of the kind in the namespace
    #[arg(long)]
    all: bool,
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Goal {
    Condition { name: String, status: String },
    Field { path: Path, value: Option<String> },
    Exists,
    Gone,
}

fn parse_goal(text: &str) -> Result<Goal, String> {
    match text.split_once('=') {
        None if text == "delete" => Ok(Goal::Gone),
        None if text == "create" => Ok(Goal::Exists),
        Some(("condition", rest)) => {
            let (name, status) = rest.split_once('=').unwrap_or((rest, "True"));
            Ok(Goal::Condition {
                name: name.to_owned(),
                status: status.to_owned(),
            })
        }
        Some(("jsonpath", rest)) => {
            // The path may hold = in a filter; the value comes after the closing brace.
            let (path, value) = match rest.rfind('}') {
                Some(end) => (&rest[..=end], rest[end + 1..].strip_prefix('=')),
                None => rest
                    .split_once('=')
                    .map_or((rest, None), |(path, value)| (path, Some(value))),
            };
            Ok(Goal::Field {
                path: Path::parse(path)?,
                value: value.map(str::to_owned),
            })
        }
        _ => Err("write condition=TYPE[=STATUS], delete, create or jsonpath=PATH[=VALUE]".to_owned()),
    }
}

/// What an object's present state means for the goal.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Met,
    NotYet,
    /// It can never be met any more, and why.
    Never(String),
}

/// Waits for each object in turn; all must get there within the time.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    let client = session.client()?;
    let keys = keys(session, &client, &args).await?;
    if keys.is_empty() {
        if args.goal == Goal::Gone {
            return Ok(());
        }
        bail!("nothing fits what is to be waited for; --for=create waits for a named object to appear");
    }
    let limit = tokio::time::Instant::now() + args.timeout;
    let mut failed = false;
    for key in keys {
        let name = reference(key.kind, &key.name);
        let one = one(&client, &key, &args.goal, args.timeout.is_zero());
        if let Ok(result) = tokio::time::timeout_at(limit.max(soon()), one).await {
            print_line(&format!("{name} {}", result?))?;
        } else {
            let seconds = args.timeout.as_secs_f64();
            let goal = describe(&args.goal);
            session
                .terminal
                .error(&format!("{name}: still waiting after {seconds} s for {goal}"));
            failed = true;
        }
    }
    if failed { Err(AlreadyTold.into()) } else { Ok(()) }
}

/// A look at the present state must be possible however little time is left.
fn soon() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(2)
}

async fn keys(session: &Session, client: &Client, args: &Args) -> Result<Vec<Key>> {
    let narrowed = args.selection.selector.is_some() || args.selection.field_selector.is_some();
    let mut keys = Vec::new();
    for target in target::parse(&args.words)? {
        match target {
            Target::Named(kind, name) => keys.push(Key::new(kind, session.namespace_of(kind), name)),
            Target::All(kind) if narrowed || args.all => {
                let found = client.list(&session.query(kind, &args.selection)).await?;
                keys.extend(found.items.iter().map(Object::key));
            }
            Target::All(kind) => {
                let plural = kind.info().plural;
                let message =
                    format!("name the {plural} to wait for, or choose them by -l LABELS, or say --all");
                return Err(UsageError::new(message).into());
            }
        }
    }
    Ok(keys)
}

/// Waits for one object; gives the word to say when the goal is met.
async fn one(client: &Client, key: &Key, goal: &Goal, once: bool) -> Result<&'static str> {
    let mut follow = client.follow(Query::new(key.kind, &key.namespace).named(&key.name));
    let mut caught_up = false;
    loop {
        let step = follow.next().await?;
        caught_up |= matches!(step, Step::CaughtUp);
        let deleted = matches!(&step, Step::Change(change) if change.kind == ChangeKind::Deleted);
        let present = follow.known().get(key);
        match (goal, present) {
            _ if !caught_up => continue,
            (Goal::Gone, None) => return Ok("deleted"),
            (Goal::Exists, Some(_)) => return Ok("created"),
            (Goal::Gone, Some(_)) | (Goal::Exists, None) => {}
            (Goal::Condition { .. } | Goal::Field { .. }, None) => {
                let how = if deleted { "was deleted" } else { "does not exist" };
                bail!("{} {how}", reference(key.kind, &key.name));
            }
            (Goal::Condition { .. } | Goal::Field { .. }, Some(object)) => match verdict(goal, object) {
                Verdict::Met => return Ok("condition met"),
                Verdict::Never(why) => bail!("{}: {why}", reference(key.kind, &key.name)),
                Verdict::NotYet => {}
            },
        }
        if once {
            return Err(anyhow!(
                "{}: not yet {}",
                reference(key.kind, &key.name),
                describe(goal)
            ));
        }
    }
}

fn verdict(goal: &Goal, object: &Object) -> Verdict {
    let value = object.to_json();
    match goal {
        Goal::Gone => Verdict::NotYet,
        Goal::Exists => Verdict::Met,
        Goal::Field { path, value: wanted } => {
            let found = path.find(&value);
            let met = match wanted {
                Some(wanted) => found.iter().any(|value| text(value) == *wanted),
                None => found.iter().any(|value| !value.is_null()),
            };
            if met { Verdict::Met } else { Verdict::NotYet }
        }
        Goal::Condition { name, status } => condition(&value, name, status),
    }
}

fn condition(object: &Value, name: &str, status: &str) -> Verdict {
    let generation = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
    let observed = generation("/status/observedGeneration");
    if observed.is_some() && observed < generation("/metadata/generation") {
        // What the conditions say is about an older spec.
        return Verdict::NotYet;
    }
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let conditions = conditions.map_or(&[][..], Vec::as_slice);
    let field = |condition: &Value, name: &str| condition.get(name).map(text).unwrap_or_default();
    let find = |wanted: &str| {
        conditions
            .iter()
            .find(|condition| field(condition, "type").eq_ignore_ascii_case(wanted))
    };
    match find(name) {
        Some(condition) if field(condition, "status").eq_ignore_ascii_case(status) => Verdict::Met,
        _ if status.eq_ignore_ascii_case("True") => {
            // A Job ends one way or the other, and for ever.
            let opposite = match name.to_ascii_lowercase().as_str() {
                "complete" | "successcriteriamet" => "Failed",
                "failed" | "failuretarget" => "Complete",
                _ => return Verdict::NotYet,
            };
            match find(opposite).filter(|condition| field(condition, "status") == "True") {
                Some(condition) => Verdict::Never(format!(
                    "it will never be {name}: it is {opposite} ({}: {})",
                    field(condition, "reason"),
                    field(condition, "message")
                )),
                None => Verdict::NotYet,
            }
        }
        _ => Verdict::NotYet,
    }
}

fn describe(goal: &Goal) -> String {
    match goal {
        Goal::Condition { name, status } => format!("condition {name} to be {status}"),
        Goal::Field {
            value: Some(value), ..
        } => format!("the field to be {value}"),
        Goal::Field { value: None, .. } => "the field to be there".to_owned(),
        Goal::Exists => "it to be created".to_owned(),
        Goal::Gone => "it to be gone".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn goals() {
        let named = |name: &str, status: &str| Goal::Condition {
            name: name.into(),
            status: status.into(),
        };
        assert_eq!(
            parse_goal("condition=Complete").unwrap(),
            named("Complete", "True")
        );
        assert_eq!(
            parse_goal("condition=Ready=False").unwrap(),
            named("Ready", "False")
        );
        assert_eq!(parse_goal("delete").unwrap(), Goal::Gone);
        let field = |path: &str, value: Option<&str>| Goal::Field {
            path: Path::parse(path).unwrap(),
            value: value.map(str::to_owned),
        };
        assert_eq!(
            parse_goal("jsonpath={.status.phase}=Running").unwrap(),
            field(".status.phase", Some("Running"))
        );
        assert_eq!(
            parse_goal("jsonpath=.status.phase=Running").unwrap(),
            field(".status.phase", Some("Running"))
        );
        assert_eq!(
            parse_goal("jsonpath={.status.phase}").unwrap(),
            field(".status.phase", None)
        );
        let filter = r#"{.status.conditions[?(@.type=="Ready")].status}"#;
        assert_eq!(
            parse_goal(&format!("jsonpath={filter}=True")).unwrap(),
            field(filter, Some("True"))
        );
        for wrong in ["", "complete", "conditions=X", "jsonpath={.a[}"] {
            assert!(parse_goal(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn verdicts() {
        let object = |name: &str, status: &str| json!({"status": {"conditions": [{"type": name, "status": status, "reason": "R", "message": "m"}]}});
        assert_eq!(
            condition(&object("Complete", "True"), "complete", "true"),
            Verdict::Met
        );
        assert_eq!(
            condition(&object("Ready", "False"), "Ready", "True"),
            Verdict::NotYet
        );
        assert_eq!(
            condition(&object("Ready", "False"), "Ready", "False"),
            Verdict::Met
        );
        assert_eq!(condition(&json!({}), "Ready", "True"), Verdict::NotYet);
        let Verdict::Never(why) = condition(&object("Failed", "True"), "Complete", "True") else {
            panic!()
        };
        assert_eq!(why, "it will never be Complete: it is Failed (R: m)");
        let stale = json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}});
        assert_eq!(condition(&stale, "Ready", "True"), Verdict::NotYet);
    }
}
