//! A step simulator: users, agents, time, a leader whose decisions take a while, all in an order that follows from a seed;
//! the [`Laws`] are checked after every step.
//!
//! What makes it hard on the controllers: a plan is decided on one state and arrives at a later one, plans overtake each
//! other, and leaders change in between.

use bosun_proto::batch_v1::{CronJob, Job};
use bosun_proto::core_v1::Pod;
use bosun_proto::{Key, Kind, Object, Resource};

use super::fixture::Fixture;
use super::laws::{self, Laws};
use crate::kinds::pod;
use crate::liveness::Standing;

/// Runs `steps` steps that follow from `seed`, then lets everything come to rest.
///
/// # Errors
/// The step and the law it broke.
pub fn run(seed: u64, steps: usize) -> Result<(), String> {
    let mut simulation = Simulation::new(seed);
    for step in 0..steps {
        let done = simulation.step();
        let snapshot = simulation.fixture.snapshot();
        let broken = |law: String| format!("seed {seed}, step {step} ({done}): {law}");
        simulation.laws.check(&snapshot).map_err(broken)?;
    }
    simulation
        .rest()
        .map_err(|law| format!("seed {seed}, at rest: {law}"))
}

struct Simulation {
    fixture: Fixture,
    laws: Laws,
    random: u64,
    made: u32,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut fixture = Fixture::new(seed);
        fixture.add_node("n1", &[("cpu", "8"), ("memory", "8Gi"), ("pods", "6")]);
        fixture.add_node("n2", &[("cpu", "8"), ("memory", "8Gi"), ("pods", "3")]);
        Self {
            fixture,
            laws: Laws::default(),
            random: seed,
            made: 0,
        }
    }

    /// One step; says which for the report.
    fn step(&mut self) -> String {
        match self.pick(100) {
            0..30 => self.fixture.decide_some(),
            30..62 => {
                let which = self.pick(16);
                self.fixture.land_one(which)
            }
            62..84 => self.agent(),
            84..92 => self.user(),
            92..99 => {
                let seconds = [1, 5, 15, 60, 300][self.pick(5)];
                self.fixture.let_time_pass(seconds);
                format!("{seconds} s pass")
            }
            _ if self.pick(2) == 0 => {
                self.fixture.change_leader();
                "a new leader".to_owned()
            }
            _ => self.node(),
        }
    }

    /// Node n2 falls silent, is lost, or is heard again.
    fn node(&mut self) -> String {
        let standing = [Standing::Heard, Standing::Silent, Standing::Lost][self.pick(3)];
        self.fixture.find_node("n2", standing);
        format!("n2 is {standing:?}")
    }

    fn agent(&mut self) -> String {
        let on_node = |pod: &Pod| !pod::spec(pod).node_name.is_empty();
        let pods: Vec<Pod> = self.fixture.pods().into_iter().filter(on_node).collect();
        if pods.is_empty() {
            return "no pod for the agents".to_owned();
        }
        let pod = &pods[self.pick(pods.len())];
        let name = pod.metadata().name.clone();
        match (pod::is_ending(pod), self.pick(8)) {
            (true, 0..4) => self.fixture.stop(&name),
            (_, 0..2) => self.fixture.run(&name),
            (_, 2) => self.fixture.finish(&name, 1),
            (_, 3) => self.fixture.restart(&name),
            _ => self.fixture.finish(&name, 0),
        }
        format!("an agent reports {name}")
    }

    fn user(&mut self) -> String {
        match self.pick(8) {
            0..3 => {
                self.made += 1;
                let manifest = self.manifest();
                self.fixture.apply(&manifest);
                format!("a user applies number {}", self.made)
            }
            3 => self.delete(&[Kind::Pod]),
            4 => self.delete(&[Kind::Job, Kind::CronJob, Kind::ReplicaSet]),
            5 | 6 => self.change_a_job(),
            _ => self.suspend_a_cron_job(),
        }
    }

    fn manifest(&mut self) -> String {
        const TEMPLATE: &str =
            "{spec: {restartPolicy: RESTART, containers: [{name: main, image: busybox, command: [work]}]}}";
        let number = self.made;
        let restart = ["Never", "OnFailure"][self.pick(2)];
        let template = TEMPLATE.replace("RESTART", restart);
        let (completions, parallelism) = (1 + self.pick(5), self.pick(4));
        let job = match self.pick(4) {
            0 => format!("completions: {completions}, parallelism: {parallelism}, completionMode: Indexed"),
            1 => format!("parallelism: {parallelism}, activeDeadlineSeconds: 60"),
            2 => format!(
                "completions: {completions}, parallelism: {parallelism}, podReplacementPolicy: Failed"
            ),
            _ => {
                format!("completions: {completions}, parallelism: {parallelism}, ttlSecondsAfterFinished: 30")
            }
        };
        let metadata = format!("metadata: {{name: x{number}}}");
        let policy = ["Allow", "Forbid", "Replace"][self.pick(3)];
        match self.pick(6) {
            0 => format!(
                "{{apiVersion: batch/v1, kind: CronJob, {metadata}, spec: {{schedule: '* * * * *', \
                 concurrencyPolicy: {policy}, jobTemplate: {{spec: {{{job}, template: {template}}}}}}}}}"
            ),
            1 => format!(
                "{{apiVersion: apps/v1, kind: ReplicaSet, {metadata}, spec: {{replicas: {completions}, \
                 selector: {{matchLabels: {{app: x{number}}}}}, template: {{metadata: {{labels: {{app: x{number}}}}}, \
                 spec: {{containers: [{{name: main, image: busybox, command: [work]}}]}}}}}}}}"
            ),
            _ => format!(
                "{{apiVersion: batch/v1, kind: Job, {metadata}, spec: {{{job}, template: {template}}}}}"
            ),
        }
    }

    fn delete(&mut self, kinds: &[Kind]) -> String {
        let snapshot = self.fixture.snapshot();
        let keys: Vec<Key> = kinds
            .iter()
            .flat_map(|kind| snapshot.list(*kind, None).map(Object::key))
            .collect();
        if keys.is_empty() {
            return "nothing to delete".to_owned();
        }
        let key = &keys[self.pick(keys.len())];
        let propagation = ["Background", "Foreground", "Background"][self.pick(3)];
        self.fixture.delete(key, Some(propagation));
        format!("a user deletes {key} ({propagation})")
    }

    fn change_a_job(&mut self) -> String {
        let (suspend, parallelism) = (self.pick(2) == 0, i32::try_from(self.pick(4)).unwrap_or(0));
        let Some(name) = self.one_of(Kind::Job) else {
            return "no job to change".to_owned();
        };
        let which = self.pick(2);
        self.fixture.update::<Job>(&name, |job| {
            let spec = job.spec.get_or_insert_default();
            if which == 0 {
                spec.suspend = Some(suspend);
            } else {
                spec.parallelism = Some(parallelism);
            }
        });
        format!("a user changes job {name}")
    }

    fn suspend_a_cron_job(&mut self) -> String {
        let suspend = self.pick(2) == 0;
        let Some(name) = self.one_of(Kind::CronJob) else {
            return "no cronjob to change".to_owned();
        };
        self.fixture.update::<CronJob>(&name, |cron_job| {
            cron_job.spec.get_or_insert_default().suspend = Some(suspend);
        });
        format!("a user changes cronjob {name}")
    }

    fn one_of(&mut self, kind: Kind) -> Option<String> {
        let snapshot = self.fixture.snapshot();
        let names: Vec<String> = snapshot
            .list(kind, None)
            .map(|object| object.metadata().name.clone())
            .collect();
        (!names.is_empty()).then(|| names[self.pick(names.len())].clone())
    }

    /// Everything in flight lands, agents stop what ends, until nothing changes any more.
    fn rest(&mut self) -> Result<(), String> {
        self.fixture.change_leader();
        loop {
            self.fixture
                .settle_watched(|snapshot| self.laws.check(snapshot))?;
            let version = self.fixture.snapshot().version();
            self.fixture.stop_all();
            self.laws.check(&self.fixture.snapshot())?;
            if self.fixture.snapshot().version() == version {
                break;
            }
        }
        let snapshot = self.fixture.snapshot();
        self.laws.check(&snapshot)?;
        self.fixture.finds_nothing_to_do()?;
        laws::check_rest(&snapshot, self.fixture.now())
    }

    fn pick(&mut self, of: usize) -> usize {
        let of = u64::try_from(of).unwrap_or(1).max(1);
        usize::try_from(super::fixture::next_random(&mut self.random) % of).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_laws_hold_whatever_the_order() {
        let broken: Vec<String> = (1..=60).filter_map(|seed| super::run(seed, 600).err()).collect();
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }
}
