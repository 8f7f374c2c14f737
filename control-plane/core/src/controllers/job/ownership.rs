//! Which pods are a Job's: adopts those that fit its selector and have no controller, releases those that no longer fit.

use std::sync::Arc;

use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::Pod;
use bosun_proto::selector::LabelSelector;
use bosun_proto::{Key, Kind, Object, Resource};

use super::pods::{has_tracking_finalizer, remove_tracking_finalizer};
use super::{PODS_PER_PLAN, is_managed_here};
use crate::admission::deletion;
use crate::admission::pod_status::JOB_TRACKING_FINALIZER;
use crate::kinds::{controller_reference, job, pod};
use crate::plan::Plan;
use crate::state::{Snapshot, Write};

/// Adoptions and releases.
pub(super) fn plan(snapshot: &Snapshot, job: &Arc<Job>) -> Plan {
    let Some(selector) = selector_of(job) else {
        return Plan::default();
    };
    let metadata = job.metadata();
    let released = snapshot
        .open_pods_of(&metadata.uid)
        .filter(|pod| !selector.matches(&pod.metadata().labels))
        .map(|pod| release(job, pod));
    let takes = metadata.deletion_timestamp.is_none() && job::is_finished(job).is_none();
    let mut adopted = snapshot
        .uncontrolled_pods(&metadata.namespace)
        .filter(|pod| takes && !pod::is_ending(pod) && selector.matches(&pod.metadata().labels))
        .map(|pod| adopt(job, pod))
        .peekable();
    // A Job that is gone or going by now adopts nothing: the pod would go with it.
    let unchanged = adopted.peek().is_some().then(|| {
        let key = job.key();
        let version = snapshot.version_of(&key);
        Write::Expect { key, version }
    });
    Plan {
        writes: unchanged
            .into_iter()
            .chain(released)
            .chain(adopted)
            .take(PODS_PER_PLAN)
            .collect(),
        ..Plan::default()
    }
}

/// The Jobs that a pod without a controller may belong to.
pub(super) fn who_may_adopt(snapshot: &Snapshot, pod: &Pod) -> Vec<Key> {
    if pod::is_ending(pod) || pod.metadata().labels.is_empty() {
        return Vec::new();
    }
    let fits = |job: &&Arc<Job>| {
        is_managed_here(job)
            && selector_of(job).is_some_and(|selector| selector.matches(&pod.metadata().labels))
    };
    let jobs = snapshot.all::<Job>(Some(&pod.metadata().namespace)).filter(fits);
    jobs.map(|job| Key::new(Kind::Job, &job.metadata().namespace, &job.metadata().name))
        .collect()
}

/// `None` for a Job whose selector is missing, empty or unreadable: it would fit every pod.
fn selector_of(job: &Job) -> Option<LabelSelector> {
    let selector = LabelSelector::try_from(job::spec(job).selector.as_ref()?).ok()?;
    (!selector.is_empty()).then_some(selector)
}

fn adopt(job: &Job, pod: &Arc<Pod>) -> Write {
    let mut adopted = pod.as_ref().clone();
    let tracked = has_tracking_finalizer(&adopted);
    let metadata = adopted.metadata.get_or_insert_default();
    metadata
        .owner_references
        .push(controller_reference(Kind::Job, job.metadata()));
    if !tracked {
        metadata.finalizers.push(JOB_TRACKING_FINALIZER.to_owned());
    }
    Write::replace(&Object::from(pod.clone()), adopted)
}

fn release(job: &Job, pod: &Arc<Pod>) -> Write {
    let mut released = pod.as_ref().clone();
    remove_tracking_finalizer(&mut released);
    let metadata = released.metadata.get_or_insert_default();
    metadata
        .owner_references
        .retain(|owner| owner.uid != job.metadata().uid);
    deletion::write_of(&Object::from(pod.clone()), released.into())
}
