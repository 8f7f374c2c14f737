//! Owns the graceful end of what still runs when a run in a cluster of its own is over: ReplicaSets, the Jobs of CronJobs,
//! and after Ctrl-C the work itself. The cluster goes afterwards, so nothing here needs to succeed.

use crate::session::Session;
use bosun_client::{Client, Query, Step};
use bosun_core::kinds;
use bosun_proto::core_v1::Pod;
use bosun_proto::{Key, Kind, Resource as _, meta_v1};
use std::time::Duration;

/// How long pods may take to end before the agent kills them; the default grace period of pods would be tedious here.
const GRACE_SECONDS_MAX: i64 = 10;
/// When to say that something is being waited for.
const QUIET: Duration = Duration::from_millis(700);

/// Asks all that still runs to end, and waits until it has.
pub(super) async fn end(session: &Session, client: &Client, roots: Vec<Key>) {
    let ending = async {
        let unfinished = unfinished(client).await;
        if unfinished == 0 {
            return;
        }
        for key in roots {
            let options = meta_v1::DeleteOptions {
                propagation_policy: Some("Background".to_owned()),
                grace_period_seconds: (key.kind == Kind::Pod).then_some(GRACE_SECONDS_MAX),
                ..Default::default()
            };
            if let Err(error) = client.delete(&key, options).await {
                tracing::debug!(%key, %error, "not deleted at the end of the run");
            }
        }
        wait(client).await;
    };
    let limit = Duration::from_secs(GRACE_SECONDS_MAX.unsigned_abs());
    let mut ending = std::pin::pin!(tokio::time::timeout(limit, ending));
    tokio::select! {
        _ = &mut ending => return,
        () = tokio::time::sleep(QUIET) => {}
    }
    session
        .terminal
        .note("Waiting for the remaining pods to end; Ctrl-C kills them.");
    if ending.await.is_err() {
        session.terminal.note("Killing what still runs.");
    }
}

async fn unfinished(client: &Client) -> usize {
    let pods = client
        .list_as::<Pod>(Query::new(Kind::Pod, ""))
        .await
        .unwrap_or_default();
    pods.iter().filter(|pod| !kinds::pod::is_finished(pod)).count()
}

/// Waits until no pod is left that runs or will run.
async fn wait(client: &Client) {
    let mut pods = client.follow(Query::new(Kind::Pod, ""));
    let mut caught_up = false;
    // An error means that the cluster is gone, and the pods will follow.
    while let Ok(step) = pods.next().await {
        caught_up |= matches!(step, Step::CaughtUp);
        let mut known = pods.known().values().filter_map(Pod::from_object);
        if caught_up && known.all(|pod| kinds::pod::is_finished(pod)) {
            return;
        }
    }
}
