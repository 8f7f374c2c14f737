//! One decision about a ReplicaSet: release, adopt, create, delete, tidy up, and count.

use std::sync::Arc;

use bosun_proto::apps_v1::ReplicaSet;
use bosun_proto::core_v1::{Namespace, Pod, PodTemplateSpec};
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Object, Resource};
use prost::Message as _;

use super::status::{self, Census};
use super::{claim, ranking};
use crate::admission::deletion::{self, Propagation};
use crate::kinds::{self, pod, replica_set};
use crate::plan::{PLAN_OBJECTS_MAX, Plan, objects_in_plan};
use crate::stamp::derived_name;
use crate::state::{Snapshot, Write};

/// A pod that failed within so many seconds of its creation keeps its place until then. Otherwise pods that cannot start at
/// all would be replaced as fast as the disk turns.
const EARLY_FAILURE_SECONDS: i64 = 10;
/// So many finished pods of a ReplicaSet are kept to be looked at; older ones are deleted.
const FINISHED_KEPT_MAX: usize = 10;
/// A note names so many pods, and counts the others.
const NAMED_MAX: usize = 10;

/// What brings a ReplicaSet nearer to its spec.
pub(super) fn reconcile(snapshot: &Snapshot, set: &Arc<ReplicaSet>, now: Time) -> Plan {
    let mut decision = Decision::begin(snapshot, set, now);
    decision.release();
    if may_change_pods(snapshot, set) {
        decision.balance();
        decision.tidy_up();
    }
    decision.finish()
}

/// Neither the ReplicaSet nor its namespace is being deleted: then its pods are left to the garbage collection.
fn may_change_pods(snapshot: &Snapshot, set: &ReplicaSet) -> bool {
    let metadata = set.metadata();
    let namespace = snapshot.find::<Namespace>("", &metadata.namespace);
    let namespace_ends = namespace.is_none_or(|it| it.metadata().deletion_timestamp.is_some());
    metadata.deletion_timestamp.is_none() && !namespace_ends
}

struct Decision<'a> {
    snapshot: &'a Snapshot,
    set: &'a Arc<ReplicaSet>,
    now: Time,
    census: Census<'a>,
    finished: Vec<&'a Arc<Pod>>,
    /// Controlled, but not matching any more.
    strangers: Vec<&'a Arc<Pod>>,
    plan: Plan,
}

impl<'a> Decision<'a> {
    fn begin(snapshot: &'a Snapshot, set: &'a Arc<ReplicaSet>, now: Time) -> Self {
        let mut census = Census {
            active: Vec::new(),
            created: 0,
            terminating: 0,
        };
        let (mut finished, mut strangers) = (Vec::new(), Vec::new());
        let selector = claim::selector(set);
        for pod in snapshot.controlled_by::<Pod>(&set.metadata().uid) {
            if !claim::matches(selector.as_ref(), pod) {
                strangers.push(pod);
            } else if pod::is_active(pod) {
                census.active.push(pod);
            } else if pod::is_finished(pod) {
                finished.push(pod);
            } else {
                census.terminating += 1;
            }
        }
        Self {
            snapshot,
            set,
            now,
            census,
            finished,
            strangers,
            plan: Plan::default(),
        }
    }

    /// How many objects the plan may still write; one is for the ReplicaSet.
    fn room(&self) -> usize {
        (PLAN_OBJECTS_MAX - 1).saturating_sub(self.plan.writes.len())
    }

    fn release(&mut self) {
        let room = self.room();
        let writes = self
            .strangers
            .iter()
            .take(room)
            .map(|pod| claim::release(self.set, pod));
        self.plan.writes.extend(writes);
    }

    /// Too few: adopts, then creates. Too many: deletes.
    fn balance(&mut self) {
        let wanted = replica_set::spec(self.set).replicas.unwrap_or(1);
        let wanted = usize::try_from(wanted).unwrap_or(0);
        // A ReplicaSet that is looked at for the first time takes what is there, even if it needs none of it.
        let is_new = replica_set::status(self.set).observed_generation == 0;
        if is_new || self.census.active.len() < wanted {
            self.adopt();
        }
        let present = self.census.active.len();
        if present < wanted {
            let held = self.early_failures().min(wanted - present);
            self.create(wanted - present - held);
        } else if present > wanted {
            self.delete(present - wanted);
        }
    }

    fn adopt(&mut self) {
        for pod in claim::orphans(self.snapshot, self.set)
            .into_iter()
            .take(self.room())
        {
            self.plan.writes.push(claim::adopt(self.set, pod));
            self.census.active.push(pod);
        }
    }

    fn create(&mut self, missing: usize) {
        let Some(template) = &replica_set::spec(self.set).template else {
            return;
        };
        let count = missing
            .min(self.room())
            .min(objects_in_plan(template.encoded_len()));
        let mut names = Vec::with_capacity(count);
        for number in 0..count {
            names.push(self.create_one(template, number, &names));
        }
        self.census.created = count;
        self.note("SuccessfulCreate", "Created", &names);
    }

    /// The name depends on the version that is decided on, so that the same decision gives the same name and no other does.
    fn create_one(&mut self, template: &PodTemplateSpec, number: usize, taken: &[String]) -> String {
        let metadata = self.set.metadata();
        let owner = kinds::controller_reference(Kind::ReplicaSet, metadata);
        let generate_name = format!("{}-", metadata.name);
        let mut pod = pod::from_template(template, owner, &generate_name, &metadata.namespace);
        let is_free = |name: &String| {
            let key = Key::new(Kind::Pod, &metadata.namespace, name);
            !taken.contains(name) && self.snapshot.get(&key).is_none()
        };
        let version = &metadata.resource_version;
        let names = (0..u32::MAX).map(|attempt| {
            derived_name(
                &generate_name,
                &metadata.uid,
                &format!("{version}/{number}/{attempt}"),
            )
        });
        let name = { names }.find(is_free).unwrap_or_default();
        pod.metadata.get_or_insert_default().name.clone_from(&name);
        self.plan.writes.push(Write::Create(pod.into()));
        name
    }

    fn delete(&mut self, surplus: usize) {
        ranking::sort(&mut self.census.active, self.now);
        let count = surplus.min(self.room());
        let doomed: Vec<&Arc<Pod>> = self.census.active.drain(..count).collect();
        for pod in &doomed {
            let write = deletion::begin(
                &Object::from((*pod).clone()),
                Propagation::Background,
                None,
                self.now,
            );
            self.census.terminating += usize::from(matches!(write, Some(Write::Replace { .. })));
            self.plan.writes.extend(write);
        }
        let names: Vec<String> = doomed.iter().map(|pod| pod.metadata().name.clone()).collect();
        self.note("SuccessfulDelete", "Deleted", &names);
    }

    /// How many failed pods keep their place for now.
    fn early_failures(&mut self) -> usize {
        let mut held = 0;
        for pod in &self.finished {
            if let Some(until) = holds_place_until(pod)
                && until > self.now
            {
                held += 1;
                self.plan.look_again_at(until);
            }
        }
        held
    }

    fn tidy_up(&mut self) {
        let now = self.now;
        self.finished
            .retain(|pod| holds_place_until(pod).is_none_or(|until| until <= now));
        self.finished
            .sort_by_cached_key(|pod| (pod::finished_at(pod), pod.key()));
        let surplus = self
            .finished
            .len()
            .saturating_sub(FINISHED_KEPT_MAX)
            .min(self.room());
        for pod in self.finished.iter().take(surplus) {
            let object = Object::from((*pod).clone());
            self.plan
                .writes
                .extend(deletion::begin(&object, Propagation::Background, None, self.now));
        }
    }

    fn note(&mut self, reason: &str, what: &str, names: &[String]) {
        let metadata = self.set.metadata();
        let named = names
            .iter()
            .take(NAMED_MAX)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        let message = match names.len() {
            0 => return,
            1 => format!("{what} pod: {named}"),
            count if count <= NAMED_MAX => format!("{what} {count} pods: {named}"),
            count => format!("{what} {count} pods: {named} and {} more", count - NAMED_MAX),
        };
        self.plan.note(&self.set.key(), &metadata.uid, reason, message);
    }

    /// Counts. Whatever is written holds only for the version of the ReplicaSet it was decided on.
    fn finish(mut self) -> Plan {
        let status = status::of(self.set, &self.census, self.now, &mut self.plan);
        let key = self.set.key();
        if *replica_set::status(self.set) != status {
            let mut counted = self.set.as_ref().clone();
            counted.status = Some(status);
            self.plan
                .writes
                .push(Write::replace(&Object::from(self.set.clone()), counted));
        } else if !self.plan.writes.is_empty() {
            let version = self.snapshot.version_of(&key);
            self.plan.writes.push(Write::Expect { key, version });
        }
        self.plan
    }
}

/// Until when a pod that failed early is not replaced; `None` for one that may be at once, as are those lost with their node.
fn holds_place_until(pod: &Pod) -> Option<Time> {
    let created = pod.metadata().creation_timestamp?;
    let until = created.plus_seconds(EARLY_FAILURE_SECONDS);
    let failed = pod::status(pod).phase == pod::phase::FAILED && !pod::is_ending(pod);
    (failed && !pod::is_disrupted(pod) && pod::finished_at(pod)? < until).then_some(until)
}
