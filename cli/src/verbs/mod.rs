//! One file per verb: its arguments and what it does. What several verbs need stands beside them (`files`) or above.

pub(crate) mod agent;
pub(crate) mod apply;
pub(crate) mod completion;
pub(crate) mod cordon;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod drain;
pub(crate) mod files;
pub(crate) mod get;
pub(crate) mod logs;
pub(crate) mod run;
pub(crate) mod scale;
pub(crate) mod server;
pub(crate) mod servers;
pub(crate) mod supervisor;
pub(crate) mod up;
pub(crate) mod version;
pub(crate) mod wait;
