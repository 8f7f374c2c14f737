//! Owns the decision whether and when a failed request is sent again.

use crate::error::ApiError;
use std::time::Duration;
use tokio::time::Instant;

/// The pause after the first failure; it doubles up to [`PAUSE_MAX`].
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// How long a client goes on trying when servers do not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience(pub Duration);

/// How long a client goes on trying, by what it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// No server accepts a connection.
    nobody_there: Duration,
    /// Servers are there, but cannot do it just now, or are lost while they do.
    in_trouble: Duration,
}

impl Default for Bounds {
    /// Where nobody listens, a person wants to hear of it at once. A cluster that has lost its leader is whole again before
    /// this ends, even on slow machines.
    fn default() -> Self {
        Self {
            nobody_there: Duration::from_secs(1),
            in_trouble: Duration::from_secs(8),
        }
    }
}

impl From<Patience> for Bounds {
    fn from(Patience(patience): Patience) -> Self {
        Self {
            nobody_there: patience,
            in_trouble: patience,
        }
    }
}

impl Bounds {
    fn after(self, error: &ApiError) -> Duration {
        match error {
            ApiError::Unreachable { sent: false, .. } => self.nobody_there,
            ApiError::Unreachable { .. }
            | ApiError::Refused(_)
            | ApiError::Timeout { .. }
            | ApiError::TooOld { .. }
            | ApiError::Unexpected { .. } => self.in_trouble,
        }
    }
}

/// What a request does to the cluster, as far as repeating it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing, or something that its request id lets happen only once: it may be repeated at will.
    Safe,
    /// Something: it may be repeated only when it was surely not done.
    Change,
}

/// The attempts of one request, or of one unbroken series of failures of a watch.
#[derive(Debug)]
pub(crate) struct Attempts {
    bounds: Bounds,
    failing_since: Option<Instant>,
    pause: Duration,
}

impl Attempts {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            failing_since: None,
            pause: PAUSE_FIRST,
        }
    }

    /// Forgets earlier failures, after a success.
    pub(crate) fn succeeded(&mut self) {
        self.failing_since = None;
        self.pause = PAUSE_FIRST;
    }

    /// How long to wait before the next attempt, or `None` when there shall be none.
    pub(crate) fn pause_after(&mut self, error: &ApiError, effect: Effect, now: Instant) -> Option<Duration> {
        let may_repeat = match effect {
            Effect::Safe => error.is_transient(),
            Effect::Change => error.is_transient() && error.surely_not_done(),
        };
        let since = *self.failing_since.get_or_insert(now);
        let advised = match error {
            ApiError::Refused(refusal) => u64::try_from(refusal.retry_after_seconds).unwrap_or_default(),
            ApiError::TooOld { .. }
            | ApiError::Unreachable { .. }
            | ApiError::Timeout { .. }
            | ApiError::Unexpected { .. } => 0,
        };
        let pause = self.pause.max(Duration::from_secs(advised));
        if !may_repeat || now.duration_since(since) + pause > self.bounds.after(error) {
            return None;
        }
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable(sent: bool) -> ApiError {
        ApiError::Unreachable {
            addresses: Vec::new(),
            detail: String::new(),
            sent,
        }
    }

    #[tokio::test]
    async fn pauses_grow_until_patience_ends() {
        let start = Instant::now();
        let mut attempts = Attempts::new(Patience(Duration::from_secs(2)).into());
        let mut elapsed = Duration::ZERO;
        let mut pauses = Vec::new();
        while let Some(pause) = attempts.pause_after(&unreachable(true), Effect::Safe, start + elapsed) {
            pauses.push(pause.as_millis());
            elapsed += pause;
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800]);
        attempts.succeeded();
        assert!(
            attempts
                .pause_after(&unreachable(true), Effect::Safe, start + elapsed)
                .is_some()
        );
    }

    #[tokio::test]
    async fn a_change_without_an_id_is_repeated_only_when_it_was_surely_not_done() {
        let now = Instant::now();
        let decide = |error: &ApiError| {
            Attempts::new(Bounds::default())
                .pause_after(error, Effect::Change, now)
                .is_some()
        };
        assert!(decide(&unreachable(false)));
        assert!(!decide(&unreachable(true)));
        assert!(!decide(&ApiError::Timeout {
            detail: String::new()
        }));
        assert!(!decide(&ApiError::TooOld {
            resource_version: "1".into()
        }));
    }

    #[tokio::test]
    async fn a_cluster_in_trouble_is_given_more_time_than_one_that_is_not_there() {
        let start = Instant::now();
        let tried_for = |error: &ApiError| {
            let mut attempts = Attempts::new(Bounds::default());
            let mut elapsed = Duration::ZERO;
            while let Some(pause) = attempts.pause_after(error, Effect::Safe, start + elapsed) {
                elapsed += pause;
            }
            elapsed.as_secs()
        };
        assert!(tried_for(&unreachable(false)) < 1);
        assert!(tried_for(&unreachable(true)) >= 5);
    }
}
