//! What an earlier life of the runtime left: finds its process groups by the journal, ends them, and tells how each
//! container stands. Owns the rule by which a process in /proc is one of ours.

use std::collections::BTreeMap;
use std::time::Duration;

use bosun_host::{Disk, Host};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::{Instant, sleep};

use super::proc_stat::{ProcessStat, all_processes};
use crate::journal::{Earlier, Journal, ProcessMark, RunRecord, SessionMark};
use crate::runtime::{ContainerId, Ended, Found, Recovery};

/// How long killed left-overs may take to vanish.
const LEFTOVER_END_MAX: Duration = Duration::from_secs(5);

/// Ends what still runs and completes the journal, so that every run in it is over.
pub(super) async fn recover(host: &Host, journal: &Journal, earlier: Earlier) -> Recovery {
    let content = journal.content();
    let mut containers = Vec::new();
    let mut marks = BTreeMap::new();
    for (pod_uid, pod) in content.pods {
        for (container, runs) in pod {
            for (run, record) in runs {
                let id = ContainerId {
                    pod_uid: pod_uid.clone(),
                    container: container.clone(),
                    run,
                };
                match record {
                    RunRecord::Ended(ended) => containers.push((id, Found::Ended(ended))),
                    RunRecord::Started(mark) => {
                        marks.insert(mark.pid, mark);
                        let ended = lost(host, mark);
                        journal.ended(&id, &ended);
                        containers.push((id, Found::Ended(ended)));
                    }
                }
            }
        }
    }
    if earlier.same_boot {
        end_leftovers(&*host.disk, &marks, earlier.session).await;
    }
    Recovery {
        containers,
        finished: content.finished,
    }
}

fn lost(host: &Host, mark: ProcessMark) -> Ended {
    Ended {
        exit_code: 137,
        signal: 0,
        reason: "ContainerStatusUnknown".to_owned(),
        message: "what watched over the container ended while it ran; what was left of it was killed"
            .to_owned(),
        started_at: Some(mark.started_at),
        finished_at: host.clock.wall(),
    }
}

async fn end_leftovers(disk: &dyn Disk, marks: &BTreeMap<i32, ProcessMark>, session: Option<SessionMark>) {
    if marks.is_empty() && session.is_none() {
        return;
    }
    let deadline = Instant::now() + LEFTOVER_END_MAX;
    let mut pause = Duration::from_millis(1);
    loop {
        let processes = all_processes(disk);
        let mut groups = leftover_groups(&processes, marks);
        if let Some(session) = session {
            groups.extend(groups_of_session(&processes, session));
        }
        groups.sort_unstable();
        groups.dedup();
        if groups.is_empty() {
            return;
        }
        if Instant::now() >= deadline {
            tracing::error!(
                ?groups,
                "process groups of an earlier life of the runtime do not end"
            );
            return;
        }
        for group in groups {
            if let Some(pid) = Pid::from_raw(group) {
                let killed = kill_process_group(pid, Signal::KILL);
                tracing::info!(
                    group,
                    ?killed,
                    "ended a process group of an earlier life of the runtime"
                );
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// The groups in `processes` that belong to `marks`. A leader counts only with the very start time that was recorded:
/// its pid may have been given to a stranger since. Where the leader is gone, the number of the group cannot have been
/// given away as long as a member is left, and members are younger than the leader was.
fn leftover_groups(processes: &[ProcessStat], marks: &BTreeMap<i32, ProcessMark>) -> Vec<i32> {
    let leaders: BTreeMap<i32, u64> = processes
        .iter()
        .map(|process| (process.pid, process.start_ticks))
        .collect();
    processes
        .iter()
        .filter(|process| process.state != 'Z')
        .filter(|process| {
            marks.get(&process.group).is_some_and(|mark| {
                leaders
                    .get(&process.group)
                    .is_none_or(|start| *start == mark.start_ticks)
                    && process.start_ticks >= mark.start_ticks
            })
        })
        .map(|process| process.group)
        .collect()
}

/// The groups in `processes` that belong to a session: also those of containers that the journal had no time to name. As
/// with groups, the number of a session is not given away as long as a member is left.
fn groups_of_session(processes: &[ProcessStat], session: SessionMark) -> Vec<i32> {
    let foreign = |process: &ProcessStat| process.pid == session.pid && process.start_ticks != session.ticks;
    if processes.iter().any(foreign) {
        return Vec::new();
    }
    processes
        .iter()
        .filter(|process| process.state != 'Z' && process.session == session.pid)
        .filter(|process| process.start_ticks >= session.ticks)
        .map(|process| process.group)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bosun_host::WallTime;

    fn process(pid: i32, group: i32, start_ticks: u64) -> ProcessStat {
        ProcessStat {
            pid,
            state: 'S',
            parent: 1,
            group,
            session: group,
            start_ticks,
        }
    }

    #[test]
    fn a_session_is_ours_as_long_as_no_stranger_has_its_number() {
        let session = SessionMark { pid: 40, ticks: 90 };
        let member = ProcessStat {
            session: 40,
            ..process(51, 50, 101)
        };
        assert_eq!(groups_of_session(&[member, process(60, 60, 100)], session), [50]);
        let leader = |start_ticks| ProcessStat {
            session: 40,
            ..process(40, 40, start_ticks)
        };
        assert_eq!(groups_of_session(&[leader(90), member], session), [40, 50]);
        assert!(groups_of_session(&[leader(500), member], session).is_empty());
        let zombie = ProcessStat { state: 'Z', ..member };
        assert!(groups_of_session(&[zombie], session).is_empty());
    }

    #[test]
    fn only_groups_whose_leader_is_the_recorded_process_are_ours() {
        let mark = ProcessMark {
            pid: 50,
            start_ticks: 100,
            started_at: WallTime::UNIX_EPOCH,
        };
        let marks = BTreeMap::from([(50, mark)]);
        let check = |processes: &[ProcessStat]| leftover_groups(processes, &marks);
        assert_eq!(check(&[process(50, 50, 100), process(51, 50, 101)]), [50, 50]);
        // The leader is gone, a child is left.
        assert_eq!(check(&[process(51, 50, 101)]), [50]);
        // The pid belongs to a stranger now, who may have children.
        assert!(check(&[process(50, 50, 900), process(51, 50, 901)]).is_empty());
        assert!(check(&[process(50, 7, 900), process(60, 60, 100)]).is_empty());
        let zombie = ProcessStat {
            state: 'Z',
            ..process(50, 50, 100)
        };
        assert!(check(&[zombie]).is_empty());
    }
}
