//! Reaps orphans when the agent is process 1, as in a container without an init: the kernel hands it every process whose
//! parent is gone, among them what containers left behind. Containers themselves are reaped where they are watched.

use std::time::Duration;

use bosun_host::Host;
use rustix::process::{Pid, WaitOptions, waitpid};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::proc_stat::all_processes;

/// Ends of processes within this time are looked at together.
const GATHER: Duration = Duration::from_millis(250);

/// Starts reaping if this process has to. No child is waited for elsewhere in it, but for a supervisor: whoever comes
/// first sees its end, and nobody needs it.
pub(in crate::runtime) fn reap_if_init(host: &Host) {
    if std::process::id() == 1 {
        tokio::spawn(reap(host.clone()));
    }
}

async fn reap(host: Host) {
    let mut ended = match signal(SignalKind::child()) {
        Ok(ended) => ended,
        Err(error) => {
            tracing::warn!(%error, "orphaned processes will stay as zombies");
            return;
        }
    };
    while ended.recv().await.is_some() {
        sleep(GATHER).await;
        for process in all_processes(&*host.disk) {
            if process.parent == 1
                && process.state == 'Z'
                && let Some(pid) = Pid::from_raw(process.pid)
            {
                let reaped = waitpid(Some(pid), WaitOptions::NOHANG);
                tracing::trace!(?reaped, "reaped an orphan");
            }
        }
    }
}
