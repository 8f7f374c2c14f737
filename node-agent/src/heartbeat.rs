//! Says at regular intervals that the agent lives, and remembers when it last said so with success: that is what a lease
//! on fenced pods counts from.

use std::time::Duration;

use bosun_proto::node::HeartbeatRequest;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::session::{Link, Links, next_link};

/// A heartbeat that is not answered within so many intervals counts as missed.
const ANSWER_INTERVALS_MAX: u32 = 4;
/// The session is given up after so many missed ones in a row: another server may be better.
const MISSED_MAX: u32 = 3;

/// What the agent knows of its lease. It runs for `duration` from `renewed_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// When the last acknowledged heartbeat was sent; not when the answer came.
    pub(crate) renewed_at: Instant,
    /// How long it runs.
    pub(crate) duration: Duration,
}

/// Beats as long as the agent lives.
pub(crate) async fn beat(node_name: String, mut links: Links, lease: watch::Sender<Option<Lease>>) {
    while let Some(link) = next_link(&mut links).await {
        beat_in_session(&node_name, &link, &mut links, &lease).await;
    }
}

async fn beat_in_session(
    node_name: &str,
    link: &Link,
    links: &mut Links,
    lease: &watch::Sender<Option<Lease>>,
) {
    let mut client = link.client.clone();
    let mut missed = 0;
    let mut next = Instant::now();
    loop {
        let sent_at = Instant::now();
        let request = HeartbeatRequest {
            node_name: node_name.to_owned(),
            session_id: link.session_id.to_string(),
            servers_version: 0,
        };
        match timeout(
            link.heartbeat_interval * ANSWER_INTERVALS_MAX,
            client.heartbeat(request),
        )
        .await
        {
            Ok(Ok(_)) => {
                missed = 0;
                lease.send_replace(Some(Lease {
                    renewed_at: sent_at,
                    duration: link.lease,
                }));
            }
            Ok(Err(status)) => {
                missed += 1;
                tracing::debug!(%status, missed, "heartbeat refused");
                link.judge(&status);
            }
            Err(_) => {
                missed += 1;
                tracing::debug!(missed, "heartbeat not answered");
            }
        }
        if missed >= MISSED_MAX {
            link.broken.cancel();
        }
        next = (next + link.heartbeat_interval).max(sent_at);
        tokio::select! {
            () = sleep_until(next) => {}
            // A new session, or none; the error means that the agent ends.
            changed = links.changed() => {
                tracing::trace!(ended = changed.is_err(), "the session changed");
                return;
            }
        }
    }
}
