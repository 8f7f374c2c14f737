//! The one schema of Bosun: Kubernetes kinds, client and node services, log records.
//!
//! The messages are compiled from the files below `proto/`; each package is a module here. The same types serve gRPC and
//! storage (prost), Kubernetes JSON ([`json`]) and kubectl's binary bodies.

pub mod json;
pub mod key;
pub mod kinds;
pub mod node_loss;
pub mod object;
pub mod scalars;
pub mod selector;
pub mod zero_times;

pub use json::SchemaError;
pub use key::Key;
pub use kinds::{Kind, KindInfo};
pub use object::{Object, Resource};
pub use scalars::{IntOrString, MicroTime, Quantity, Time};

/// The descriptors of all packages, for gRPC server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// What prost and tonic wrote: the tree of packages.
#[allow(
    clippy::all,
    clippy::pedantic,
    missing_docs,
    rustdoc::all,
    unreachable_pub,
    unused_qualifications,
    reason = "generated code"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/packages.rs"));
}

/// Kubernetes JSON for the generated messages.
#[allow(
    clippy::all,
    clippy::pedantic,
    unused_variables,
    unreachable_code,
    reason = "generated code"
)]
mod generated_json {
    use crate::json::{Read, ReadJson};
    use serde::ser::SerializeMap;
    use serde_json::Value;
    include!(concat!(env!("OUT_DIR"), "/json.rs"));
}

/// `k8s.io.api.core.v1`: Namespace, Node, Pod, Event and what they are made of.
pub mod core_v1 {
    pub use crate::generated::k8s::io::api::core::v1::*;
}

/// `k8s.io.api.batch.v1`: Job and CronJob.
pub mod batch_v1 {
    pub use crate::generated::k8s::io::api::batch::v1::*;
}

/// `k8s.io.api.apps.v1`: ReplicaSet.
pub mod apps_v1 {
    pub use crate::generated::k8s::io::api::apps::v1::*;
}

/// `k8s.io.api.scheduling.v1alpha3`: what a Job's spec says about scheduling its pods together.
pub mod scheduling_v1alpha3 {
    pub use crate::generated::k8s::io::api::scheduling::v1alpha3::*;
}

/// `k8s.io.apimachinery.pkg.apis.meta.v1`: ObjectMeta, LabelSelector, Status and other things all kinds use.
pub mod meta_v1 {
    pub use crate::generated::k8s::io::apimachinery::pkg::apis::meta::v1::*;
}

/// `k8s.io.apimachinery.pkg.util.intstr`.
pub mod intstr {
    pub use crate::generated::k8s::io::apimachinery::pkg::util::intstr::*;
}

/// `k8s.io.apimachinery.pkg.api.resource`.
pub mod resource {
    pub use crate::generated::k8s::io::apimachinery::pkg::api::resource::*;
}

/// `k8s.io.apimachinery.pkg.runtime`: the envelope of kubectl's binary bodies.
pub mod runtime {
    pub use crate::generated::k8s::io::apimachinery::pkg::runtime::*;
}

/// `bosun.api.v1`: the gRPC services for clients.
pub mod api {
    pub use crate::generated::bosun::api::v1::*;
}

/// `bosun.node.v1`: what node agents and servers say to each other.
pub mod node {
    pub use crate::generated::bosun::node::v1::*;
}

/// `bosun.supervisor.v1`: what an agent and the supervisor of its containers say to each other.
pub mod supervisor {
    pub use crate::generated::bosun::supervisor::v1::*;
}

/// `bosun.log.v1`: what the raft log and the snapshots hold.
pub mod log {
    pub use crate::generated::bosun::log::v1::*;
}

/// `bosun.raft.v1`: what servers say to each other.
pub mod raft {
    pub use crate::generated::bosun::raft::v1::*;
}
