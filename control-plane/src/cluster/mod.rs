//! Which servers make up the cluster: who this server is, how it comes to be part of one, and how the leader takes
//! servers in and out.
//!
//! What is decided is pure: `formation.rs` for a server with an empty disk, `admission.rs` for the leader. `entry.rs`,
//! `part.rs`,
//! `verbs.rs` and `keeper.rs` ask, wait and write. Agreeing on a change of membership is raft's business
//! ([`crate::raft`]).

mod admission;
pub(crate) mod ask;
pub(crate) mod entry;
mod formation;
pub(crate) mod identity;
pub(crate) mod keeper;
pub(crate) mod part;
pub(crate) mod verbs;
