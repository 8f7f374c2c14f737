//! Whether and when an ended container is started again, in place: the rules of restartPolicy and of CrashLoopBackOff.

use bosun_host::WallTime;
use bosun_proto::core_v1::Container;
use chrono::TimeDelta;

use super::Role;
use crate::runtime::Ended;

/// The delay before the second restart; the first is at once.
const DELAY_FIRST_SECONDS: u32 = 10;
/// Delays double up to this.
const DELAY_MAX_SECONDS: u32 = 300;
/// A run of this length makes the past forgotten.
const RESET_AFTER: TimeDelta = TimeDelta::minutes(10);

/// How long the next restart of one container is put off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackOff {
    delay_seconds: u32,
}

impl BackOff {
    /// The back-off of a container whose current run has this number, if none of its runs was long. Used where the past is
    /// not known better.
    pub fn after_runs(run: u32) -> Self {
        let mut back_off = Self::default();
        // Five doublings reach the most.
        for _ in 0..run.min(8) {
            back_off.lengthen();
        }
        back_off
    }

    /// When a container that ended so may be started again.
    pub fn due(self, ended: &Ended) -> WallTime {
        if was_long(ended) {
            ended.finished_at
        } else {
            ended.finished_at + TimeDelta::seconds(i64::from(self.delay_seconds))
        }
    }

    /// The present delay after a container ended so, in seconds.
    pub fn delay_seconds(self, ended: &Ended) -> u32 {
        if was_long(ended) { 0 } else { self.delay_seconds }
    }

    /// The container is started again after it ended so.
    pub fn restarted(&mut self, ended: &Ended) {
        if was_long(ended) {
            *self = Self::default();
        }
        self.lengthen();
    }

    fn lengthen(&mut self) {
        self.delay_seconds = if self.delay_seconds == 0 {
            DELAY_FIRST_SECONDS
        } else {
            (self.delay_seconds * 2).min(DELAY_MAX_SECONDS)
        };
    }
}

fn was_long(ended: &Ended) -> bool {
    ended
        .started_at
        .is_some_and(|started_at| ended.finished_at - started_at >= RESET_AFTER)
}

/// Whether a container that ended with this code is started again. Its own rules come first, then its own restartPolicy,
/// then the pod's. A sidecar always is. Of an init container, Always means OnFailure.
pub(super) fn restarts(role: Role, container: &Container, pod_policy: &str, exit_code: i32) -> bool {
    if role == Role::Sidecar {
        return true;
    }
    let failed = exit_code != 0;
    for rule in &container.restart_policy_rules {
        if let Some(codes) = &rule.exit_codes
            && rule.action == "Restart"
        {
            let listed = codes.values.contains(&exit_code);
            if (codes.operator == "In" && listed) || (codes.operator == "NotIn" && !listed) {
                return true;
            }
        }
    }
    let policy = container.restart_policy.as_deref().unwrap_or(pod_policy);
    match policy {
        "Never" => false,
        "OnFailure" => failed,
        // Always, which is also the default.
        _ => failed || role == Role::App,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bosun_proto::core_v1::{ContainerRestartRule, ContainerRestartRuleOnExitCodes};

    fn ended(ran_seconds: i64) -> Ended {
        Ended {
            exit_code: 1,
            signal: 0,
            reason: "Error".to_owned(),
            message: String::new(),
            started_at: Some(WallTime::UNIX_EPOCH),
            finished_at: WallTime::UNIX_EPOCH + TimeDelta::seconds(ran_seconds),
        }
    }

    #[test]
    fn the_first_restart_is_at_once_then_delays_double_up_to_five_minutes() {
        let mut back_off = BackOff::default();
        let mut delays = Vec::new();
        for run in 0..9 {
            assert_eq!(back_off, BackOff::after_runs(run));
            let last = ended(1);
            delays.push((back_off.due(&last) - last.finished_at).num_seconds());
            assert_eq!(i64::from(back_off.delay_seconds(&last)), delays[delays.len() - 1]);
            back_off.restarted(&last);
        }
        assert_eq!(delays, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn ten_minutes_of_running_reset_the_delay() {
        let mut back_off = BackOff::after_runs(5);
        let short = ended(599);
        assert_eq!((back_off.due(&short) - short.finished_at).num_seconds(), 160);
        let long = ended(600);
        assert_eq!(back_off.due(&long), long.finished_at);
        back_off.restarted(&long);
        assert_eq!(back_off, BackOff::after_runs(1));
    }

    #[test]
    fn policies_decide_by_role_and_exit_code() {
        let plain = Container::default();
        let cases = [
            (Role::App, "Always", 0, true),
            (Role::App, "Always", 1, true),
            (Role::App, "", 0, true),
            (Role::App, "OnFailure", 0, false),
            (Role::App, "OnFailure", 1, true),
            (Role::App, "Never", 1, false),
            (Role::Init, "Always", 0, false),
            (Role::Init, "Always", 1, true),
            (Role::Init, "OnFailure", 1, true),
            (Role::Init, "Never", 1, false),
            (Role::Sidecar, "Never", 0, true),
            (Role::Sidecar, "Never", 1, true),
        ];
        for (role, policy, exit_code, expected) in cases {
            assert_eq!(
                restarts(role, &plain, policy, exit_code),
                expected,
                "{role:?} {policy} {exit_code}"
            );
        }
    }

    #[test]
    fn a_container_may_have_its_own_policy_and_rules() {
        let own = Container {
            restart_policy: Some("Never".to_owned()),
            restart_policy_rules: vec![ContainerRestartRule {
                action: "Restart".to_owned(),
                exit_codes: Some(ContainerRestartRuleOnExitCodes {
                    operator: "In".to_owned(),
                    values: vec![42],
                }),
            }],
            ..Container::default()
        };
        assert!(restarts(Role::App, &own, "Always", 42));
        assert!(!restarts(Role::App, &own, "Always", 1));
    }
}
