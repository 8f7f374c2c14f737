//! What /proc tells about processes: owns reading and parsing, proc(5) is the source of the field numbers.

use std::path::Path;

use bosun_host::{Disk, OpenMode, read_fully};

/// Longer than any /proc/PID/stat: 52 numbers and a name of at most 64 bytes.
const STAT_BYTES_MAX: usize = 2048;
/// The other files read here are shorter, in bytes.
const FILE_BYTES_MAX: usize = 64 << 10;

/// The parts of /proc/PID/stat that are of use here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProcessStat {
    pub(super) pid: i32,
    /// `Z` is a process that ended and waits to be reaped.
    pub(super) state: char,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// Clock ticks since boot.
    pub(super) start_ticks: u64,
}

/// One process; `None` when it does not exist.
pub(super) fn process_stat(disk: &dyn Disk, pid: i32) -> Option<ProcessStat> {
    let mut buffer = [0_u8; STAT_BYTES_MAX];
    parse(&read_into(disk, &format!("/proc/{pid}/stat"), &mut buffer)?)
}

/// All processes that can be seen.
pub(super) fn all_processes(disk: &dyn Disk) -> Vec<ProcessStat> {
    let names = disk.list(Path::new("/proc")).unwrap_or_default();
    names
        .iter()
        .filter_map(|name| name.parse().ok())
        .filter_map(|pid| process_stat(disk, pid))
        .collect()
}

/// A short file of /proc or /sys, whose length cannot be asked for.
pub(super) fn read_proc(disk: &dyn Disk, path: &str) -> Option<String> {
    let mut buffer = vec![0_u8; FILE_BYTES_MAX];
    read_into(disk, path, &mut buffer)
}

fn read_into(disk: &dyn Disk, path: &str, buffer: &mut [u8]) -> Option<String> {
    let file = disk.open(Path::new(path), OpenMode::Read).ok()?;
    let length = read_fully(&*file, 0, buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// The second field is the program's name in parentheses and may itself hold spaces and parentheses.
fn parse(text: &str) -> Option<ProcessStat> {
    let (pid, _) = text.split_once(' ')?;
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    // `rest` begins with field 3.
    let field = |number: usize| fields.get(number - 3).copied();
    Some(ProcessStat {
        pid: pid.parse().ok()?,
        state: field(3)?.chars().next()?,
        parent: field(4)?.parse().ok()?,
        group: field(5)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        start_ticks: field(22)?.trim_end().parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let text = "42 (a ) Z (b) S 7 41 40 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 0 0 1\n";
        let stat = parse(text).unwrap();
        assert_eq!(
            stat,
            ProcessStat {
                pid: 42,
                state: 'S',
                parent: 7,
                group: 41,
                session: 40,
                start_ticks: 123_456,
            }
        );
        assert_eq!(parse("42 (cut"), None);
    }

    #[test]
    fn this_process_is_found() {
        let disk = bosun_host::Host::system().disk;
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(process_stat(&*disk, own).unwrap().pid, own);
        assert!(all_processes(&*disk).iter().any(|stat| stat.pid == own));
    }
}
