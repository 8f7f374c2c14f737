//! Says at regular intervals that the agent lives. What is answered lengthens the lease, counted from the sending.

use std::sync::Arc;
use std::time::Duration;

use bosun_proto::node::{HeartbeatRequest, HeartbeatResponse};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::Status;

use crate::lease::LeaseKeeper;
use crate::session::{KnownServers, Link, Links, next_link};

/// The session is given up when nothing was answered for so many intervals: another server may be better.
const UNANSWERED_INTERVALS_MAX: u32 = 3;
/// But not before this time, however short the intervals.
const UNANSWERED_MIN: Duration = Duration::from_secs(1);
/// Heartbeats that may be under way at once. None waits for the one before, which may be lost.
const UNDER_WAY_MAX: usize = 4;

/// What beating needs.
pub(crate) struct Heart {
    pub(crate) node_name: String,
    pub(crate) lease: Arc<LeaseKeeper>,
    pub(crate) servers: Arc<KnownServers>,
}

/// One heartbeat and what came of it.
struct Beat {
    /// On the lease's clock.
    sent_at: Instant,
    answer: Result<HeartbeatResponse, Status>,
}

impl Heart {
    /// Beats as long as the agent lives.
    pub(crate) async fn beat(self, mut links: Links) {
        while let Some(link) = next_link(&mut links).await {
            self.beat_in_session(&link, &mut links).await;
        }
    }

    async fn beat_in_session(&self, link: &Link, links: &mut Links) {
        let patience = (link.heartbeat_interval * UNANSWERED_INTERVALS_MAX).max(UNANSWERED_MIN);
        let mut under_way = JoinSet::new();
        let mut answered = Instant::now();
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = sleep_until(next) => {
                    if answered.elapsed() >= patience {
                        tracing::debug!(?patience, "no heartbeat was answered");
                        link.broken.cancel();
                    }
                    if under_way.len() < UNDER_WAY_MAX {
                        under_way.spawn(self.send(link, patience));
                    }
                    next = (next + link.heartbeat_interval).max(Instant::now());
                }
                Some(beat) = under_way.join_next(), if !under_way.is_empty() => match beat {
                    Ok(Beat { sent_at, answer: Ok(answer) }) => {
                        answered = Instant::now();
                        self.lease.grant(sent_at, link.lease, link.number);
                        self.servers.learn(answer.servers_version, answer.servers);
                    }
                    Ok(Beat { answer: Err(status), .. }) => {
                        tracing::debug!(%status, "heartbeat refused");
                        link.judge(&status);
                    }
                    Err(error) => tracing::debug!(%error, "heartbeat not sent"),
                },
                // A new session, or none; the error means that the agent ends.
                changed = links.changed() => {
                    tracing::trace!(ended = changed.is_err(), "the session changed");
                    return;
                }
            }
        }
    }

    fn send(&self, link: &Link, patience: Duration) -> impl Future<Output = Beat> + Send + use<> {
        let request = HeartbeatRequest {
            node_name: self.node_name.clone(),
            session_id: link.session_id.to_string(),
            servers_version: self.servers.version(),
        };
        let (mut client, lease) = (link.client.clone(), Arc::clone(&self.lease));
        async move {
            let sent_at = lease.now();
            let answer = match timeout(patience, client.heartbeat(request)).await {
                Ok(answer) => answer.map(tonic::Response::into_inner),
                Err(_) => Err(Status::deadline_exceeded("not answered in time")),
            };
            Beat { sent_at, answer }
        }
    }
}
