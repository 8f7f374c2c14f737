//! What a decision asks for: writes, a time to look again, and the reasons.

use bosun_proto::Key;
use bosun_proto::scalars::Time;

use crate::state::Write;

/// A plan is one transaction; a decision that needs more objects than this cuts itself and is asked again once the first
/// part is applied.
pub const PLAN_OBJECTS_MAX: usize = 200;

/// New objects of a plan may have so many bytes together (a single one may have more), so that no transaction holds up the
/// log for long.
const PLAN_BYTES_MAX: usize = 1 << 20;

/// How many new objects of this size fit into a plan; at least one.
pub fn objects_in_plan(bytes_each: usize) -> usize {
    (PLAN_BYTES_MAX / bytes_each.max(1)).clamp(1, PLAN_OBJECTS_MAX)
}

/// What a controller or the scheduler wants done for one key.
///
/// A pure function of a snapshot and a time. Objects in [`Write::Create`] may come without uid and with only
/// `generateName`: [`crate::stamp::Stamp`] completes them on the way to the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// One transaction, each write with the version it was decided on. Empty when nothing is to be written.
    pub writes: Vec<Write>,
    /// When to decide again although nothing changed: a back-off, a deadline, the next cron tick.
    pub look_again: Option<Time>,
    /// Why it acted, or why it did not. Become Events.
    pub notes: Vec<Note>,
}

impl Plan {
    /// Looks again at `time`, or earlier if an earlier time was asked for already.
    pub fn look_again_at(&mut self, time: Time) {
        self.look_again = Some(self.look_again.map_or(time, |earlier| earlier.min(time)));
    }

    /// Adds a note of normal running.
    pub fn note(&mut self, about: &Key, uid: &str, reason: &str, message: impl Into<String>) {
        self.push_note(about, uid, reason, message.into(), false);
    }

    /// Adds a note that a person may want to act on.
    pub fn warn(&mut self, about: &Key, uid: &str, reason: &str, message: impl Into<String>) {
        self.push_note(about, uid, reason, message.into(), true);
    }

    fn push_note(&mut self, about: &Key, uid: &str, reason: &str, message: String, warning: bool) {
        let (about, uid, reason) = (about.clone(), uid.to_owned(), reason.to_owned());
        self.notes.push(Note {
            about,
            uid,
            reason,
            message,
            warning,
        });
    }

    /// True when there is nothing to write and nothing to say.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.notes.is_empty()
    }
}

/// One sentence for an operator, about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The object it is about.
    pub about: Key,
    /// That object's uid.
    pub uid: String,
    /// One word in camel case, for machines: `SuccessfulCreate`.
    pub reason: String,
    /// For people.
    pub message: String,
    /// Type Warning rather than Normal.
    pub warning: bool,
}
