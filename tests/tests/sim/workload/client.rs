//! One client: writes and reads registers, submits work, and keeps account of what it was told.

use std::sync::Arc;
use std::time::Duration;

use bosun_client::{ApiError, Client, PatchKind, Patience};
use bosun_host::Host;
use bosun_proto::{Key, Kind, Object};
use bosun_tests::linearizability::{Answer, Call};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::manifests::{self, value_of};
use crate::evidence::{Evidence, Submitted};
use crate::programs::addresses;
use crate::settings::SAFETY;
use crate::world::{Machine, elapsed};

/// The names of the registers.
pub(crate) const REGISTERS: [&str; 2] = ["register-1", "register-2"];
/// How long a client waits for an answer before it goes on without.
const ANSWER_MAX: Duration = Duration::from_millis(1_500);
/// How long it waits before it asks another server.
const PAUSE: Duration = Duration::from_millis(50);
/// Jobs that one client submits at most.
const JOBS_MAX: usize = 4;

struct Player {
    name: Arc<str>,
    host: Host,
    evidence: Arc<Evidence>,
    client: Client,
    /// Which server the client talks to.
    turn: usize,
    /// Each written value is new.
    value: u64,
    jobs: usize,
    marks: usize,
}

/// Works until things stop going wrong, and then finishes what was begun.
pub(crate) async fn work(machine: Machine, number: usize, evidence: Arc<Evidence>) -> turmoil::Result {
    let host = machine.host();
    let mut player = Player {
        name: Arc::clone(&machine.name),
        client: connect(&host, number),
        host,
        evidence,
        turn: number,
        value: number as u64 * 1_000_000,
        jobs: 0,
        marks: 0,
    };
    if number == 1 {
        for register in REGISTERS {
            player.make_register(register).await;
        }
        player.create(&manifests::cron_job("cron", 2)).await;
        player.create(&manifests::replica_set("web", 3)).await;
    }
    while elapsed() < SAFETY {
        player.act().await;
        let pause = player.below(120);
        sleep(Duration::from_millis(pause)).await;
    }
    if number == 1 {
        player.suspend().await;
    }
    Ok(())
}

/// What a call came to.
enum Fate<T> {
    Done(T),
    /// It was understood and is not done.
    Refused(ApiError),
    /// Nobody acted on it.
    NotDone,
    /// It may have been done, or may be yet.
    Unknown,
}

impl<T> Fate<T> {
    fn of(result: Result<T, ApiError>) -> Self {
        match result {
            Ok(value) => Self::Done(value),
            Err(error) if error.surely_not_done() => Self::NotDone,
            Err(error) => match error.reason() {
                Some("Timeout" | "ServerTimeout" | "InternalError") | None => Self::Unknown,
                Some(_) => Self::Refused(error),
            },
        }
    }
}

fn connect(host: &Host, turn: usize) -> Client {
    let addresses = addresses();
    let address = addresses[turn % addresses.len()].clone();
    let client = Client::new(host, &[address]).expect("an address");
    client.with_patience(Patience(Duration::ZERO))
}

impl Player {
    fn below(&self, limit: u64) -> u64 {
        self.host.entropy.next_u64() % limit
    }

    fn next_value(&mut self) -> u64 {
        self.value += 1;
        self.value
    }

    /// Takes another server after a failure.
    async fn turn(&mut self) {
        self.turn += 1;
        self.client = connect(&self.host, self.turn);
        sleep(PAUSE).await;
    }

    async fn act(&mut self) {
        let register = REGISTERS[usize::try_from(self.below(2)).expect("one of two")];
        match self.below(20) {
            0..=6 => self.write(register).await,
            7..=10 => self.compare_and_set(register).await,
            11..=14 => drop(self.read(register).await),
            15..=16 => {
                self.marks += 1;
                let name = format!("{}-{}", self.name, self.marks);
                self.create(&manifests::namespace(&name)).await;
            }
            17 => {
                let replicas = 1 + self.below(5);
                self.scale(replicas).await;
            }
            _ if self.jobs < JOBS_MAX => self.submit().await,
            _ => {}
        }
    }

    /// Waits for an answer, but not for ever, and goes to another server when there is none.
    async fn attempt<T>(&mut self, call: impl Future<Output = Result<T, ApiError>>) -> Fate<T> {
        let fate = match timeout(ANSWER_MAX, call).await {
            Ok(result) => Fate::of(result),
            Err(_) => Fate::Unknown,
        };
        if matches!(fate, Fate::NotDone | Fate::Unknown) {
            self.turn().await;
        }
        fate
    }

    /// Carries out a write on a register, and keeps account of it. False if it has to be done again.
    async fn account(
        &mut self,
        register: &str,
        call: Call,
        attempt: impl Future<Output = Result<(), ApiError>>,
    ) -> bool {
        let id = self.evidence.history.called(&self.name, register, call);
        let answer = match self.attempt(attempt).await {
            Fate::Done(()) => Answer::Done,
            Fate::Refused(_) => Answer::Refused,
            Fate::NotDone => Answer::Failed,
            Fate::Unknown => return false,
        };
        self.evidence.history.answered(id, answer);
        answer != Answer::Failed
    }

    async fn make_register(&mut self, name: &str) {
        loop {
            let value = self.next_value();
            let object = manifests::register(name, value);
            let client = self.client.clone();
            let attempt = async move { client.create(&object, false).await.map(drop) };
            if self.account(name, Call::Create(value), attempt).await {
                return;
            }
        }
    }

    async fn write(&mut self, register: &str) {
        let value = self.next_value();
        let object = manifests::register(register, value);
        let client = self.client.clone();
        let attempt = async move { client.update(&object, false).await.map(drop) };
        self.account(register, Call::Write(value), attempt).await;
    }

    /// What a register holds; `None` also when nobody says.
    async fn read(&mut self, register: &str) -> Option<u64> {
        let key = Key::new(Kind::Namespace, "", register);
        let id = self.evidence.history.called(&self.name, register, Call::Read);
        let client = self.client.clone();
        let value = match self.attempt(client.get(&key)).await {
            Fate::Done(found) => value_of(&found),
            Fate::Refused(error) if error.is_not_found() => None,
            Fate::Refused(_) | Fate::NotDone | Fate::Unknown => return None,
        };
        self.evidence.history.answered(id, Answer::Found(value));
        value
    }

    async fn compare_and_set(&mut self, register: &str) {
        let Some(expected) = self.read(register).await else {
            return;
        };
        let key = Key::new(Kind::Namespace, "", register);
        let new = self.next_value();
        let patch = manifests::compare_and_set(expected, new);
        let client = self.client.clone();
        let attempt = async move { client.patch(&key, PatchKind::Json, &patch, false).await.map(drop) };
        self.account(register, Call::CompareAndSet { expected, new }, attempt)
            .await;
    }

    /// Creates an object, however often that takes.
    async fn create(&mut self, object: &Object) {
        loop {
            let client = self.client.clone();
            match self.attempt(client.create(object, false)).await {
                Fate::Done(_) => break,
                Fate::Refused(error) if error.is_already_exists() => break,
                Fate::Refused(error) => panic!("{} is refused: {error}", object.key()),
                Fate::NotDone | Fate::Unknown => {}
            }
        }
        self.evidence.notes().created.insert(object.key());
    }

    async fn submit(&mut self) {
        self.jobs += 1;
        let name = format!("job-{}-{}", self.name, self.jobs);
        let completions = i32::try_from(1 + self.below(6)).expect("few");
        let submitted = Submitted {
            completions,
            parallelism: i32::try_from(1 + self.below(4)).expect("few").min(completions),
            indexed: self.below(2) == 0,
        };
        let milliseconds = 50 + self.below(2_000);
        let job = manifests::job(&name, &submitted, milliseconds);
        self.evidence.notes().jobs.insert(name, submitted);
        self.create(&job).await;
    }

    async fn scale(&mut self, replicas: u64) {
        let client = self.client.clone();
        let key = Key::new(Kind::ReplicaSet, "default", "web");
        let patch = json!({"spec": {"replicas": replicas}});
        // Whether it happened does not matter: the stored wish is what must be fulfilled.
        drop(
            self.attempt(client.patch(&key, PatchKind::Merge, &patch, false))
                .await,
        );
    }

    /// Ends the firing of the CronJob, so that the state can come to rest.
    async fn suspend(&mut self) {
        let key = Key::new(Kind::CronJob, "default", "cron");
        let patch = json!({"spec": {"suspend": true}});
        loop {
            let client = self.client.clone();
            let fate = self
                .attempt(client.patch(&key, PatchKind::Merge, &patch, false))
                .await;
            if let Fate::Done(_) = fate {
                return;
            }
        }
    }
}
