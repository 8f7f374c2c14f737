//! Lives of pods as short scripts: what happens at which second, and what the agent does about it.

use bosun_proto::core_v1::PodStatus;

use super::life::{Step, advance, fence, remove};
use super::status::status;
use super::testing::{at, node, pod};
use super::*;
use crate::runtime::{Found, StopSignal};

struct Life {
    record: PodRecord,
    now: i64,
    look_again: Option<i64>,
    notes: Vec<String>,
}

fn container(name: &str) -> String {
    format!(r#"{{"name": "{name}", "image": "i", "command": ["run"]}}"#)
}

fn sidecar(name: &str) -> String {
    format!(r#"{{"name": "{name}", "image": "i", "command": ["run"], "restartPolicy": "Always"}}"#)
}

fn life(policy: &str, init: &[String], apps: &[String], more_spec: &str) -> Life {
    let pod = pod(&format!(
        r#"{{"metadata": {{"name": "p", "namespace": "n", "uid": "u", "generation": 3}}, "spec": {{"restartPolicy": "{policy}",
            "initContainers": [{}], "containers": [{}] {more_spec}}}}}"#,
        init.join(","),
        apps.join(",")
    ));
    Life {
        record: seed(pod, &[], at(0)),
        now: 0,
        look_again: None,
        notes: Vec::new(),
    }
}

fn simple(policy: &str) -> Life {
    life(policy, &[], &[container("a")], "")
}

impl Life {
    /// Advances at the present time and says what is done, like `start a/0, term b/2`.
    fn step(&mut self) -> String {
        let done = advance(&mut self.record, &node(), at(self.now));
        self.look_again = done.look_again.map(|time| time.timestamp());
        self.notes.extend(
            done.notes
                .iter()
                .map(|note| format!("{}: {}", note.reason, note.message)),
        );
        let short = |id: &ContainerId| format!("{}/{}", id.container, id.run);
        let steps: Vec<String> = done
            .steps
            .iter()
            .map(|step| match step {
                Step::Start(spec) => format!("start {}", short(&spec.id)),
                Step::Signal(id, StopSignal::Terminate) => format!("term {}", short(id)),
                Step::Signal(id, StopSignal::Kill) => format!("kill {}", short(id)),
            })
            .collect();
        steps.join(", ")
    }

    fn at(&mut self, second: i64) -> &mut Self {
        self.now = second;
        self
    }

    fn id(&self, name: &str) -> ContainerId {
        let container = self
            .record
            .containers
            .iter()
            .find(|found| *found.name == *name)
            .unwrap();
        self.record.container_id(container)
    }

    fn started(&mut self, name: &str) -> String {
        let event = RuntimeEvent::Started {
            id: self.id(name),
            at: at(self.now),
        };
        assert_eq!(self.record.observe(&event), None);
        self.step()
    }

    fn ended(&mut self, name: &str, exit_code: i32) -> String {
        let started_at = match &self
            .record
            .containers
            .iter()
            .find(|found| *found.name == *name)
            .unwrap()
            .state
        {
            ContainerState::Running { started_at } => Some(*started_at),
            _ => None,
        };
        let event = RuntimeEvent::Ended {
            id: self.id(name),
            ended: Ended {
                exit_code,
                signal: 0,
                reason: if exit_code == 0 { "Completed" } else { "Error" }.to_owned(),
                message: String::new(),
                started_at,
                finished_at: at(self.now),
            },
        };
        let note = self.record.observe(&event);
        self.notes
            .extend(note.map(|note| format!("{}: {}", note.reason, note.message)));
        self.step()
    }

    fn delete(&mut self, grace: i64) -> String {
        let meta = self.record.pod.metadata.as_mut().unwrap();
        meta.deletion_timestamp = Some(at(self.now + grace).into());
        meta.deletion_grace_period_seconds = Some(grace);
        self.step()
    }

    fn status(&mut self) -> PodStatus {
        status(&mut self.record, &node(), at(self.now))
    }

    fn phase(&self) -> (Phase, bool) {
        (self.record.phase, self.record.stopped)
    }

    /// State of a container in words: `waiting R`, `running`, `terminated CODE R`; then the restart count and, after a
    /// `|`, the code of the last run.
    fn told(&mut self, name: &str) -> String {
        let status = self.status();
        let mut all = status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses);
        let found = all.find(|found| found.name == name).unwrap();
        let state = found.state.clone().unwrap();
        let state = match (state.waiting, state.running, state.terminated) {
            (Some(waiting), None, None) => format!("waiting {}", waiting.reason),
            (None, Some(_), None) => "running".to_owned(),
            (None, None, Some(terminated)) => {
                format!("terminated {} {}", terminated.exit_code, terminated.reason)
            }
            other => panic!("{other:?}"),
        };
        let last = found
            .last_state
            .as_ref()
            .and_then(|last| last.terminated.as_ref());
        let last = last
            .map(|last| format!(" | {}", last.exit_code))
            .unwrap_or_default();
        format!("{state} x{}{last}", found.restart_count)
    }

    /// `Initialized ContainersReady Ready` as T or F, each with its reason if it has one.
    fn conditions(&mut self) -> String {
        let status = self.status();
        let words: Vec<String> = status
            .conditions
            .iter()
            .map(|condition| match condition.reason.as_str() {
                "" => condition.status[..1].to_owned(),
                reason => format!("{}({reason})", &condition.status[..1]),
            })
            .collect();
        words.join(" ")
    }
}

#[test]
fn a_pod_that_does_its_work_succeeds() {
    let mut life = simple("Never");
    assert_eq!(life.step(), "start a/0");
    assert_eq!(life.told("a"), "waiting ContainerCreating x0");
    assert_eq!(life.phase(), (Phase::Pending, false));
    assert_eq!(life.conditions(), "T F(ContainersNotReady) F(ContainersNotReady)");
    assert_eq!(life.step(), "", "it is not started twice");
    assert_eq!(life.at(1).started("a"), "");
    assert_eq!(
        (life.phase(), life.told("a")),
        ((Phase::Running, false), "running x0".to_owned())
    );
    assert_eq!(life.conditions(), "T T T");
    assert_eq!(life.at(2).ended("a", 0), "");
    assert_eq!(life.phase(), (Phase::Succeeded, true));
    assert_eq!(life.told("a"), "terminated 0 Completed x0");
    assert_eq!(
        life.conditions(),
        "T(PodCompleted) F(PodCompleted) F(PodCompleted)"
    );
    assert_eq!(life.look_again, None);
}

#[test]
fn a_pod_that_fails_and_may_not_restart_is_failed() {
    let mut life = simple("Never");
    life.step();
    life.started("a");
    assert_eq!(life.ended("a", 3), "");
    assert_eq!(life.phase(), (Phase::Failed, true));
    assert_eq!(life.told("a"), "terminated 3 Error x0");
    assert_eq!(life.conditions(), "T F(PodFailed) F(PodFailed)");
}

#[test]
fn restarts_are_in_place_at_once_first_and_then_put_off() {
    let mut life = simple("OnFailure");
    life.step();
    life.started("a");
    assert_eq!(life.at(5).ended("a", 1), "start a/1");
    assert_eq!(life.told("a"), "waiting CrashLoopBackOff x1 | 1");
    life.started("a");
    assert_eq!(life.told("a"), "running x1 | 1");
    assert_eq!(life.at(8).ended("a", 2), "");
    assert_eq!(
        (life.told("a"), life.look_again),
        ("waiting CrashLoopBackOff x1 | 2".to_owned(), Some(18))
    );
    assert_eq!(
        life.phase(),
        (Phase::Running, false),
        "the phase does not go back"
    );
    assert_eq!(life.conditions(), "T F(ContainersNotReady) F(ContainersNotReady)");
    assert_eq!(life.at(17).step(), "");
    assert_eq!(life.at(18).step(), "start a/2");
    life.started("a");
    assert_eq!(life.at(20).ended("a", 2), "");
    assert_eq!(life.look_again, Some(40), "the delay doubles");
    assert_eq!(life.notes.len(), 2, "{:?}", life.notes);
    assert!(
        life.notes[0].starts_with("BackOff: waiting 10 s before container \"a\""),
        "{:?}",
        life.notes
    );
    assert_eq!(life.at(40).step(), "start a/3");
    life.started("a");
    assert_eq!(life.at(41).ended("a", 0), "");
    assert_eq!(life.phase(), (Phase::Succeeded, true));
    assert_eq!(life.told("a"), "terminated 0 Completed x3 | 2");
}

#[test]
fn always_restarts_after_success_too() {
    let mut life = simple("Always");
    life.step();
    life.started("a");
    assert_eq!(life.at(1).ended("a", 0), "start a/1");
    assert_eq!(life.phase(), (Phase::Running, false));
}

#[test]
fn several_containers_start_together_and_all_count() {
    let mut life = life("Never", &[], &[container("a"), container("b")], "");
    assert_eq!(life.step(), "start a/0, start b/0");
    life.started("a");
    assert_eq!(life.phase(), (Phase::Pending, false));
    life.started("b");
    life.ended("a", 1);
    assert_eq!(life.phase(), (Phase::Running, false), "one still runs");
    life.ended("b", 0);
    assert_eq!(life.phase(), (Phase::Failed, true));
}

#[test]
fn init_containers_run_one_after_another() {
    let mut life = life("Always", &[container("i"), container("j")], &[container("a")], "");
    assert_eq!(life.step(), "start i/0");
    assert_eq!(life.told("j"), "waiting PodInitializing x0");
    assert_eq!(life.told("a"), "waiting PodInitializing x0");
    assert_eq!(
        life.conditions(),
        "F(ContainersNotInitialized) F(ContainersNotReady) F(ContainersNotReady)"
    );
    assert_eq!(life.started("i"), "");
    assert_eq!(
        life.at(1).ended("i", 1),
        "start i/1",
        "restarted, since the policy is Always"
    );
    life.started("i");
    assert_eq!(life.at(2).ended("i", 0), "start j/0");
    life.started("j");
    assert_eq!(life.phase(), (Phase::Pending, false));
    assert_eq!(life.at(3).ended("j", 0), "start a/0");
    assert_eq!(life.told("i"), "terminated 0 Completed x1 | 1");
    life.started("a");
    assert_eq!(
        (life.phase(), life.conditions().as_str()),
        ((Phase::Running, false), "T T T")
    );
}

#[test]
fn a_failed_init_container_fails_a_pod_that_never_restarts() {
    let mut life = life("Never", &[sidecar("s"), container("i")], &[container("a")], "");
    assert_eq!(life.step(), "start s/0");
    assert_eq!(life.started("s"), "start i/0");
    life.started("i");
    assert_eq!(life.ended("i", 4), "term s/0");
    assert_eq!(life.phase(), (Phase::Pending, false));
    assert_eq!(life.ended("s", 143), "");
    assert_eq!(life.phase(), (Phase::Failed, true));
    assert_eq!(life.told("a"), "terminated 137 ContainerStatusUnknown x0");
}

#[test]
fn sidecars_are_restarted_and_stopped_last_in_reverse_order() {
    let mut life = life("Never", &[sidecar("s"), sidecar("t")], &[container("a")], "");
    assert_eq!(life.step(), "start s/0");
    assert_eq!(life.started("s"), "start t/0");
    assert_eq!(life.started("t"), "start a/0");
    life.started("a");
    assert_eq!(
        life.at(1).ended("s", 0),
        "start s/1",
        "even in a pod that never restarts"
    );
    life.started("s");
    assert_eq!(life.at(2).ended("a", 0), "term t/0");
    assert_eq!(life.phase(), (Phase::Running, false));
    assert_eq!(life.at(3).ended("t", 143), "term s/1");
    assert_eq!(life.look_again, Some(32));
    assert_eq!(life.at(32).step(), "kill s/1");
    assert_eq!(life.ended("s", 137), "");
    assert_eq!(life.phase(), (Phase::Succeeded, true), "sidecars do not decide");
}

#[test]
fn deletion_asks_first_and_kills_when_patience_ends() {
    let mut life = simple("Always");
    life.step();
    life.started("a");
    assert_eq!(life.at(10).delete(30), "term a/0");
    assert_eq!(life.look_again, Some(40));
    assert_eq!(life.step(), "", "asked once");
    assert_eq!(life.at(15).delete(5), "");
    assert_eq!(life.look_again, Some(20), "a second deletion may shorten");
    assert_eq!(life.at(16).delete(60), "");
    assert_eq!(life.look_again, Some(20), "and never lengthens");
    assert_eq!(life.at(20).step(), "kill a/0");
    assert_eq!(life.at(21).step(), "");
    assert_eq!(life.ended("a", 137), "");
    assert_eq!(life.phase(), (Phase::Failed, true));
    assert_eq!(life.told("a"), "terminated 137 Error x0");
    assert_eq!(life.notes, ["Killing: stopping container \"a\""]);
}

#[test]
fn a_grace_that_outlasts_the_calendar_is_only_a_long_one() {
    for grace in [i64::MAX / 1_000, i64::MAX] {
        let mut life = simple("Always");
        life.step();
        life.started("a");
        let meta = life.record.pod.metadata.as_mut().unwrap();
        meta.deletion_timestamp = Some(at(1).into());
        meta.deletion_grace_period_seconds = Some(grace);
        assert_eq!(life.step(), "term a/0");
        assert_eq!(life.look_again, Some(i64::from(u32::MAX)));
    }
}

#[test]
fn deletion_at_any_moment_ends_without_another_start() {
    // Before anything started.
    let mut life = simple("Always");
    assert_eq!(life.delete(30), "");
    assert_eq!(life.phase(), (Phase::Failed, true));
    assert_eq!(life.told("a"), "terminated 137 ContainerStatusUnknown x0");
    // While the runtime starts it: it is asked to stop as soon as it is known to run.
    let mut life = simple("Always");
    life.step();
    assert_eq!(life.delete(30), "");
    assert_eq!(life.phase(), (Phase::Pending, false));
    assert_eq!(life.started("a"), "term a/0");
    // While it waits for its restart.
    let mut life = simple("Always");
    life.step();
    life.started("a");
    life.ended("a", 1);
    life.started("a");
    assert_eq!(life.at(1).ended("a", 1), "");
    assert_eq!(life.delete(30), "");
    assert_eq!(
        (life.phase(), life.told("a").as_str()),
        ((Phase::Failed, true), "terminated 1 Error x1 | 1")
    );
    // No grace at all.
    let mut life = simple("Always");
    life.step();
    life.started("a");
    assert_eq!(life.delete(0), "kill a/0");
}

#[test]
fn a_deleted_pod_whose_containers_succeed_has_succeeded() {
    let mut life = simple("Never");
    life.step();
    life.started("a");
    assert_eq!(life.delete(30), "term a/0");
    life.ended("a", 0);
    assert_eq!(life.phase(), (Phase::Succeeded, true));
}

#[test]
fn the_deadline_ends_a_pod() {
    let mut life = life(
        "Always",
        &[],
        &[container("a")],
        r#", "activeDeadlineSeconds": 60, "terminationGracePeriodSeconds": 2"#,
    );
    life.step();
    assert_eq!((life.started("a"), life.look_again), (String::new(), Some(60)));
    assert_eq!(life.at(60).step(), "term a/0");
    assert_eq!(life.look_again, Some(62));
    assert_eq!(life.status().reason, "");
    assert_eq!(life.at(62).step(), "kill a/0");
    life.ended("a", 137);
    let status = life.status();
    assert_eq!(
        (status.phase.as_str(), status.reason.as_str()),
        ("Failed", "DeadlineExceeded")
    );
    assert!(!status.message.is_empty());
}

#[test]
fn a_removed_pod_is_killed_without_grace() {
    let mut life = simple("Always");
    life.step();
    life.started("a");
    remove(&mut life.record, at(1));
    assert_eq!(life.at(1).step(), "kill a/0");
    life.ended("a", 137);
    assert!(life.record.stopped && life.notes.is_empty());
}

#[test]
fn a_container_without_a_command_fails_with_the_reason() {
    let mut life = life("Never", &[], &[r#"{"name": "a", "args": ["x"]}"#.to_owned()], "");
    assert_eq!(life.step(), "");
    assert_eq!(
        (life.phase(), life.told("a").as_str()),
        ((Phase::Failed, true), "terminated 128 ContainerCannotRun x0")
    );
    assert!(
        life.notes[0].contains("no image to take an entrypoint from"),
        "{:?}",
        life.notes
    );
    // With restarts it waits like any container that fails.
    let mut life = self::life("Always", &[], &[r#"{"name": "a"}"#.to_owned()], "");
    assert_eq!((life.step().as_str(), life.look_again), ("", Some(10)));
    assert_eq!(life.told("a"), "waiting CrashLoopBackOff x1 | 128");
}

#[test]
fn a_start_that_fails_is_told() {
    let mut life = simple("Never");
    life.step();
    life.ended("a", 128);
    assert_eq!(life.phase(), (Phase::Failed, true));
    assert_eq!(life.notes, ["Failed: container \"a\" cannot be started: "]);
}

#[test]
fn a_reference_that_cannot_be_had_keeps_the_container_waiting() {
    let broken = r#"{"name": "b", "command": ["run"], "envFrom": [{"secretRef": {"name": "s"}}]}"#.to_owned();
    let mut life = life("Never", &[], &[container("a"), broken], "");
    assert_eq!(life.step(), "start a/0");
    assert_eq!(life.told("b"), "waiting CreateContainerConfigError x0");
    life.started("a");
    life.ended("a", 0);
    assert_eq!((life.phase(), life.notes.len()), ((Phase::Pending, false), 1));
    assert_eq!(life.delete(30), "");
    assert_eq!(life.phase(), (Phase::Failed, true));
}

#[test]
fn commands_see_the_environment() {
    let json = r#"{"name": "a", "command": ["sh", "$(X)"], "args": ["$(X)$(Y)", "$$(X)"], "workingDir": "/w",
        "env": [{"name": "X", "value": "1"}], "resources": {"limits": {"cpu": "1500m", "memory": "1Ki"}}}"#;
    let mut life = life("Never", &[], &[json.to_owned()], "");
    let done = advance(&mut life.record, &node(), at(0));
    let [Step::Start(spec)] = &done.steps[..] else {
        panic!("{done:?}")
    };
    assert_eq!(spec.command, ["sh", "1", "1$(Y)", "$(X)"]);
    assert_eq!(
        (spec.working_directory.as_deref(), spec.hostname.as_str()),
        (Some("/w"), "p")
    );
    assert_eq!(
        (spec.limits.cpu_milli, spec.limits.memory),
        (Some(1500), Some(1024))
    );
}

#[test]
fn old_news_changes_nothing() {
    let mut life = simple("OnFailure");
    life.step();
    let stale = life.id("a");
    life.started("a");
    life.ended("a", 1);
    life.record
        .observe(&RuntimeEvent::Started { id: stale, at: at(9) });
    assert_eq!(life.told("a"), "waiting CrashLoopBackOff x1 | 1");
    life.started("a");
    life.ended("a", 0);
    assert_eq!(life.started("a"), "", "an ended run does not run again");
    assert_eq!(life.phase(), (Phase::Succeeded, true));
}

#[test]
fn times_of_transitions_are_kept() {
    let mut life = simple("Never");
    life.step();
    life.status();
    life.at(4).started("a");
    let ready = |life: &mut Life| life.status().conditions[2].last_transition_time.unwrap().seconds;
    assert_eq!(ready(&mut life), 4);
    assert_eq!(ready(life.at(9)), 4);
    life.ended("a", 0);
    assert_eq!(ready(&mut life), 9);
    let status = life.status();
    assert_eq!(
        (status.start_time.unwrap().seconds, status.observed_generation),
        (0, 3)
    );
    assert_eq!(
        (status.host_ip.as_str(), status.pod_ip.as_str()),
        ("10.0.0.1", "10.0.0.1")
    );
    assert_eq!(status.container_statuses[0].container_id, "process://u/a/0");
}

fn ended(exit_code: i32, reason: &str) -> Ended {
    Ended {
        exit_code,
        signal: 0,
        reason: reason.to_owned(),
        message: String::new(),
        started_at: Some(at(1)),
        finished_at: at(2),
    }
}

#[test]
fn a_new_life_of_the_agent_goes_on_from_what_the_runtime_kept() {
    let fresh = |policy: &str, found: &[(ContainerId, Found)]| {
        let mut life = simple(policy);
        life.record = seed(life.record.pod.clone(), found, at(100));
        life.now = 100;
        life
    };
    let run = |run| ContainerId {
        pod_uid: "u".into(),
        container: "a".into(),
        run,
    };
    // Finished, but nobody was told.
    let mut life = fresh("Never", &[(run(0), Found::Ended(ended(0, "Completed")))]);
    assert_eq!(
        (life.step(), life.phase()),
        (String::new(), (Phase::Succeeded, true))
    );
    // Lost with the agent.
    let lost = Found::Ended(ended(137, "ContainerStatusUnknown"));
    let mut life = fresh("Never", &[(run(0), lost.clone())]);
    assert_eq!(
        (life.step(), life.phase()),
        (String::new(), (Phase::Failed, true))
    );
    assert_eq!(life.told("a"), "terminated 137 ContainerStatusUnknown x0");
    let mut life = fresh("Always", &[(run(0), lost.clone())]);
    assert_eq!(life.step(), "start a/1");
    assert_eq!(life.told("a"), "waiting CrashLoopBackOff x1 | 137");
    // Two runs: the back-off goes on too.
    let mut life = fresh(
        "Always",
        &[(run(3), Found::Ended(ended(9, "Error"))), (run(4), lost)],
    );
    assert_eq!((life.at(2).step().as_str(), life.look_again), ("", Some(82)));
    assert_eq!(life.told("a"), "waiting CrashLoopBackOff x4 | 137");
    assert_eq!(life.at(82).step(), "start a/5");
    // A runtime that outlived the agent.
    let mut life = fresh("Always", &[(run(1), Found::Running { started_at: at(3) })]);
    assert_eq!(
        (life.step(), life.told("a")),
        (String::new(), "running x1".to_owned())
    );
    assert_eq!(life.at(200).ended("a", 0), "");
}

#[test]
fn without_a_runtime_record_the_reported_status_counts() {
    let reported = |mut life: Life| {
        let status = life.status();
        let mut pod = life.record.pod.clone();
        pod.status = Some(status);
        life.record = seed(pod, &[], at(50));
        life.now = 50;
        life
    };
    // Reported as running: it is lost, not begun again as if it were new.
    let mut life = simple("Never");
    life.step();
    life.started("a");
    let mut life = reported(life);
    assert_eq!(
        (life.step(), life.phase()),
        (String::new(), (Phase::Failed, true))
    );
    assert_eq!(life.record.start_time, at(0));
    // Reported as waiting for its third start.
    let mut life = simple("Always");
    life.step();
    for _ in 0..2 {
        life.started("a");
        life.ended("a", 7);
    }
    assert_eq!(life.told("a"), "waiting CrashLoopBackOff x1 | 7");
    let mut life = reported(life);
    assert_eq!((life.at(5).step().as_str(), life.look_again), ("", Some(10)));
    assert_eq!(life.told("a"), "waiting CrashLoopBackOff x1 | 7");
    // Reported as never started.
    let mut life = simple("Never");
    life.step();
    let mut life = reported(life);
    assert_eq!(life.step(), "start a/0");
}

#[test]
fn a_pod_whose_lease_ran_out_ends_without_grace_never_restarts_and_says_why() {
    let mut life = simple("Always");
    life.record.held = true;
    assert_eq!((life.step(), life.record.has_begun()), (String::new(), false));
    life.record.held = false;
    assert_eq!(life.at(1).step(), "start a/0");
    life.started("a");
    assert!(life.record.has_begun());
    fence(&mut life.record, at(5));
    assert_eq!(life.at(5).step(), "kill a/0");
    assert_eq!(life.phase(), (Phase::Running, false));
    assert_eq!(life.ended("a", 137), "");
    assert_eq!(life.phase(), (Phase::Failed, true));
    assert_eq!(life.status().reason, "NodeLost");
    let conditions = life.status().conditions;
    let target = conditions.last().unwrap();
    assert_eq!(
        (target.r#type.as_str(), target.status.as_str()),
        ("DisruptionTarget", "True")
    );
    // One that was ending anyway keeps its cause and loses its grace.
    let mut life = simple("Never");
    life.step();
    life.started("a");
    assert_eq!(life.delete(30), "term a/0");
    fence(&mut life.record, at(2));
    assert_eq!(life.at(2).step(), "kill a/0");
    life.ended("a", 137);
    assert_eq!(
        (life.phase(), life.status().reason),
        ((Phase::Failed, true), String::new())
    );
}
