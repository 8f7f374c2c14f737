//! The agent's right to run fenced pods, as pure functions. docs/fencing.md says why it is enough.
//!
//! A lease counts from the *sending* of what a leader answered. It can be prolonged without a leader while it still runs
//! ([`crate::leaderless`]). All times are of the clock that goes on while the machine is suspended
//! ([`bosun_host::Clock::boot_instant`]).

use std::sync::Arc;
use std::time::Duration;

use bosun_host::Clock;
use tokio::sync::watch;
use tokio::time::Instant;

/// The right to run fenced pods for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// From when it counts.
    since: Instant,
    /// How long it runs.
    duration: Duration,
    /// The number of the session whose server granted it.
    session: u64,
    /// How many leases ran out before: what ran under an earlier one must have been stopped.
    generation: u64,
}

impl Lease {
    /// A leader has answered what was sent at `sent_at`. An answer that came late never shortens the lease.
    pub fn granted(previous: Option<Self>, sent_at: Instant, duration: Duration, session: u64) -> Self {
        let continued = previous.filter(|previous| sent_at < previous.ends());
        let since = continued.map_or(sent_at, |previous| previous.since.max(sent_at));
        Self {
            since,
            duration,
            session,
            generation: match (continued, previous) {
                (Some(lease), _) => lease.generation,
                (None, Some(previous)) => previous.generation + 1,
                (None, None) => 1,
            },
        }
    }

    /// A majority has said, in a round of questions that began at `began` and has just ended, that there is no leader.
    /// That cannot revive a lease that ran out: somebody may have counted on it.
    #[must_use]
    pub fn prolonged(self, began: Instant, now: Instant) -> Self {
        if self.runs(now) {
            Self {
                since: self.since.max(began),
                ..self
            }
        } else {
            self
        }
    }

    /// When it runs out.
    pub fn ends(&self) -> Instant {
        self.since + self.duration
    }

    /// Whether it still runs.
    pub fn runs(&self, now: Instant) -> bool {
        now < self.ends()
    }

    /// When to look for another way to lengthen it: a quarter of it has passed without an answer of a leader.
    pub fn doubtful_at(&self) -> Instant {
        self.since + self.duration / 4
    }
}

/// The present lease, and everybody who must hear when it gets longer.
pub(crate) struct LeaseKeeper {
    clock: Arc<dyn Clock>,
    lease: watch::Sender<Option<Lease>>,
    /// Tells the runtime until when fenced containers may run, on the clock that timers use.
    pass_on: Box<dyn Fn(Instant) + Send + Sync>,
}

impl LeaseKeeper {
    pub(crate) fn new(clock: Arc<dyn Clock>, pass_on: impl Fn(Instant) + Send + Sync + 'static) -> Self {
        Self {
            clock,
            lease: watch::Sender::new(None),
            pass_on: Box::new(pass_on),
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Lease>> {
        self.lease.subscribe()
    }

    /// The time that leases go by.
    pub(crate) fn now(&self) -> Instant {
        self.clock.boot_instant()
    }

    /// See [`Lease::granted`].
    pub(crate) fn grant(&self, sent_at: Instant, duration: Duration, session: u64) {
        self.change(|lease| Some(Lease::granted(lease, sent_at, duration, session)));
    }

    /// See [`Lease::prolonged`].
    pub(crate) fn prolong(&self, began: Instant) {
        let now = self.now();
        self.change(|lease| lease.map(|lease| lease.prolonged(began, now)));
    }

    fn change(&self, change: impl FnOnce(Option<Lease>) -> Option<Lease>) {
        let mut after = None;
        self.lease.send_modify(|lease| {
            *lease = change(*lease);
            after = *lease;
        });
        if let Some(lease) = after {
            let left = lease.ends().saturating_duration_since(self.now());
            if !left.is_zero() {
                (self.pass_on)(self.clock.instant() + left);
            }
        }
    }
}

/// What is to be done with fenced pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Those that run must be stopped at once.
    pub stop: bool,
    /// From now on they may be started.
    pub begin: bool,
}

/// Whether the agent may start fenced pods: while a lease runs, and once it has heard everything it shall run from the
/// server that granted the first of that lease. Before that it may hold pods that were given up while it was cut off.
#[derive(Debug, Default)]
pub struct Trust {
    /// The lease ran when last looked at, and was of this generation.
    ran: Option<u64>,
    /// The session whose full set is complete; `None` while it is arriving.
    complete: Option<u64>,
    trusted: bool,
}

impl Trust {
    /// A session has begun; its full set follows.
    pub fn opened(&mut self) {
        self.complete = None;
    }

    /// The full set of that session is complete.
    pub fn completed(&mut self, session: u64) {
        self.complete = Some(session);
    }

    /// Whether fenced pods may be started.
    pub fn may_start(&self) -> bool {
        self.trusted
    }

    /// Whether the lease ran when last looked at.
    pub fn saw_it_run(&self) -> bool {
        self.ran.is_some()
    }

    /// Takes the lease as it is at `now` into account.
    pub fn look(&mut self, lease: Option<Lease>, now: Instant) -> Verdict {
        let running = lease.filter(|lease| lease.runs(now));
        let runs = running.map(|lease| lease.generation);
        let mut verdict = Verdict::default();
        if self.ran.is_some() && self.ran != runs {
            verdict.stop = true;
            self.trusted = false;
        }
        self.ran = runs;
        if let Some(lease) = running
            && !self.trusted
            && self.complete == Some(lease.session)
        {
            verdict.begin = true;
            self.trusted = true;
        }
        verdict
    }
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
