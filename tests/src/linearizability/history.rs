//! The record of what clients did: made while they run, from any thread.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

/// What a register holds. Each write of a history has a value of its own, so that a read names the write it saw.
pub type Value = u64;

/// What a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// What the register holds, by a linearizable read.
    Read,
    /// Make the register.
    Create(Value),
    /// Overwrite what it holds.
    Write(Value),
    /// Overwrite it if it still holds what was seen before.
    CompareAndSet {
        /// What must be there.
        expected: Value,
        /// What shall be there.
        new: Value,
    },
    /// Delete the register.
    Delete,
}

/// What a client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A read: what the register holds, `None` when there is no register.
    Found(Option<Value>),
    /// Anything else: it happened.
    Done,
    /// It did not happen, because the register was not as the call needs it.
    Refused,
    /// It certainly did not happen, whatever the register holds: nobody was reached, or nobody led.
    Failed,
}

/// One call and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Who called; for people who read a violation.
    pub client: String,
    /// What was asked.
    pub call: Call,
    /// The instant of the call: a number that no other instant of the history has.
    pub called: u64,
    /// The answer and its instant; `None` if none came: it may have happened at any time since, or may yet.
    pub answered: Option<(Answer, u64)>,
}

impl fmt::Display for Operation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, call, .. } = self;
        match &self.answered {
            Some((answer, at)) => {
                write!(
                    formatter,
                    "{:>6} .. {at:<6} {client}: {call:?} -> {answer:?}",
                    self.called
                )
            }
            None => write!(
                formatter,
                "{:>6} ..        {client}: {call:?} -> nothing heard",
                self.called
            ),
        }
    }
}

/// An operation that is under way.
#[derive(Debug)]
pub struct OperationId {
    register: String,
    index: usize,
}

/// What all clients did so far, register by register.
#[derive(Debug, Default)]
pub struct History {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The last instant given out.
    instant: u64,
    registers: BTreeMap<String, Vec<Operation>>,
}

impl History {
    /// To be called before the request leaves the client.
    pub fn called(&self, client: &str, register: &str, call: Call) -> OperationId {
        let mut inner = self.lock();
        inner.instant += 1;
        let operation = Operation {
            client: client.to_owned(),
            call,
            called: inner.instant,
            answered: None,
        };
        let operations = inner.registers.entry(register.to_owned()).or_default();
        operations.push(operation);
        OperationId {
            register: register.to_owned(),
            index: operations.len() - 1,
        }
    }

    /// To be called once the client has the answer. Not called when the outcome stays unknown.
    pub fn answered(&self, operation: OperationId, answer: Answer) {
        let mut inner = self.lock();
        inner.instant += 1;
        let instant = inner.instant;
        let called = inner
            .registers
            .get_mut(&operation.register)
            .and_then(|operations| operations.get_mut(operation.index));
        called.expect("an id names an operation of its history").answered = Some((answer, instant));
    }

    /// The operations on each register, in the order of their calls.
    pub fn registers(&self) -> BTreeMap<String, Vec<Operation>> {
        self.lock().registers.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A client that panicked has left whole operations behind: the record is good.
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
