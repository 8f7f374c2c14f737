//! The side of the control plane that agents talk to.
//!
//! Agents dial in; the control plane never dials them. [`feed`] sends assignments, [`report`] takes in what agents say,
//! [`relay`] brings container output to those who asked, [`service`] is the wire.

mod assignments;
mod feed;
mod join;
mod relay;
mod report;
mod service;
mod sessions;

pub(crate) use relay::Relays;
pub(crate) use service::{NodeAgentsService, NodeTimes};
pub(crate) use sessions::Sessions;
