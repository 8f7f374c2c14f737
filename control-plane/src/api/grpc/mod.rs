//! The gRPC wire: translates messages to verbs and refusals to statuses, nothing else.

mod cluster;
mod convert;
mod objects;

pub(crate) use cluster::ClusterService;
pub(crate) use convert::{NOT_LED, status_of};
pub(crate) use objects::ObjectsService;
