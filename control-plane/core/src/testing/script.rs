//! Golden scripts: what an operator does and sees, line by line.
//!
//! ```text
//! # A line that begins with # says why.
//! node n1 cpu=4 memory=8Gi pods=110    a ready node
//! apply                                 what follows, indented, is YAML
//!   kind: Job
//! apply examples/job.yaml               a file, from the root of the repository
//! advance 30s                           also 5m, 2h, 1d
//! run of job x                          agents: every pod of job x starts
//! finish 2 of job x exit 1              the two oldest end with code 1 (without `exit`: 0)
//! restart index 3 of job x              containers end and start again in place
//! stop of job x                         the processes of pods that are being deleted are gone
//! stop-ending                           the same for all pods there are
//! set job x suspend=true                changes a field of the spec
//! delete job x Foreground               Background, Foreground or Orphan; the kind chooses when left out
//! delete-pods job x                     deletes each of its pods
//! find-node n1 Silent                   the leader hears nothing of a node: Heard, Silent or Lost
//! new-leader                            a new leader starts from what is stored
//! expect job x succeeded=1 active=0     fields of status, spec, metadata, or from the root; `-` is absent
//! expect job x condition=Complete       or Complete/CompletionsReached; != for not
//! expect 2 pods of job x phase=Running  counts what fits
//! expect 0 job x                        it is gone
//! expect event job x SuccessfulCreate   it was said (since the script began)
//! show jobs                             lines with | follow: what there is, compared and, on demand, rewritten
//! ```
//!
//! After every line that does something, the controllers and the scheduler run until nothing is left to do.

mod expect;
mod show;

use bosun_proto::apps_v1::ReplicaSet;
use bosun_proto::batch_v1::{CronJob, Job};
use bosun_proto::{Kind, Object, Resource};
use serde_json::Value;

use super::fixture::Fixture;
use super::select;
use crate::kinds::pod;

/// Runs a script. Returns it with its `|` lines as they should be.
///
/// `read_file` reads a file that `apply` names.
///
/// # Errors
/// The first line that cannot be carried out or whose expectation does not hold, and why.
pub fn run(text: &str, read_file: &dyn Fn(&str) -> Result<String, String>) -> Result<String, String> {
    let mut fixture = Fixture::default();
    fixture.settle();
    let lines: Vec<&str> = text.lines().collect();
    let mut result = String::new();
    let mut place = 0;
    while place < lines.len() {
        let number = place + 1;
        let line = lines[place];
        place += 1;
        if line.starts_with('|') {
            continue;
        }
        result.push_str(line);
        result.push('\n');
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() || line.starts_with('#') {
            continue;
        }
        let block_start = place;
        while lines.get(place).is_some_and(|line| line.starts_with(' ')) {
            result.push_str(lines[place]);
            result.push('\n');
            place += 1;
        }
        let block = dedented(&lines[block_start..place]);
        let shown = carry_out(&mut fixture, &words, &block, read_file);
        for line in shown.map_err(|why| format!("line {number}: {line}\n  {why}"))? {
            result.push_str(format!("| {line}").trim_end());
            result.push('\n');
        }
    }
    Ok(result)
}

fn carry_out(
    fixture: &mut Fixture,
    words: &[&str],
    block: &str,
    read_file: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Vec<String>, String> {
    match words {
        ["node", name, offers @ ..] => {
            let offers: Option<Vec<_>> = offers.iter().map(|offer| offer.split_once('=')).collect();
            fixture.add_node(name, &offers.ok_or("a node offers are written like cpu=4")?);
        }
        ["apply"] => drop(fixture.try_apply(block)?),
        ["apply", file] => drop(fixture.try_apply(&read_file(file)?)?),
        ["refuse"] => match fixture.try_apply(block) {
            Ok(_) => return Err("it was accepted".into()),
            Err(message) => return Ok(vec![message]),
        },
        ["advance", span] => fixture.advance(seconds(span)?),
        ["find-node", name, standing] => fixture.find_node(name, select::standing(standing)?),
        ["new-leader"] => fixture.change_leader(),
        ["delete", kind, name, propagation @ ..] => {
            let key = select::key(select::kind(kind)?, name);
            fixture.delete(&key, propagation.first().copied());
        }
        ["delete-pods", kind, name] => {
            for pod in fixture.pods_of(select::kind(kind)?, name) {
                fixture.delete(&pod.key(), None);
            }
        }
        ["stop-ending"] => fixture.stop_ending(),
        ["set", kind, name, change @ ..] => set(fixture, kind, name, &change.join(" "))?,
        ["expect", rest @ ..] => return expect::check(fixture, rest).map(|()| Vec::new()),
        ["show", what @ ..] => return show::lines(fixture, what),
        [verb, rest @ ..] => agent_verb(fixture, verb, rest)?,
        [] => {}
    }
    fixture.settle();
    Ok(Vec::new())
}

fn agent_verb(fixture: &mut Fixture, verb: &str, words: &[&str]) -> Result<(), String> {
    let (who, exit_code) = match words {
        [who @ .., "exit", code] => (
            who,
            code.parse().map_err(|_| format!("{code} is not an exit code"))?,
        ),
        who => (who, 0),
    };
    let running = |pod: &bosun_proto::core_v1::Pod| !pod::is_finished(pod);
    match verb {
        "run" => {
            let waits = |pod: &_| running(pod) && pod::status(pod).phase != pod::phase::RUNNING;
            select::pods(fixture, who, waits)?
                .iter()
                .for_each(|name| fixture.run(name));
        }
        "finish" => select::pods(fixture, who, running)?
            .iter()
            .for_each(|name| fixture.finish(name, exit_code)),
        "restart" => select::pods(fixture, who, running)?
            .iter()
            .for_each(|name| fixture.restart(name)),
        "stop" => select::pods(fixture, who, pod::is_ending)?
            .iter()
            .for_each(|name| fixture.stop(name)),
        _ => {
            return Err(format!(
                "unknown verb {verb}; see testing/script.rs for the verbs"
            ));
        }
    }
    Ok(())
}

/// The lines without the indentation of the first one, so that `---` begins its line.
fn dedented(lines: &[&str]) -> String {
    let indentation = lines
        .first()
        .map_or(0, |line| line.len() - line.trim_start().len());
    let cut = |line: &&str| line.get(indentation..).unwrap_or("").to_owned();
    lines.iter().map(cut).collect::<Vec<_>>().join("\n")
}

/// `suspend=true`: changes one field of the spec; the value is JSON, or text.
fn set(fixture: &mut Fixture, kind_word: &str, name: &str, assignment: &str) -> Result<(), String> {
    let (field, value) = assignment
        .split_once('=')
        .ok_or("a change is written like suspend=true")?;
    let value: Value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    let kind = select::kind(kind_word)?;
    let stored = fixture
        .snapshot()
        .get(&select::key(kind, name))
        .cloned()
        .ok_or("there is no such object")?;
    let mut document = stored.to_json();
    document["spec"][field] = value;
    let (object, _) = Object::from_json(document).map_err(|error| error.to_string())?;
    match (kind, object) {
        (Kind::Job, Object::Job(job)) => fixture.update::<Job>(name, |stored| *stored = job.as_ref().clone()),
        (Kind::CronJob, Object::CronJob(new)) => {
            fixture.update::<CronJob>(name, |stored| *stored = new.as_ref().clone());
        }
        (Kind::ReplicaSet, Object::ReplicaSet(new)) => {
            fixture.update::<ReplicaSet>(name, |stored| *stored = new.as_ref().clone());
        }
        _ => return Err("only jobs, cronjobs and replicasets can be set".into()),
    }
    Ok(())
}

/// `30s`, `5m`, `2h`, `1d`.
fn seconds(span: &str) -> Result<i64, String> {
    let wrong = || format!("{span} is not a span of time such as 30s, 5m, 2h or 1d");
    let unit = span.chars().last().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: i64 = span[..span.len() - 1].parse().map_err(|_| wrong())?;
    Ok(number * factor)
}
