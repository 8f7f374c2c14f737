//! Starts one host process. Owns how its command is found, what environment it gets and why a start fails. Runs on a
//! launcher thread: starting blocks until the new program is loaded.
//!
//! Nothing here needs code between fork and exec, so that the standard library takes its fast way (posix_spawn), whose
//! cost does not grow with the memory of the agent.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use bosun_host::Host;
use rustix::fs::FileType;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::cgroup::Group;
use super::proc_stat::process_stat;
use crate::journal::ProcessMark;
use crate::runtime::ContainerSpec;

/// Where programs are looked for when the container sets no PATH.
pub(super) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where a process starts when the container says nothing, as in most images.
const DEFAULT_DIRECTORY: &str = "/";

/// A process that runs.
pub(super) struct Launched {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    pub(super) mark: ProcessMark,
}

/// Starts the process of `spec`, inside `group` if there is one. The error is a sentence for people.
pub(super) fn launch(host: &Host, spec: &ContainerSpec, group: Option<&Group>) -> Result<Launched, String> {
    let name = &spec.command[0];
    let path = spec
        .environment
        .iter()
        .rev()
        .find(|(name, _)| name == "PATH")
        .map_or(DEFAULT_PATH, |(_, value)| value);
    let directory = spec.working_directory.as_deref().unwrap_or(DEFAULT_DIRECTORY);
    let program = if name.contains('/') {
        name.clone()
    } else {
        find_program(name, path).ok_or_else(|| {
            format!("command {name:?} was not found on this node (PATH is {path}); the process runtime takes programs from the node, not from an image")
        })?
    };
    let mut command = command(spec, program, group).map_err(|error| explain(name, directory, &error))?;
    command
        .env_clear()
        .env("PATH", DEFAULT_PATH)
        .env("HOME", home())
        .env("HOSTNAME", &spec.hostname)
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let started_at = host.clock.wall();
    let mut child = command
        .spawn()
        .map_err(|error| explain(name, directory, &error))?;
    let pid = Pid::from_child(&child);
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        unreachable!("both were asked for");
    };
    let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(error) => {
            // Without it the end would go unseen; the process must not run unwatched.
            let killed = kill_process_group(pid, Signal::KILL);
            let reaped = child.wait();
            tracing::debug!(?killed, ?reaped, "took back a process that cannot be watched");
            return Err(format!("cannot watch the process: {error}"));
        }
    };
    // The process is ours and not reaped yet, so the pid is still its own, and it is in /proc even if it is over.
    let start_ticks =
        process_stat(&*host.disk, pid.as_raw_nonzero().get()).map_or(0, |stat| stat.start_ticks);
    Ok(Launched {
        pid,
        pidfd,
        stdout: stdout.into(),
        stderr: stderr.into(),
        mark: ProcessMark {
            pid: pid.as_raw_nonzero().get(),
            start_ticks,
            started_at,
        },
    })
}

/// The command itself, without its surroundings.
fn command(spec: &ContainerSpec, program: String, group: Option<&Group>) -> io::Result<Command> {
    let arguments = &spec.command[1..];
    let Some(group) = group else {
        let mut command = Command::new(program);
        command.arg0(&spec.command[0]).args(arguments);
        return Ok(command);
    };
    // Said here, because the shell in between would only give an exit code.
    if program.starts_with('/') && !is_program(&program) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let words = group.joining(program, arguments);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    Ok(command)
}

fn home() -> &'static str {
    if rustix::process::getuid().is_root() {
        "/root"
    } else {
        "/"
    }
}

/// The search of execvp: done here, because the fast way of starting takes only paths once PATH is set.
fn find_program(name: &str, path: &str) -> Option<String> {
    path.split(':')
        .map(|directory| format!("{}/{name}", if directory.is_empty() { "." } else { directory }))
        .find(|candidate| is_program(candidate))
}

fn is_program(path: &str) -> bool {
    rustix::fs::stat(path).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_mode & 0o111 != 0
    })
}

fn is_directory(path: &str) -> bool {
    rustix::fs::stat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

fn explain(name: &str, directory: &str, error: &io::Error) -> String {
    if !is_directory(directory) {
        return format!("workingDir {directory:?} is not a directory on this node");
    }
    match error.kind() {
        io::ErrorKind::NotFound => format!("command {name:?} does not exist on this node"),
        io::ErrorKind::PermissionDenied => format!("command {name:?} may not be executed"),
        io::ErrorKind::ArgumentListTooLong => {
            "command, args and env are together longer than the kernel takes".to_owned()
        }
        _ => format!("command {name:?} cannot be started: {error}"),
    }
}
