//! What a request becomes: the writes that carry it out, or the reason why not.
//!
//! Pure: a snapshot and a stamp in, writes out. The snapshot may be older than the state the writes meet; each write
//! therefore carries the version it was decided on, and whoever proposes it decides again after a conflict.

mod create;
pub mod deletion;
pub mod node_join;
mod patch;
pub mod pod_status;
mod update;

use bosun_proto::Object;

pub use create::create;
pub use deletion::{DeleteRequest, Propagation, delete};
pub use patch::{PatchType, patched};
pub use update::{update, update_status};

use crate::refusal::Refusal;
use crate::state::Write;

/// The largest object a client may store, in bytes as encoded. Kubernetes' limit is of this order; here it also keeps a
/// transaction of the most objects readable, see [`crate::plan::PLAN_OBJECTS_MAX`].
const OBJECT_BYTES_MAX: usize = 1 << 20;

/// A request that may happen.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// One transaction. Empty when there is nothing to change.
    pub writes: Vec<Write>,
    /// The object as it will be, but for its resourceVersion; as it last was when the writes remove it.
    pub object: Object,
    /// What was accepted but will not have the effect its author may expect.
    pub warnings: Vec<String>,
}

fn check_size(object: &Object) -> Result<(), Refusal> {
    let bytes = object.encoded_len();
    if bytes <= OBJECT_BYTES_MAX {
        return Ok(());
    }
    let kind = object.kind().info().kind;
    Err(Refusal::BadRequest(format!(
        "{kind} \"{}\" has {bytes} bytes, an object may have {OBJECT_BYTES_MAX}: keep large content in files or elsewhere and \
         name it in the object",
        object.metadata().name
    )))
}

#[cfg(test)]
mod admission_tests;
