//! The gRPC wire: translates messages to verbs and refusals to statuses, nothing else.

mod cluster;
mod convert;
pub(crate) mod newcomer;
mod objects;

pub(crate) use cluster::ClusterService;
pub(crate) use convert::{NOT_LED, REQUEST_ID, UNDECIDED, status_of};
pub(crate) use objects::ObjectsService;
