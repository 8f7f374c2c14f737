//! The lease on fenced containers: it runs until it is extended no more, and then every fenced container is killed, whether
//! or not anybody is there to ask for it. Time is counted from the machine's boot, also while it sleeps.

use std::sync::Weak;
use std::time::Duration;

use rustix::process::{Signal, kill_process_group};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Run, Shared};

/// The time is looked at again after at most so long: timers stand still while the machine sleeps, the lease does not.
const LOOK_MAX: Duration = Duration::from_millis(500);

/// Kills fenced containers each time that the lease runs out. Ends with the runtime.
pub(super) async fn keep(shared: Weak<Shared>, mut lease: watch::Receiver<Option<Duration>>) {
    loop {
        let until = *lease.borrow_and_update();
        let left = {
            let Some(shared) = shared.upgrade() else {
                return;
            };
            let left = until.map(|until| until.saturating_sub(shared.host.clock.since_boot()));
            if left == Some(Duration::ZERO) {
                shared.kill_fenced();
            }
            left
        };
        let extended = match left {
            Some(left) if left > Duration::ZERO => tokio::select! {
                extended = lease.changed() => extended,
                () = sleep(left.min(LOOK_MAX)) => continue,
            },
            Some(_) | None => lease.changed().await,
        };
        if extended.is_err() {
            return;
        }
    }
}

impl Shared {
    /// Whether fenced containers may run now.
    pub(super) fn lease_runs(&self) -> bool {
        let until = *self.lease.borrow();
        until.is_some_and(|until| self.host.clock.since_boot() < until)
    }

    /// Lets the lease run until then. One that ran out unnoticed, because this process stood still, is made good first:
    /// what it covered may run elsewhere by now.
    pub(super) fn extend_lease(&self, until: Duration) {
        if !self.lease_runs() {
            self.kill_fenced();
        }
        self.lease.send_if_modified(|lease| {
            let longer = lease.is_none_or(|lease| lease < until);
            if longer {
                *lease = Some(until);
            }
            longer
        });
    }

    /// Kills every fenced container that runs.
    pub(super) fn kill_fenced(&self) {
        for (id, run) in self.runs().iter_mut() {
            if let Run::Running(running) = run
                && running.fenced
                && !running.expired
            {
                running.expired = true;
                let sent = kill_process_group(running.pid, Signal::KILL);
                tracing::warn!(container = %id, ?sent, "killed because the lease on fenced pods ran out");
            }
        }
    }
}
