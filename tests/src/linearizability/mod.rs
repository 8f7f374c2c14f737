//! Whether what concurrent clients saw of some registers could have come from one that does one thing at a time.
//!
//! A register is one object of the cluster: it can be made, read, overwritten, changed on condition of what it holds, and
//! deleted. A history is linearizable if each operation can be given one instant between its call and its answer so that, in
//! the order of these instants, every answer is right. An operation without an answer has any instant after its call, or none.
//!
//! Linearizability is local: a history of several registers has it if and only if the history of each one has (Herlihy and
//! Wing, 1990), so each register is checked alone. The search is that of Wing and Gong (1993) with the memory of Lowe (2017).
//! It is ours because the published crates know either no operation of unknown outcome or keep no memory of failed
//! attempts; both decide here whether a history of a failing cluster can be checked at all.

mod check;
#[cfg(test)]
mod check_tests;
mod history;

pub use check::{SEARCH_MAX, Violation, check};
pub use history::{Answer, Call, History, Operation, OperationId, Value};
