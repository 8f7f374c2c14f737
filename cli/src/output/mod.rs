//! Owns everything that is shown: tables, YAML, ages, colours. Verbs decide what, this decides how.

pub(crate) mod age;
pub(crate) mod format;
pub(crate) mod lines;
pub(crate) mod rows;
pub(crate) mod table;
pub(crate) mod terminal;
pub(crate) mod yaml;
