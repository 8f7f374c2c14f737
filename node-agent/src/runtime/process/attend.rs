//! One running container from its start to the moment nothing of it is left: carries its output to disk, sees its end,
//! ends what it left in its process group, reaps it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, kill_process_group, test_kill_process_group, waitpid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep, timeout};

use super::Shared;
use super::course::Begun;
use super::launch::Launched;
use super::output::{Output, Stream};
use super::proc_stat::{ProcessStat, all_processes};
use crate::runtime::{ContainerId, Ended, LEASE_EXPIRED};

/// How long output is waited for after the end, when a process that left the group holds the pipe open.
const DRAIN_MAX: Duration = Duration::from_millis(200);
/// How long the killed rest of a group may take to vanish.
const GROUP_END_MAX: Duration = Duration::from_secs(2);
/// From this pause on it is asked whether only zombies are left of the group; asking reads all of /proc.
const ZOMBIES_FROM: Duration = Duration::from_millis(4);
/// Bytes read from a pipe at once.
const READ_BYTES: usize = 16 << 10;

/// One stream of a container; ends when all its writers are gone.
struct Pipe {
    receiver: Option<pipe::Receiver>,
    stream: Stream,
}

impl Pipe {
    fn new(fd: OwnedFd, stream: Stream) -> io::Result<Self> {
        Ok(Self {
            receiver: Some(pipe::Receiver::from_owned_fd(fd)?),
            stream,
        })
    }

    fn is_open(&self) -> bool {
        self.receiver.is_some()
    }

    /// Waits until there is something to take. Never ends when the stream has ended.
    async fn readable(&self) {
        match &self.receiver {
            // An error here shows again in `take`.
            Some(receiver) => drop(receiver.readable().await),
            None => std::future::pending().await,
        }
    }

    /// Moves one read's worth to `output`.
    fn take(&mut self, shared: &Shared, output: &mut Output) {
        let Some(receiver) = &self.receiver else {
            return;
        };
        let mut buffer = [0_u8; READ_BYTES];
        match receiver.try_read(&mut buffer) {
            Ok(0) => self.receiver = None,
            Ok(count) => output.append(self.stream, &buffer[..count], shared.host.clock.wall()),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(_) => self.receiver = None,
        }
    }
}

/// Watches a started process until it and its group are gone.
pub(super) async fn attend(shared: &Arc<Shared>, id: &ContainerId, begun: Begun) -> Ended {
    let Begun {
        launched,
        mut output,
        group,
    } = begun;
    let Launched {
        pid,
        pidfd,
        stdout,
        stderr,
        mark,
    } = launched;
    let watched = async {
        let mut stdout = Pipe::new(stdout, Stream::Stdout)?;
        let mut stderr = Pipe::new(stderr, Stream::Stderr)?;
        let end = watch(pidfd)?;
        loop {
            tokio::select! {
                biased;
                () = stdout.readable() => stdout.take(shared, &mut output),
                () = stderr.readable() => stderr.take(shared, &mut output),
                ended = end.readable() => { drop(ended?); break; }
            }
        }
        Ok::<_, io::Error>((stdout, stderr))
    };
    let pipes = watched.await;
    if let Err(error) = &pipes {
        tracing::error!(container = %id, %error, "a process cannot be watched and is ended");
    }
    let (status, expired) = end_group(shared, id, pid).await;
    let finished_at = shared.host.clock.wall();
    if let Ok((mut stdout, mut stderr)) = pipes {
        let drain = async {
            while stdout.is_open() || stderr.is_open() {
                tokio::select! {
                    () = stdout.readable() => stdout.take(shared, &mut output),
                    () = stderr.readable() => stderr.take(shared, &mut output),
                }
            }
        };
        if timeout(DRAIN_MAX, drain).await.is_err() {
            tracing::debug!(container = %id, "a process outside the group still holds the output open");
        }
    }
    output.close(shared.host.clock.wall());
    let mut ended = ended(status, mark.started_at, finished_at);
    if let Some(group) = group {
        if ended.exit_code != 0 && group.ran_out_of_memory(&*shared.host.disk) {
            "OOMKilled".clone_into(&mut ended.reason);
        }
        group.end(&*shared.host.disk).await;
    }
    if expired && ended.signal == Signal::KILL.as_raw() {
        LEASE_EXPIRED.clone_into(&mut ended.reason);
        "killed because the node lost its lease: it could not be heard for too long, and the pod may run elsewhere \
         by now"
            .clone_into(&mut ended.message);
    }
    ended
}

/// A descriptor that becomes readable when its process ends.
#[expect(
    deprecated,
    reason = "the hazard is a type that lies about the descriptor it owns; OwnedFd does not, and the successor is unsafe to call"
)]
fn watch(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(pidfd, Interest::READABLE)
}

/// Kills what is left of the group and reaps its leader. The leader is reaped last: until then its pid, which is the
/// group's number, cannot be given to anybody else.
async fn end_group(shared: &Shared, id: &ContainerId, pid: Pid) -> (Option<WaitStatus>, bool) {
    // The error says that there is no such group any more.
    let leftover = kill_process_group(pid, Signal::KILL);
    tracing::trace!(?leftover, container = %id, "ended the process group");
    let reaped = shared.reap(id, || {
        loop {
            match waitpid(Some(pid), WaitOptions::empty()) {
                Ok(found) => return found.map(|(_, status)| status),
                Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        }
    });
    let deadline = Instant::now() + GROUP_END_MAX;
    let mut pause = Duration::from_micros(500);
    while test_kill_process_group(pid).is_ok() && Instant::now() < deadline {
        // Members whose parent is gone count until the init of the machine reaps them: late, or in a container never.
        if pause >= ZOMBIES_FROM && only_zombies(&all_processes(&*shared.host.disk), pid) {
            break;
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    reaped
}

/// Whether every process of a group has ended, reaped or not.
fn only_zombies(processes: &[ProcessStat], group: Pid) -> bool {
    let group = group.as_raw_nonzero().get();
    processes
        .iter()
        .all(|process| process.group != group || process.state == 'Z')
}

fn ended(
    status: Option<WaitStatus>,
    started_at: bosun_host::WallTime,
    finished_at: bosun_host::WallTime,
) -> Ended {
    let (exit_code, signal, reason, message) = match status {
        Some(status) => match (status.exit_status(), status.terminating_signal()) {
            (Some(0), _) => (0, 0, "Completed", ""),
            (Some(code), _) => (code, 0, "Error", ""),
            (None, Some(signal)) => (128 + signal, signal, "Error", ""),
            (None, None) => (137, 0, "ContainerStatusUnknown", "the kernel gave no exit status"),
        },
        None => (
            137,
            0,
            "ContainerStatusUnknown",
            "somebody else took the exit status of the process",
        ),
    };
    Ended {
        exit_code,
        signal,
        reason: reason.to_owned(),
        message: message.to_owned(),
        started_at: Some(started_at),
        finished_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_ended_when_nothing_or_only_zombies_are_left_of_it() {
        let process = |pid, group, state| ProcessStat {
            pid,
            state,
            parent: 1,
            group,
            session: group,
            start_ticks: 0,
        };
        let group = Pid::from_raw(7).unwrap();
        assert!(only_zombies(&[process(9, 9, 'S')], group));
        assert!(only_zombies(&[process(8, 7, 'Z'), process(9, 9, 'S')], group));
        assert!(!only_zombies(&[process(8, 7, 'Z'), process(9, 7, 'S')], group));
    }
}
