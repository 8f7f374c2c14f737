//! An agent arrives: its Node object is brought up to date and its session begins.

use bosun_core::admission::node_join;
use bosun_core::refusal::Refusal;
use bosun_core::stamp::Stamp;
use bosun_core::state::{Outcome, Reason};
use bosun_host::Host;
use bosun_proto::core_v1::Node;

use crate::api::verbs::refusal_of;
use crate::replica::Replica;

/// How often the decision is repeated because the Node object was changed meanwhile.
const DECISIONS_MAX: usize = 16;

/// Writes the node as its agent reports it; the Node object's uid.
pub(super) async fn register(replica: &Replica, host: &Host, reported: &Node) -> Result<String, Refusal> {
    let mut decisions = 0;
    loop {
        let (writes, uid) = {
            let mut entropy = || host.entropy.next_u64();
            let mut stamp = Stamp {
                now: replica.now(),
                entropy: &mut entropy,
            };
            node_join::join(&replica.snapshot(), reported, &mut stamp)?
        };
        decisions += 1;
        match replica.propose(writes).await.map_err(refusal_of)? {
            Outcome::Applied(_) => return Ok(uid),
            Outcome::Rejected(rejection) => match rejection.reason {
                Reason::Conflict { .. } | Reason::NotFound | Reason::AlreadyExists
                    if decisions < DECISIONS_MAX => {}
                _ => return Err(rejection.into()),
            },
        }
    }
}
