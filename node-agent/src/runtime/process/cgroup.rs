//! Limits of containers by control groups, version 2 or 1, where the machine lets the agent use them. Owns finding out,
//! making, reading and removing them. A container without limits gets none: it would cost 5 to 8 % of a pod, and still let
//! some processes through (docs/benchmarks.md has the figures).
//!
//! A process cannot be started inside a group without code between fork and exec, so a shell joins the groups and then
//! becomes the program. It is only there when there are limits.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bosun_host::{Disk, OpenMode};
use rustix::fs::{AtFlags, CWD, unlinkat};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::proc_stat::read_proc;
use crate::runtime::{ContainerId, Limits};

/// All groups of the agent are below a group of this name.
const PARENT: &str = "bosun";
/// The shell that joins the groups.
const SHELL: &str = "/bin/sh";
/// Joins each group named before `--`, then becomes what is named after it.
const JOIN: &str = "while [ \"$1\" != -- ]; do echo $$ >\"$1\" || exit 125; shift; done; shift; exec \"$@\"";
/// The length of a scheduling period, in microseconds, over which a limit of processor time holds.
const PERIOD_MICROS: u64 = 100_000;
/// The kernel takes no smaller quota than this, in microseconds.
const QUOTA_MICROS_MIN: u64 = 1000;
/// How often removal of a group is tried while its last processes vanish.
const REMOVALS_MAX: u32 = 8;

/// Which groups the agent can make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cgroups {
    cpu: Option<Hierarchy>,
    memory: Option<Hierarchy>,
}

/// A place where groups with one controller (version 1) or several (version 2) are made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    parent: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// The groups of one running container.
#[derive(Debug, Default)]
pub(super) struct Group {
    directories: Vec<PathBuf>,
    memory: Option<(PathBuf, Version)>,
}

impl Cgroups {
    /// Finds out by trying. Whatever goes wrong means that there are none.
    pub(super) fn find(disk: &dyn Disk) -> Self {
        let mounts = read_proc(disk, "/proc/self/mounts").unwrap_or_default();
        let found = Self {
            cpu: hierarchy(disk, &mounts, "cpu"),
            memory: hierarchy(disk, &mounts, "memory"),
        };
        tracing::info!(
            cpu = found.cpu.is_some(),
            memory = found.memory.is_some(),
            "limits of containers that this machine lets the agent enforce"
        );
        found
    }

    /// Makes the groups of a container and sets its limits. `None` when there is nothing to limit or no way to.
    pub(super) fn make(&self, disk: &dyn Disk, id: &ContainerId, limits: Limits) -> Option<Group> {
        let mut group = Group::default();
        if let (Some(milli), Some(hierarchy)) = (limits.cpu_milli, &self.cpu) {
            let quota = (milli * PERIOD_MICROS / 1000).max(QUOTA_MICROS_MIN);
            let setting = match hierarchy.version {
                Version::One => ("cpu.cfs_quota_us", quota.to_string()),
                Version::Two => ("cpu.max", format!("{quota} {PERIOD_MICROS}")),
            };
            group.add(disk, hierarchy, id, setting);
        }
        if let (Some(bytes), Some(hierarchy)) = (limits.memory, &self.memory) {
            let name = match hierarchy.version {
                Version::One => "memory.limit_in_bytes",
                Version::Two => "memory.max",
            };
            if group.add(disk, hierarchy, id, (name, bytes.to_string())) {
                group.memory = Some((hierarchy.parent.join(name_of(id)), hierarchy.version));
            }
        }
        (!group.directories.is_empty()).then_some(group)
    }
}

impl Group {
    fn add(
        &mut self,
        disk: &dyn Disk,
        hierarchy: &Hierarchy,
        id: &ContainerId,
        setting: (&str, String),
    ) -> bool {
        let directory = hierarchy.parent.join(name_of(id));
        let made = disk
            .create_directory(&directory)
            .and_then(|()| write(disk, &directory.join(setting.0), &setting.1));
        if let Err(error) = made {
            let path = directory.display();
            tracing::warn!(%path, %error, "a limit of a container cannot be enforced");
            return false;
        }
        if !self.directories.contains(&directory) {
            self.directories.push(directory);
        }
        true
    }

    /// The command that joins the groups and becomes `program` with `arguments`.
    pub(super) fn joining(&self, program: String, arguments: &[String]) -> Vec<String> {
        let mut command: Vec<String> = [SHELL, "-c", JOIN, "sh"].map(str::to_owned).to_vec();
        for directory in &self.directories {
            command.push(directory.join("cgroup.procs").display().to_string());
        }
        command.push("--".to_owned());
        command.push(program);
        command.extend_from_slice(arguments);
        command
    }

    /// Whether the kernel killed a process of the container for lack of memory.
    pub(super) fn ran_out_of_memory(&self, disk: &dyn Disk) -> bool {
        let Some((directory, version)) = &self.memory else {
            return false;
        };
        let file = match version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        read_proc(disk, &directory.join(file).display().to_string()).is_some_and(|text| oom_kills(&text) > 0)
    }

    /// Removes groups that no process joined.
    pub(super) fn discard(&self) {
        for directory in &self.directories {
            let removed = unlinkat(CWD, directory, AtFlags::REMOVEDIR);
            tracing::trace!(?removed, "removed an unused control group");
        }
    }

    /// Kills what is left in the groups, also what left the process group, and removes them.
    pub(super) async fn end(self, disk: &dyn Disk) {
        for directory in self.directories {
            let mut pause = Duration::from_millis(1);
            for _ in 0..REMOVALS_MAX {
                let processes = read_proc(disk, &directory.join("cgroup.procs").display().to_string());
                for pid in processes.unwrap_or_default().lines() {
                    if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
                        let killed = kill_process(pid, Signal::KILL);
                        tracing::trace!(?killed, "killed what was left in a control group");
                    }
                }
                if unlinkat(CWD, &directory, AtFlags::REMOVEDIR).is_ok() {
                    break;
                }
                sleep(pause).await;
                pause *= 2;
            }
        }
    }
}

fn name_of(id: &ContainerId) -> String {
    format!("{}.{}.{}", id.pod_uid, id.container, id.run)
}

/// Where groups with this controller can be made.
fn hierarchy(disk: &dyn Disk, mounts: &str, controller: &str) -> Option<Hierarchy> {
    let (root, version) = mount_of(disk, mounts, controller)?;
    let parent = root.join(PARENT);
    disk.create_directory(&parent).ok()?;
    if version == Version::Two {
        let enable = format!("+{controller}");
        write(disk, &root.join("cgroup.subtree_control"), &enable).ok()?;
        write(disk, &parent.join("cgroup.subtree_control"), &enable).ok()?;
    }
    // The surest sign: a group below has the controller's files.
    let probe = parent.join("probe");
    disk.create_directory(&probe).ok()?;
    let file = match (controller, version) {
        ("cpu", Version::One) => "cpu.cfs_quota_us",
        ("cpu", Version::Two) => "cpu.max",
        (_, Version::One) => "memory.limit_in_bytes",
        (_, Version::Two) => "memory.max",
    };
    let usable = disk.open(&probe.join(file), OpenMode::Write).is_ok();
    let removed = unlinkat(CWD, &probe, AtFlags::REMOVEDIR);
    tracing::trace!(controller, usable, ?removed, "looked for control groups");
    usable.then_some(Hierarchy { parent, version })
}

/// The mount point of the hierarchy that has the controller: version 1 if one is mounted for it, else version 2.
fn mount_of(disk: &dyn Disk, mounts: &str, controller: &str) -> Option<(PathBuf, Version)> {
    let fields = || mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    for mount in fields() {
        if let [_, path, "cgroup", options, ..] = mount[..]
            && options.split(',').any(|option| option == controller)
        {
            return Some((PathBuf::from(path), Version::One));
        }
    }
    for mount in fields() {
        if let [_, path, "cgroup2", ..] = mount[..] {
            let listed = read_proc(disk, &format!("{path}/cgroup.controllers")).unwrap_or_default();
            if listed.split_whitespace().any(|name| name == controller) {
                return Some((PathBuf::from(path), Version::Two));
            }
        }
    }
    None
}

fn write(disk: &dyn Disk, path: &Path, text: &str) -> io::Result<()> {
    disk.open(path, OpenMode::Write)?.write_at(0, text.as_bytes())
}

fn oom_kills(text: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill "))
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_understood() {
        let disk = bosun_host::Host::system().disk;
        let mounts = "cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n\
                      cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0\n\
                      cgroup2 /no/such/place cgroup2 rw 0 0\n";
        let found = mount_of(&*disk, mounts, "cpu");
        assert_eq!(found, Some((PathBuf::from("/sys/fs/cgroup/cpu"), Version::One)));
        assert_eq!(mount_of(&*disk, mounts, "memory"), None);
    }

    #[test]
    fn kills_for_lack_of_memory_are_counted() {
        assert_eq!(oom_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"), 2);
        assert_eq!(
            oom_kills("low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\noom_group_kill 0\n"),
            1
        );
        assert_eq!(oom_kills(""), 0);
    }

    #[test]
    fn the_joining_shell_names_every_group_and_keeps_the_arguments() {
        let group = Group {
            directories: vec![PathBuf::from("/a"), PathBuf::from("/b")],
            memory: None,
        };
        let command = group.joining("/bin/x".to_owned(), &["y z".to_owned()]);
        assert_eq!(
            command[3..],
            ["sh", "/a/cgroup.procs", "/b/cgroup.procs", "--", "/bin/x", "y z"]
        );
    }
}
