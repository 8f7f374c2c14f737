//! Reaps orphans when the agent is process 1, as in a container without an init: the kernel hands it every process whose
//! parent is gone. Its own containers are left alone; they are reaped where they are watched.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, waitpid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::Shared;
use super::proc_stat::all_processes;

/// Ends of processes within this time are looked at together.
const GATHER: Duration = Duration::from_millis(250);

/// Starts reaping if this process has to.
pub(super) fn reap_if_init(shared: &Arc<Shared>) {
    if std::process::id() == 1 {
        tokio::spawn(reap(Arc::clone(shared)));
    }
}

async fn reap(shared: Arc<Shared>) {
    let mut ended = match signal(SignalKind::child()) {
        Ok(ended) => ended,
        Err(error) => {
            tracing::warn!(%error, "orphaned processes will stay as zombies");
            return;
        }
    };
    while ended.recv().await.is_some() {
        sleep(GATHER).await;
        for process in all_processes(&*shared.host.disk) {
            if process.parent == 1
                && process.state == 'Z'
                && let Some(pid) = Pid::from_raw(process.pid)
                && !shared.may_be_ours(pid)
            {
                let reaped = waitpid(Some(pid), WaitOptions::NOHANG);
                tracing::trace!(?reaped, "reaped an orphan");
            }
        }
    }
}
