//! A plan becomes a command, and its notes become Events.

use bosun_core::event;
use bosun_core::plan::{Note, Plan};
use bosun_core::stamp::Stamp;
use bosun_core::state::{Outcome, Reason};
use bosun_host::Host;

use crate::raft::ProposeError;
use crate::replica::Replica;

/// How a plan ended: the version it made (`None` when it had nothing to write), or why it was refused.
pub(super) type End = Result<Option<u64>, Refused>;

/// Why a plan changed nothing.
#[derive(Debug)]
pub(super) enum Refused {
    /// A precondition did not hold.
    Rejected(Reason),
    /// Raft did not take it; this server will not lead much longer.
    NotProposed(ProposeError),
}

/// Proposes a plan as one transaction and, once it is applied, records its notes.
pub(super) async fn carry_out(replica: Replica, host: Host, component: &'static str, mut plan: Plan) -> End {
    complete(&mut plan, &replica, &host);
    let version = if plan.writes.is_empty() {
        None
    } else {
        match replica.propose(plan.writes).await.map_err(Refused::NotProposed)? {
            Outcome::Applied(versions) => versions.into_iter().max(),
            Outcome::Rejected(rejection) => return Err(Refused::Rejected(rejection.reason)),
        }
    };
    if !plan.notes.is_empty() {
        tokio::spawn(record(replica, component, plan.notes));
    }
    Ok(version)
}

/// Gives the new objects of a plan their uids, names and times.
pub(super) fn complete(plan: &mut Plan, replica: &Replica, host: &Host) {
    let mut entropy = || host.entropy.next_u64();
    Stamp {
        now: replica.now(),
        entropy: &mut entropy,
    }
    .complete_plan(plan, &replica.snapshot());
}

/// Events explain, they decide nothing: one that cannot be written (its namespace is gone, the lead is lost) is logged.
async fn record(replica: Replica, component: &'static str, notes: Vec<Note>) {
    for note in notes {
        let write = event::record(&replica.snapshot(), &note, component, replica.now());
        match replica.propose(vec![write]).await {
            Ok(Outcome::Applied(_)) => {}
            Ok(Outcome::Rejected(rejection)) => {
                tracing::debug!(about = %note.about, reason = note.reason, ?rejection, "event not recorded");
            }
            Err(error) => {
                tracing::debug!(about = %note.about, reason = note.reason, %error, "event not recorded");
            }
        }
    }
}
