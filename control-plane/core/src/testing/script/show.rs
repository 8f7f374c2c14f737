//! The `show` lines of scripts: what there is, in lines that change only when the behaviour does (no random names, no uids).

use bosun_proto::batch_v1::{CronJob, Job};
use bosun_proto::core_v1::Pod;
use bosun_proto::{Object, Resource};

use super::super::fixture::Fixture;
use super::super::select;
use crate::kinds::{job, pod};

/// One line for each object of a kind, or for each note so far (`show events`).
pub(super) fn lines(fixture: &Fixture, what: &[&str]) -> Result<Vec<String>, String> {
    match what {
        ["events"] => Ok(events(fixture)),
        [kind] => {
            let snapshot = fixture.snapshot();
            let mut lines: Vec<String> = snapshot.list(select::kind(kind)?, None).map(line).collect();
            lines.sort();
            Ok(lines)
        }
        _ => Err("expected `show KIND` or `show events`".into()),
    }
}

/// What was said, in order; the same several times in a row once, with a count.
fn events(fixture: &Fixture) -> Vec<String> {
    let mut lines: Vec<(String, usize)> = Vec::new();
    for (time, note) in fixture.notes() {
        let kind = note.about.kind.info().kind;
        let warning = if note.warning { " (warning)" } else { "" };
        let line = format!(
            "{time} {kind} {} {}{warning}",
            without_suffix(&note.about.name, note.about.kind),
            note.reason
        );
        match lines.last_mut() {
            Some((last, count)) if *last == line => *count += 1,
            _ => lines.push((line, 1)),
        }
    }
    let shown = |(line, count): (String, usize)| {
        if count == 1 {
            line
        } else {
            format!("{line} x{count}")
        }
    };
    lines.into_iter().map(shown).collect()
}

fn line(object: &Object) -> String {
    match object {
        Object::Job(job) => job_line(job),
        Object::CronJob(cron_job) => cron_job_line(cron_job),
        Object::Pod(pod) => pod_line(pod),
        other => other.metadata().name.clone(),
    }
}

fn job_line(job: &Job) -> String {
    let status = job::status(job);
    let (ready, terminating) = (status.ready.unwrap_or(-1), status.terminating.unwrap_or(-1));
    let mut line = format!(
        "{} active={} ready={ready} terminating={terminating} succeeded={} failed={}",
        job.metadata().name,
        status.active,
        status.succeeded,
        status.failed
    );
    for condition in status
        .conditions
        .iter()
        .filter(|condition| condition.status == "True")
    {
        line.push(' ');
        line += &condition.r#type;
        line.push('/');
        line += &condition.reason;
    }
    line
}

fn cron_job_line(cron_job: &CronJob) -> String {
    let status = cron_job.status.clone().unwrap_or_default();
    let shown =
        |time: Option<bosun_proto::Time>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    format!(
        "{} active={} last={} successful={}",
        cron_job.metadata().name,
        status.active.len(),
        shown(status.last_schedule_time),
        shown(status.last_successful_time)
    )
}

fn pod_line(pod: &Pod) -> String {
    let node = match pod::spec(pod).node_name.as_str() {
        "" => "no node".to_owned(),
        node => format!("on {node}"),
    };
    let ending = if pod::is_ending(pod) { " ending" } else { "" };
    let name = without_suffix(&pod.metadata().name, bosun_proto::Kind::Pod);
    format!("{name} {} {node}{ending}", pod::status(pod).phase)
}

/// Names of pods end in random letters.
fn without_suffix(name: &str, kind: bosun_proto::Kind) -> String {
    match name.rsplit_once('-') {
        Some((base, suffix)) if kind == bosun_proto::Kind::Pod && suffix.len() == 5 => format!("{base}-*"),
        _ => name.to_owned(),
    }
}
