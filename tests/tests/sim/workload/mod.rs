//! What clients ask of the cluster while it fails under them.

mod client;
mod manifests;
mod observer;

pub(crate) use client::{REGISTERS, work};
pub(crate) use manifests::value_of;
pub(crate) use observer::observe;
