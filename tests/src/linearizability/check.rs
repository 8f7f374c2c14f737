//! The search for an order that explains the answers.

use super::history::{Answer, Call, Operation, Value};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// So many partial orders are tried before the search gives up. Histories of some hundred operations by ten clients need a few
/// thousand.
pub const SEARCH_MAX: usize = 5_000_000;

/// Why a history is not known to be linearizable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// No order explains it.
    Impossible {
        /// The longest explanation of a beginning that was found.
        explained: Vec<Operation>,
        /// What the register held after that.
        held: Option<Value>,
        /// The operations of which one would have had to come next, and none can.
        stuck: Vec<Operation>,
    },
    /// More than [`SEARCH_MAX`] partial orders were tried.
    TooHard,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Impossible {
            explained,
            held,
            stuck,
        } = self
        else {
            return write!(
                formatter,
                "undecided after {SEARCH_MAX} partial orders: record shorter histories"
            );
        };
        writeln!(
            formatter,
            "no order explains these answers. The longest beginning that can be explained ends with"
        )?;
        for operation in &explained[explained.len().saturating_sub(8)..] {
            writeln!(formatter, "  {operation}")?;
        }
        writeln!(
            formatter,
            "after which the register holds {held:?}, and none of these can come next:"
        )?;
        for operation in stuck {
            writeln!(formatter, "  {operation}")?;
        }
        Ok(())
    }
}

/// Checks the history of one register that does not exist at first. The order of `operations` does not matter, but each
/// value may be written by one of them only.
///
/// # Errors
/// When no order explains it, or none was found in time.
pub fn check(operations: &[Operation]) -> Result<(), Violation> {
    Search::new(operations).run()
}

/// What an operation does to a register that holds `held`.
enum Effect {
    Keeps,
    Sets(Option<Value>),
    /// The answer would have been another.
    Contradicts,
}

fn effect(held: Option<Value>, call: Call, answer: Option<Answer>) -> Effect {
    let (is_possible, after) = match call {
        Call::Read => {
            return match answer {
                Some(Answer::Found(found)) if found != held => Effect::Contradicts,
                None | Some(_) => Effect::Keeps,
            };
        }
        Call::Create(value) => (held.is_none(), Some(value)),
        Call::Write(value) => (held.is_some(), Some(value)),
        Call::CompareAndSet { expected, new } => (held == Some(expected), Some(new)),
        Call::Delete => (held.is_some(), None),
    };
    match (answer, is_possible) {
        // An unheard operation that would have been refused changes nothing: as good as never happened.
        (None | Some(Answer::Done), true) => Effect::Sets(after),
        (None | Some(Answer::Done), false) | (Some(Answer::Refused), true) => Effect::Contradicts,
        (Some(Answer::Refused), false) | (Some(Answer::Found(_) | Answer::Failed), _) => Effect::Keeps,
    }
}

/// How far an attempt has come: which operations have had their instant, and what the register holds then. Two attempts
/// that agree in this have the same future.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Progress {
    held: Option<Value>,
    /// All answered operations before this one have had their instant.
    first: usize,
    /// Those behind it that have had theirs, in order. No more than there are clients.
    ahead: Vec<usize>,
    /// The unanswered ones that have had theirs, in order.
    unanswered: Vec<usize>,
}

/// What cannot be seen stands for all values that no answer and no condition mentions: which of them it is makes no
/// difference to anybody.
const UNSEEN: Value = Value::MAX;

struct Search {
    /// Those that were answered, by the instant of the call.
    answered: Vec<Operation>,
    /// Those that were not, by the instant of the call.
    unanswered: Vec<Operation>,
    /// What each of `unanswered` amounts to: its call, with [`UNSEEN`] for a value that nobody saw.
    effects: Vec<Call>,
    /// Which of `answered` need the register to hold a value. Once it is overwritten it never comes back.
    needing: HashMap<Value, Vec<usize>>,
    tried: HashSet<Progress>,
}

/// One operation that could come next.
#[derive(Clone, Copy, Debug)]
enum Next {
    Answered(usize),
    Unanswered(usize),
}

/// A place in the search to which it may have to come back.
struct Branch {
    progress: Progress,
    untried: std::vec::IntoIter<Next>,
}

impl Search {
    fn new(operations: &[Operation]) -> Self {
        let tells = |operation: &&Operation| !matches!(operation.answered, Some((Answer::Failed, _)));
        let (mut answered, mut unanswered): (Vec<_>, Vec<_>) = operations
            .iter()
            .filter(tells)
            .cloned()
            .partition(|operation| operation.answered.is_some());
        // A read that nobody heard of is no evidence of anything.
        unanswered.retain(|operation| operation.call != Call::Read);
        answered.sort_by_key(|operation| operation.called);
        unanswered.sort_by_key(|operation| operation.called);
        let mut needing: HashMap<Value, Vec<usize>> = HashMap::new();
        for (index, operation) in answered.iter().enumerate() {
            match (operation.call, operation.answered) {
                (Call::Read, Some((Answer::Found(Some(value)), _)))
                | (Call::CompareAndSet { expected: value, .. }, Some((Answer::Done, _))) => {
                    needing.entry(value).or_default().push(index);
                }
                _ => {}
            }
        }
        Self {
            effects: without_unseen_values(&answered, &unanswered),
            answered,
            unanswered,
            needing,
            tried: HashSet::new(),
        }
    }

    fn run(mut self) -> Result<(), Violation> {
        let start = Progress {
            held: None,
            first: 0,
            ahead: Vec::new(),
            unanswered: Vec::new(),
        };
        let mut order: Vec<Next> = Vec::new();
        let mut best = (start.clone(), Vec::new());
        let mut branches = vec![self.branch(start)];
        while let Some(branch) = branches.last_mut() {
            if branch.progress.first == self.answered.len() {
                return Ok(());
            }
            let Some(next) = branch.untried.next() else {
                branches.pop();
                order.pop();
                continue;
            };
            let Some(progress) = self.after(&branch.progress, next) else {
                continue;
            };
            if !self.tried.insert(progress.clone()) {
                continue;
            }
            if self.tried.len() > SEARCH_MAX {
                return Err(Violation::TooHard);
            }
            order.push(next);
            if explained(&progress) > explained(&best.0) {
                best = (progress.clone(), order.clone());
            }
            branches.push(self.branch(progress));
        }
        let stuck = self.candidates(&best.0);
        Err(Violation::Impossible {
            explained: best
                .1
                .into_iter()
                .map(|next| self.operation(next).clone())
                .collect(),
            held: best.0.held,
            stuck: stuck
                .into_iter()
                .map(|next| self.operation(next).clone())
                .collect(),
        })
    }

    fn branch(&self, progress: Progress) -> Branch {
        Branch {
            untried: self.candidates(&progress).into_iter(),
            progress,
        }
    }

    fn operation(&self, next: Next) -> &Operation {
        match next {
            Next::Answered(index) => &self.answered[index],
            Next::Unanswered(index) => &self.unanswered[index],
        }
    }

    /// What can come next by time alone: everything that was called before the first answer that is still to be explained.
    fn candidates(&self, progress: &Progress) -> Vec<Next> {
        let mut candidates = Vec::new();
        let mut first_answer = u64::MAX;
        for (index, operation) in self.answered.iter().enumerate().skip(progress.first) {
            if operation.called > first_answer {
                break;
            }
            if progress.ahead.binary_search(&index).is_err() {
                candidates.push(Next::Answered(index));
                first_answer = first_answer.min(operation.answered.map_or(u64::MAX, |(_, at)| at));
            }
        }
        candidates.retain(|next| self.operation(*next).called < first_answer);
        // Last, since most of them were lost on their way: the search begins with what is known to have happened. Of those that
        // would do the same, only the one called first: it can stand wherever a later one can.
        let mut calls = HashSet::new();
        for (index, operation) in self.unanswered.iter().enumerate() {
            if operation.called < first_answer
                && progress.unanswered.binary_search(&index).is_err()
                && calls.insert(self.effects[index])
            {
                candidates.push(Next::Unanswered(index));
            }
        }
        candidates
    }

    /// One step further, if the answer allows it.
    fn after(&self, progress: &Progress, next: Next) -> Option<Progress> {
        let (call, answer) = match next {
            Next::Answered(index) => (self.answered[index].call, self.answered[index].answered),
            Next::Unanswered(index) => (self.effects[index], None),
        };
        let mut after = progress.clone();
        match effect(progress.held, call, answer.map(|(answer, _)| answer)) {
            Effect::Keeps => {}
            Effect::Sets(held) => after.held = held,
            Effect::Contradicts => return None,
        }
        match next {
            Next::Answered(index) => {
                insert(&mut after.ahead, index);
                while after.ahead.first() == Some(&after.first) {
                    after.ahead.remove(0);
                    after.first += 1;
                }
            }
            Next::Unanswered(index) => insert(&mut after.unanswered, index),
        }
        let is_lost = after.held != progress.held
            && progress
                .held
                .and_then(|value| self.needing.get(&value))
                .is_some_and(|indexes| indexes.iter().any(|index| !is_explained(&after, *index)));
        (!is_lost).then_some(after)
    }
}

/// The calls of `unanswered`, with [`UNSEEN`] for every value that is in no answer and in no condition.
fn without_unseen_values(answered: &[Operation], unanswered: &[Operation]) -> Vec<Call> {
    let seen: HashSet<Value> = answered
        .iter()
        .chain(unanswered)
        .filter_map(|operation| match (operation.call, operation.answered) {
            (Call::CompareAndSet { expected, .. }, _) => Some(expected),
            (_, Some((Answer::Found(found), _))) => found,
            _ => None,
        })
        .collect();
    let hide = |operation: &Operation| {
        let mut call = operation.call;
        match &mut call {
            Call::Create(value) | Call::Write(value) | Call::CompareAndSet { new: value, .. } => {
                if !seen.contains(value) {
                    *value = UNSEEN;
                }
            }
            Call::Read | Call::Delete => {}
        }
        call
    };
    unanswered.iter().map(hide).collect()
}

fn is_explained(progress: &Progress, index: usize) -> bool {
    index < progress.first || progress.ahead.binary_search(&index).is_ok()
}

/// How many answers an attempt has explained.
fn explained(progress: &Progress) -> usize {
    progress.first + progress.ahead.len()
}

fn insert(sorted: &mut Vec<usize>, index: usize) {
    let place = sorted.partition_point(|other| *other < index);
    sorted.insert(place, index);
}
