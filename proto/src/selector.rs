//! Choosing objects by their labels and fields: the text form of requests and command lines, and the label selectors inside
//! of specs. Which fields a kind can be chosen by is not known here.

mod field;
mod label;

pub use field::{FieldSelector, FieldTerm};
pub use label::{LabelSelector, Operator, Requirement};

/// A selector that cannot be understood: which part, and how it should look.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(String);
