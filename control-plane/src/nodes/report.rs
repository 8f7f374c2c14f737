//! What agents say of their pods becomes transactions: each pod its own, all of a report in one group.

use bosun_core::admission::pod_status;
use bosun_core::event;
use bosun_core::kinds::pod;
use bosun_core::plan::Note;
use bosun_core::refusal::Refusal;
use bosun_core::state::Outcome;
use bosun_proto::core_v1::Pod;
use bosun_proto::node::{EventReport, PodReport, ReportRequest};
use bosun_proto::{Key, Kind, Resource};
use futures::future::try_join_all;
use futures::{StreamExt, stream};
use tonic::Status;

use crate::api::grpc::status_of;
use crate::api::verbs::refusal_of;
use crate::replica::Replica;

/// How often one pod's report is decided again because the pod was changed meanwhile.
const DECISIONS_MAX: usize = 32;

/// Events of one report that are recorded at once.
const EVENTS_AT_ONCE_MAX: usize = 16;

/// The component that agents' Events are from.
const COMPONENT: &str = "bosun-agent";

/// Takes a report in; returns the uids of the reported pods that do not exist on that node (any more). When this returns,
/// everything in the report is on a quorum's disks. `speaks` says whether the agent may still speak for the node; it is asked
/// for each decision, since a newer session may begin meanwhile.
pub(super) async fn take_in(
    replica: &Replica,
    request: ReportRequest,
    speaks: impl Fn() -> Result<(), Status>,
) -> Result<Vec<String>, Status> {
    let node = request.node_name.as_str();
    let pods = request
        .pods
        .into_iter()
        .map(|report| take_in_pod(replica, node, report, &speaks));
    let events = stream::iter(request.events)
        .for_each_concurrent(EVENTS_AT_ONCE_MAX, |report| record(replica, report));
    let (unknown, ()) = futures::try_join!(try_join_all(pods), async {
        events.await;
        Ok(())
    })?;
    Ok(unknown.into_iter().flatten().collect())
}

/// The pod's uid when it does not exist on that node (any more).
async fn take_in_pod(
    replica: &Replica,
    node: &str,
    report: PodReport,
    speaks: &impl Fn() -> Result<(), Status>,
) -> Result<Option<String>, Status> {
    let key = Key::new(Kind::Pod, &report.namespace, &report.name);
    for _ in 0..DECISIONS_MAX {
        speaks()?;
        let snapshot = replica.snapshot();
        let stored = snapshot
            .find_key::<Pod>(&key)
            .filter(|stored| stored.metadata().uid == report.uid && pod::spec(stored).node_name == node);
        let Some(stored) = stored else {
            return Ok(Some(report.uid));
        };
        let status = report.status.clone().unwrap_or_default();
        let writes = pod_status::report(&snapshot, stored, status, report.stopped, replica.now());
        if writes.is_empty() {
            return Ok(None);
        }
        let proposed = replica.propose(writes).await.map_err(refusal_of);
        if let Outcome::Applied(_) = proposed.map_err(status_of)? {
            return Ok(None);
        }
    }
    Err(status_of(Refusal::Unavailable(format!(
        "{key} changes too fast to take in its status: report again"
    ))))
}

/// Events explain; one that meets a conflict again and again is not worth holding up the report.
async fn record(replica: &Replica, report: EventReport) {
    let note = Note {
        about: Key::new(Kind::Pod, &report.namespace, &report.pod),
        uid: report.pod_uid,
        reason: report.reason,
        message: report.message,
        warning: report.warning,
    };
    for _ in 0..3 {
        let now = report.time.unwrap_or_else(|| replica.now());
        let write = event::record(&replica.snapshot(), &note, COMPONENT, now);
        match replica.propose(vec![write]).await {
            Ok(Outcome::Rejected(_)) => {}
            Ok(Outcome::Applied(_)) => return,
            Err(error) => {
                tracing::warn!(%error, pod = %note.about, reason = note.reason, "event not recorded");
                return;
            }
        }
    }
}
