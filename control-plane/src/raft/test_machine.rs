//! A state machine for the tests of this module: it remembers the request ids it was given, in order.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};

use bosun_proto::log::{Command, Entry};
use bytes::Bytes;

use super::{SnapshotEncoder, StateMachine, read_message, write_message};

/// What readers see of a [`TestMachine`].
pub(super) type Seen = Arc<Mutex<Vec<u64>>>;

#[derive(Default)]
pub(super) struct TestMachine {
    applied: Vec<u64>,
    seen: Seen,
}

impl TestMachine {
    pub(super) fn new() -> (Self, Seen) {
        let machine = Self::default();
        let seen = Arc::clone(&machine.seen);
        (machine, seen)
    }
}

/// A command with this number is not understood.
pub(super) const UNREADABLE: u64 = u64::MAX;

/// An entry with one command per number.
pub(super) fn entry(numbers: impl IntoIterator<Item = u64>) -> Entry {
    let commands = numbers.into_iter().map(|number| Command {
        request_id: Bytes::copy_from_slice(&number.to_le_bytes()),
        ..Command::default()
    });
    Entry {
        commands: commands.collect(),
        ..Entry::default()
    }
}

fn number(command: &Command) -> u64 {
    u64::from_le_bytes(command.request_id[..8].try_into().unwrap())
}

impl StateMachine for TestMachine {
    /// How many commands have been applied, this one included.
    type Outcome = usize;

    fn apply(&mut self, entry: Entry) -> io::Result<Vec<usize>> {
        if entry.commands.iter().any(|command| number(command) == UNREADABLE) {
            return Err(io::Error::other("a word of the future"));
        }
        let apply = |command| {
            self.applied.push(number(command));
            self.applied.len()
        };
        Ok(entry.commands.iter().map(apply).collect())
    }

    fn publish(&mut self) {
        self.seen.lock().unwrap().clone_from(&self.applied);
    }

    fn snapshot(&self) -> SnapshotEncoder {
        let state = entry(self.applied.iter().copied());
        Box::new(move |target| {
            state
                .commands
                .iter()
                .try_for_each(|command| write_message(target, command))
        })
    }

    fn restore(&mut self, content: &mut dyn Read) -> io::Result<()> {
        self.applied.clear();
        while let Some(command) = read_message::<Command>(content)? {
            self.applied.push(number(&command));
        }
        Ok(())
    }
}
