//! Registers: pods that no scheduler knows, so that only these clients change them. What one holds is an annotation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bosun_client::{ApiError, Client, PatchKind, Written};
use bosun_proto::{Key, Kind, Object, meta_v1};
use bosun_tests::linearizability::{Answer, Call, History, Value};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::object;
use crate::random::Random;

pub(crate) const NAMESPACE: &str = "registers";
const ANNOTATION: &str = "chaos/value";
/// Registers in use at a time.
const AT_A_TIME: usize = 3;
/// How long they are in use. Then come new ones, so that each history is short enough to be judged.
const IN_USE: Duration = Duration::from_secs(5);
/// The pause of a client between two operations, at most.
const PAUSE_MAX: Duration = Duration::from_millis(150);

/// What was done with all registers.
#[derive(Default)]
pub(crate) struct Registers {
    pub(crate) history: History,
    /// Of each write that was acknowledged: the register, the value, and the version it was told.
    pub(crate) acknowledged: Mutex<Vec<Acknowledged>>,
    /// Answers that no request of these clients should get, in words.
    pub(crate) surprises: Mutex<Vec<String>>,
    values: AtomicU64,
    generation: AtomicU64,
}

/// A write that a client may rely on.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) register: String,
    pub(crate) value: Value,
    pub(crate) version: u64,
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: i64,
}

/// Takes new registers into use from time to time.
pub(crate) async fn turn_over(registers: Arc<Registers>, stop: CancellationToken) {
    while stop
        .run_until_cancelled(tokio::time::sleep(IN_USE))
        .await
        .is_some()
    {
        registers.generation.fetch_add(1, Ordering::Relaxed);
    }
}

/// One client: one operation after the other, each on some register.
pub(crate) async fn use_them(
    registers: Arc<Registers>,
    name: String,
    client: Client,
    mut random: Random,
    stop: CancellationToken,
) {
    let mut user = User {
        registers,
        name,
        client,
        seen: BTreeMap::new(),
    };
    while !stop.is_cancelled() {
        let generation = user.registers.generation.load(Ordering::Relaxed);
        let register = format!("r{generation}-{}", random.below(AT_A_TIME));
        let operation = random.below(20);
        // An operation is never given up half way: its outcome is what this is about.
        match (operation, user.seen.get(&register).cloned()) {
            (0..=8, _) => user.read(&register).await,
            (9, _) => user.delete(&register).await,
            (10..=12, Some(_)) => user.write(&register).await,
            (13.., Some(seen)) => user.compare_and_set(&register, seen).await,
            (10.., None) => user.create(&register).await,
        }
        tokio::time::sleep(random.span(Duration::ZERO, PAUSE_MAX)).await;
    }
}

struct User {
    registers: Arc<Registers>,
    name: String,
    client: Client,
    /// Each register as this client last saw it.
    seen: BTreeMap<String, Object>,
}

impl User {
    async fn read(&mut self, register: &str) {
        let operation = self.registers.history.called(&self.name, register, Call::Read);
        let found = match self.client.get(&key(register)).await {
            Ok(found) => Some(found),
            Err(error) if error.is_not_found() => None,
            // A read that failed changed nothing and told nothing.
            Err(error) => {
                if !error.is_transient() {
                    self.registers
                        .note_surprise(format!("{}, reading {register}: {error:?}", self.name));
                }
                return self.registers.history.answered(operation, Answer::Failed);
            }
        };
        let value = found.as_ref().and_then(value_of);
        self.registers.history.answered(operation, Answer::Found(value));
        match found {
            Some(found) => self.seen.insert(register.to_owned(), found),
            None => self.seen.remove(register),
        };
    }

    async fn create(&mut self, register: &str) {
        let value = self.registers.new_value();
        let manifest = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": register,
                "namespace": NAMESPACE,
                "annotations": {ANNOTATION: value.to_string()},
            },
            "spec": {
                "schedulerName": "nobody",
                "containers": [{"name": "main", "image": "busybox", "command": ["true"]}],
            },
        });
        let operation = self
            .registers
            .history
            .called(&self.name, register, Call::Create(value));
        let written = self.client.create(&object(manifest), false).await;
        self.note(operation, register, value, written);
    }

    /// Whatever the register holds. A patch says only what shall change.
    async fn write(&mut self, register: &str) {
        let value = self.registers.new_value();
        let patch = json!({"metadata": {"annotations": {ANNOTATION: value.to_string()}}});
        let operation = self
            .registers
            .history
            .called(&self.name, register, Call::Write(value));
        let written = self
            .client
            .patch(&key(register), PatchKind::Merge, &patch, false)
            .await;
        self.note(operation, register, value, written);
    }

    /// Only if the register is at the version that was seen; each value has a version of its own.
    async fn compare_and_set(&mut self, register: &str, mut seen: Object) {
        let Some(expected) = value_of(&seen) else { return };
        let new = self.registers.new_value();
        let annotations = &mut seen.metadata_mut().annotations;
        annotations.insert(ANNOTATION.to_owned(), new.to_string());
        let call = Call::CompareAndSet { expected, new };
        let operation = self.registers.history.called(&self.name, register, call);
        let written = self.client.update(&seen, false).await;
        self.note(operation, register, new, written);
    }

    async fn delete(&mut self, register: &str) {
        let operation = self.registers.history.called(&self.name, register, Call::Delete);
        let options = meta_v1::DeleteOptions {
            grace_period_seconds: Some(0),
            ..Default::default()
        };
        match self.client.delete(&key(register), options).await {
            Ok(deleted) => {
                if !deleted.gone {
                    let surprise =
                        format!("{register} was deleted and is not gone, although it never had a node");
                    self.registers.note_surprise(surprise);
                }
                self.registers.history.answered(operation, Answer::Done);
            }
            Err(error) => self.note_failure(operation, register, &error),
        }
        self.seen.remove(register);
    }

    fn note(
        &mut self,
        operation: bosun_tests::linearizability::OperationId,
        register: &str,
        value: Value,
        written: Result<Written, ApiError>,
    ) {
        match written {
            Ok(written) => {
                self.registers.history.answered(operation, Answer::Done);
                let acknowledged = Acknowledged {
                    register: register.to_owned(),
                    value,
                    version: version_of(&written.object),
                    at_ms: now_ms(),
                };
                self.registers
                    .acknowledged
                    .lock()
                    .expect("nobody panics with it")
                    .push(acknowledged);
                self.seen.insert(register.to_owned(), written.object);
            }
            Err(error) => self.note_failure(operation, register, &error),
        }
    }

    fn note_failure(
        &mut self,
        operation: bosun_tests::linearizability::OperationId,
        register: &str,
        error: &ApiError,
    ) {
        let is_refused = error.is_conflict() || error.is_not_found() || error.is_already_exists();
        if is_refused {
            self.registers.history.answered(operation, Answer::Refused);
        } else if error.surely_not_done() {
            self.registers.history.answered(operation, Answer::Failed);
        } else if !error.is_transient() && error.reason() != Some("Timeout") {
            self.registers
                .note_surprise(format!("{}, about {register}: {error:?}", self.name));
        }
        self.seen.remove(register);
    }
}

impl Registers {
    fn note_surprise(&self, surprise: String) {
        self.surprises
            .lock()
            .expect("nobody panics with it")
            .push(surprise);
    }

    fn new_value(&self) -> Value {
        self.values.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn key(register: &str) -> Key {
    Key::new(Kind::Pod, NAMESPACE, register)
}

/// What a register holds.
pub(crate) fn value_of(object: &Object) -> Option<Value> {
    object.metadata().annotations.get(ANNOTATION)?.parse().ok()
}

/// The version an object is of.
pub(crate) fn version_of(object: &Object) -> u64 {
    let text = &object.metadata().resource_version;
    text.parse().expect("the state's versions are numbers")
}

fn now_ms() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since_epoch.unwrap_or_default().as_millis()).expect("milliseconds since 1970")
}
