//! How recent the state must be that a read shows, and the waiting for it.

use std::time::Duration;

use bosun_core::refusal::Refusal;
use bosun_core::state::Snapshot;

use crate::raft::ReadError;
use crate::replica::Replica;

/// How long a read waits for a version that this server does not have yet. Source: Kubernetes, as the wait of its cache.
const VERSION_WAIT_MAX: Duration = Duration::from_secs(3);

/// How recent a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Everything that was acknowledged, by anyone, before the request.
    MostRecent,
    /// Whatever this server has.
    Any,
    /// This version, or a later one.
    NotOlderThan(u64),
}

impl Freshness {
    /// A state that is as recent as this.
    pub(crate) async fn snapshot(self, replica: &Replica) -> Result<Snapshot, Refusal> {
        match self {
            Self::Any => Ok(replica.snapshot()),
            Self::MostRecent => replica.current().await.map_err(refusal_of),
            Self::NotOlderThan(version) => {
                let mut snapshots = replica.subscribe();
                let reached = snapshots.wait_for(|snapshot| snapshot.version() >= version);
                match tokio::time::timeout(VERSION_WAIT_MAX, reached).await {
                    Ok(Ok(snapshot)) => Ok(snapshot.clone()),
                    Ok(Err(_)) => Err(Refusal::Unavailable("this server is shutting down".into())),
                    Err(_) => Err(Refusal::TooNew {
                        asked: version,
                        known: replica.snapshot().version(),
                    }),
                }
            }
        }
    }
}

/// A read that cannot be promised to be current, in the terms of the API: later, or another server, may do better.
pub(crate) fn refusal_of(error: ReadError) -> Refusal {
    match error {
        ReadError::ForwardToLeader(_) | ReadError::NoLeader => Refusal::NotLed(error.to_string()),
        ReadError::Unanswered { .. } | ReadError::Behind { .. } | ReadError::Stopped { .. } => {
            Refusal::Unavailable(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bosun_host::WallTime;
    use bosun_host::testing::host;

    use super::*;
    use crate::raft::{RaftSettings, Server};

    #[tokio::test(start_paused = true)]
    async fn a_version_that_nobody_gave_is_waited_for_and_then_told_in_kubernetes_terms() {
        let (host, _) = host(1, WallTime::UNIX_EPOCH);
        let settings = RaftSettings::single(1, Server::default(), Path::new("/data"));
        let replica = Replica::start(settings, &host).await.unwrap();
        let begun = tokio::time::Instant::now();
        let refusal = Freshness::NotOlderThan(7).snapshot(&replica).await.unwrap_err();
        assert_eq!(begun.elapsed().as_secs(), VERSION_WAIT_MAX.as_secs());
        assert_eq!(refusal, Refusal::TooNew { asked: 7, known: 0 });
        let status = refusal.to_status();
        assert_eq!((status.reason.as_str(), status.code), ("Timeout", 504));
        assert_eq!(
            status.details.unwrap().causes[0].reason,
            "ResourceVersionTooLarge"
        );
        for fresh in [Freshness::Any, Freshness::MostRecent, Freshness::NotOlderThan(0)] {
            assert_eq!(fresh.snapshot(&replica).await.unwrap().version(), 0);
        }
    }
}
