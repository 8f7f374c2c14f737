//! What there is, in few words.

use bosun_proto::apps_v1::ReplicaSet;
use bosun_proto::batch_v1::{CronJob, Job};
use bosun_proto::core_v1::{Event, Pod};
use bosun_proto::scalars::Time;
use bosun_proto::{Kind, Resource};

use super::fixture::{Fixture, NAMESPACE};
use crate::plan::Note;

impl Fixture {
    /// What the controllers and the scheduler said so far, and when.
    pub fn notes(&self) -> &[(Time, Note)] {
        &self.notes
    }

    /// Reasons of the notes about one object, in order.
    pub fn reasons(&self, kind: Kind, name: &str) -> Vec<&str> {
        let about = |note: &Note| note.about.kind == kind && &*note.about.name == name;
        self.notes
            .iter()
            .filter(|(_, note)| about(note))
            .map(|(_, note)| note.reason.as_str())
            .collect()
    }

    /// The pods of the namespace, oldest first, those of one time by name.
    pub fn pods(&self) -> Vec<Pod> {
        let mut pods: Vec<Pod> = self
            .snapshot()
            .all::<Pod>(Some(NAMESPACE))
            .map(|pod| pod.as_ref().clone())
            .collect();
        pods.sort_by_key(|pod| pod.metadata().creation_timestamp);
        pods
    }

    /// The pods whose controller is this object, oldest first.
    pub fn pods_of(&self, kind: Kind, name: &str) -> Vec<Pod> {
        let owned = |pod: &Pod| {
            let mut owners = pod.metadata().owner_references.iter();
            owners.any(|owner| {
                owner.controller == Some(true) && owner.kind == kind.info().kind && owner.name == name
            })
        };
        self.pods().into_iter().filter(owned).collect()
    }

    /// A Job that must be there.
    pub fn job(&self, name: &str) -> Job {
        self.get(name)
    }

    /// A CronJob that must be there.
    pub fn cron_job(&self, name: &str) -> CronJob {
        self.get(name)
    }

    /// A ReplicaSet that must be there.
    pub fn replica_set(&self, name: &str) -> ReplicaSet {
        self.get(name)
    }

    /// The Events about one object, in order of their names.
    pub fn events(&self, kind: Kind, name: &str) -> Vec<Event> {
        let about = |event: &Event| {
            let object = event.involved_object.as_ref();
            object.is_some_and(|object| object.kind == kind.info().kind && object.name == name)
        };
        self.snapshot()
            .all::<Event>(None)
            .filter(|event| about(event))
            .map(|event| event.as_ref().clone())
            .collect()
    }

    /// An object that must be there.
    pub fn get<R: Resource + Clone>(&self, name: &str) -> R {
        let namespace = if R::KIND.info().namespaced { NAMESPACE } else { "" };
        let snapshot = self.snapshot();
        let found = snapshot
            .find::<R>(namespace, name)
            .unwrap_or_else(|| panic!("no {:?} {name}", R::KIND));
        found.as_ref().clone()
    }
}
