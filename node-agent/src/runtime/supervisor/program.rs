//! The supervisor as a process: this program once more, with another verb.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bosun_host::Host;
use rustix::fs::{Mode, OFlags};
use rustix::process::setsid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::connect::StartSupervisor;
use super::server::serve;
use crate::runtime::RuntimeError;
use crate::runtime::process::ProcessRuntime;

/// This program, also after the file was replaced by an upgrade.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// The line that the supervisor prints once agents can connect; another one is why it cannot.
pub const READY: &str = "ready";
/// How long it may take to get there. It may have to end what an earlier one left.
const READY_MAX: Duration = Duration::from_secs(20);
/// A log longer than this, in bytes, is set aside when a supervisor is started.
const LOG_BYTES_MAX: u64 = 1 << 20;

/// Starts supervisors of `directory` as `bosun supervisor`. Their log is a file in the directory.
pub fn own_program(host: Host, directory: &Path) -> StartSupervisor {
    let directory = directory.to_owned();
    Arc::new(move || {
        let (host, directory) = (host.clone(), directory.clone());
        Box::pin(async move { start(&host, &directory).await })
    })
}

/// What `bosun supervisor` does: serves agents of `directory` from a session of its own, so that no terminal and no end of
/// the agent's session ends it. `ready` is called once agents can connect; when `stop` comes, all containers are stopped.
///
/// # Errors
/// A directory that cannot be used or that has a supervisor already.
pub async fn supervise(
    host: Host,
    directory: &Path,
    ready: impl FnOnce(),
    stop: impl Future<Output = ()>,
) -> Result<(), RuntimeError> {
    if let Err(error) = setsid() {
        // Of a process that leads its group already, as one started by hand; it serves all the same.
        tracing::info!(%error, "not in a session of its own");
    }
    let runtime = ProcessRuntime::in_session_of_its_own(host.clone(), directory);
    serve(host, runtime, directory, ready, stop).await
}

async fn start(host: &Host, directory: &Path) -> Result<(), String> {
    // It stays in no directory, so the path must lead there from anywhere; and people find it in a list of processes by it.
    let directory =
        std::path::absolute(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let log_path = directory.join("supervisor.log");
    let log = open_log(host, &log_path).map_err(|error| format!("{}: {error}", log_path.display()))?;
    let mut command = Command::new(OWN_PROGRAM);
    command
        .arg0("bosun")
        .arg("supervisor")
        .arg("--directory")
        .arg(directory)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    let mut child = command
        .spawn()
        .map_err(|error| format!("this program cannot be run once more: {error}"))?;
    let mut told = String::new();
    let Some(stdout) = child.stdout.take() else {
        unreachable!("it was asked for");
    };
    let words = timeout(READY_MAX, BufReader::new(stdout).read_line(&mut told)).await;
    // From here on it is reaped in the background when it ends.
    drop(child);
    match words {
        Ok(Ok(_)) if told.trim() == READY => Ok(()),
        Ok(_) if told.trim().is_empty() => Err(format!("it ended at once; see {}", log_path.display())),
        Ok(_) => Err(told.trim().to_owned()),
        Err(_) => Err(format!(
            "it was not ready within {} s; see {}",
            READY_MAX.as_secs(),
            log_path.display()
        )),
    }
}

fn open_log(host: &Host, path: &PathBuf) -> std::io::Result<OwnedFd> {
    let open = || {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
    };
    let log = open()?;
    let length = rustix::fs::fstat(&log)?.st_size;
    if u64::try_from(length).unwrap_or(0) <= LOG_BYTES_MAX {
        return Ok(log);
    }
    host.disk.rename(path, &path.with_extension("log.1"))?;
    Ok(open()?)
}
