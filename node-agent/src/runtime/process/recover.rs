//! What an earlier life of the agent left: finds its process groups by the journal, ends them, and tells how each
//! container stands. Owns the rule by which a process in /proc is one of ours.

use std::collections::BTreeMap;
use std::time::Duration;

use bosun_host::{Disk, Host};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::{Instant, sleep};

use super::proc_stat::{ProcessStat, all_processes};
use crate::journal::{Journal, ProcessMark, RunRecord};
use crate::runtime::{ContainerId, Ended, Found, Recovery};

/// How long killed left-overs may take to vanish.
const LEFTOVER_END_MAX: Duration = Duration::from_secs(5);

/// Ends what still runs and completes the journal, so that every run in it is over.
pub(super) async fn recover(host: &Host, journal: &Journal, same_boot: bool) -> Recovery {
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
    if same_boot {
        end_leftovers(&*host.disk, &marks).await;
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
        message: "the node agent was restarted while the container ran; what was left of it was killed"
            .to_owned(),
        started_at: Some(mark.started_at),
        finished_at: host.clock.wall(),
    }
}

async fn end_leftovers(disk: &dyn Disk, marks: &BTreeMap<i32, ProcessMark>) {
    if marks.is_empty() {
        return;
    }
    let deadline = Instant::now() + LEFTOVER_END_MAX;
    let mut pause = Duration::from_millis(1);
    loop {
        let groups = leftover_groups(&all_processes(disk), marks);
        if groups.is_empty() {
            return;
        }
        if Instant::now() >= deadline {
            tracing::error!(
                ?groups,
                "process groups of an earlier life of the agent do not end"
            );
            return;
        }
        for group in groups {
            if let Some(pid) = Pid::from_raw(group) {
                let killed = kill_process_group(pid, Signal::KILL);
                tracing::info!(
                    group,
                    ?killed,
                    "ended a process group of an earlier life of the agent"
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
    let mut groups: Vec<i32> = processes
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
        .collect();
    groups.sort_unstable();
    groups.dedup();
    groups
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
            start_ticks,
        }
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
        assert_eq!(check(&[process(50, 50, 100), process(51, 50, 101)]), [50]);
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
