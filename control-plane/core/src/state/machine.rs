//! Apply: commands in, outcomes out.

use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::{Pod, PodCondition};
use bosun_proto::log::{Count, Progress};
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Object, log};

use super::codec::{ENTRY_FORMAT, UnreadableEntry};
use super::precondition;
use super::requests::{Done, NO_REQUEST};
use super::snapshot::Snapshot;
use super::write::{Command, Outcome, Reason, Rejection, Write};
use crate::kinds::{job, pod};

/// The state and the one way to change it.
#[derive(Debug, Default)]
pub struct Machine {
    state: Snapshot,
}

impl Machine {
    /// A machine that goes on from a restored state.
    pub fn new(state: Snapshot) -> Self {
        Self { state }
    }

    /// The state as it is now.
    pub fn snapshot(&self) -> Snapshot {
        self.state.clone()
    }

    /// Applies the commands of one entry in order. Deterministic and total: the same entries give the same state and the
    /// same outcomes on every server.
    ///
    /// An entry that this version cannot read changes nothing and is no outcome: servers that can read it hold another
    /// state from here on, so this one must stop.
    pub fn apply(&mut self, entry: log::Entry) -> Result<Vec<Outcome>, UnreadableEntry> {
        if entry.format > ENTRY_FORMAT {
            return Err(UnreadableEntry::Format(entry.format));
        }
        let commands = entry.commands.into_iter().map(Command::from_wire);
        let commands = commands.collect::<Result<Vec<_>, _>>()?;
        Ok(commands
            .into_iter()
            .map(|command| self.execute(command))
            .collect())
    }

    /// Applies one command: all of its writes, or none; none, too, if its request was carried out before.
    pub fn execute(&mut self, command: Command) -> Outcome {
        self.state.requests_mut().forget(command.time);
        if let Some(done) = self.state.done(&command.request_id) {
            return Outcome::Rejected(Rejection {
                key: done.key.clone(),
                reason: Reason::DoneBefore,
            });
        }
        // A single write happens or does not. It needs no draft, and without one nothing is shared that would have to be
        // copied before it changes: most of the cost of applying.
        if command.writes.len() == 1 {
            return carry_out(&mut self.state, command);
        }
        let mut draft = self.state.clone();
        let outcome = carry_out(&mut draft, command);
        if matches!(outcome, Outcome::Applied(_)) {
            self.state = draft;
        }
        outcome
    }
}

/// Carries out the writes in order up to the first whose precondition does not hold, and remembers the request by the first.
fn carry_out(state: &mut Snapshot, command: Command) -> Outcome {
    let Command {
        request_id,
        time,
        writes,
    } = command;
    let mut versions = Vec::with_capacity(writes.len());
    for write in writes {
        if let Err(reason) = precondition::check(state, &write) {
            return Outcome::Rejected(Rejection {
                key: write.key(),
                reason,
            });
        }
        let is_to_remember = versions.is_empty() && request_id != NO_REQUEST;
        // Before the write is carried out, which takes it: a copy would have its object copied once more.
        let done = is_to_remember.then(|| Done::by(&write, 0, time));
        let version = perform(state, write, time);
        if let Some(done) = done {
            state
                .requests_mut()
                .remember(request_id, Done { version, ..done });
        }
        versions.push(version);
    }
    Outcome::Applied(versions)
}

/// Carries out a write whose precondition holds; the version its object has afterwards.
fn perform(draft: &mut Snapshot, write: Write, time: Time) -> u64 {
    match write {
        Write::Create(object) | Write::Replace { object, .. } => draft.put(object.key(), Some(object)),
        Write::Delete { key, .. } => draft.put(key, None),
        Write::Bind { pod, node, .. } => {
            let bound = draft.find_key::<Pod>(&pod).map(|pod| bind(pod, node, time));
            draft.put(pod, bound)
        }
        Write::Count(count) => count_finished_pod(draft, &count),
        Write::Progress(progress) => note_progress(draft, &progress),
        Write::Expect { .. } => 0,
    }
}

fn bind(pod: &Pod, node: String, time: Time) -> Object {
    let mut pod = pod.clone();
    pod.spec.get_or_insert_default().node_name = node;
    let status = pod.status.get_or_insert_default();
    pod::set_condition(
        status,
        PodCondition {
            r#type: "PodScheduled".into(),
            status: "True".into(),
            last_transition_time: Some(time),
            ..PodCondition::default()
        },
    );
    pod.into()
}

fn count_finished_pod(draft: &mut Snapshot, count: &Count) -> u64 {
    let key = Key::new(Kind::Job, &count.namespace, &count.job);
    let Some(stored) = draft.find_key::<Job>(&key) else {
        return 0;
    };
    if stored
        .metadata
        .as_ref()
        .is_none_or(|metadata| metadata.uid != count.job_uid)
    {
        return 0;
    }
    let mut counted = stored.as_ref().clone();
    job::add_count(counted.status.get_or_insert_default(), count);
    draft.put(key, Some(counted.into()))
}

fn note_progress(draft: &mut Snapshot, progress: &Progress) -> u64 {
    let key = Key::new(Kind::Job, &progress.namespace, &progress.job);
    let Some(stored) = draft.find_key::<Job>(&key) else {
        return 0;
    };
    let mut noted = stored.as_ref().clone();
    let status = noted.status.get_or_insert_default();
    status.active = progress.active;
    status.ready = Some(progress.ready);
    status.terminating = Some(progress.terminating);
    draft.put(key, Some(noted.into()))
}
