//! What the agent holds against what the control plane says it shall hold, as pure functions. Owns the set of pods: which
//! are new, which changed, which are surplus, which are over and only keep their output.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bosun_host::WallTime;
use bosun_proto::core_v1::Pod;
use bosun_proto::node::{Assignments, FullSet};

use crate::pod::{Cause, Phase, PodRecord, life, seed};
use crate::runtime::{ContainerId, Found, Recovery, RuntimeEvent};

/// All pods of the agent.
#[derive(Debug, Default)]
pub struct Pods {
    /// Pods that are not over, or whose end is not acknowledged yet.
    pub records: BTreeMap<Arc<str>, PodRecord>,
    /// Pods whose end was acknowledged. A late message about one must not start it again.
    finished: BTreeSet<Arc<str>>,
    /// What the runtime kept of pods that were not assigned again yet.
    recovered: BTreeMap<Arc<str>, Vec<(ContainerId, Found)>>,
    /// The full set as far as it has come.
    arriving: Arriving,
}

#[derive(Debug, Default)]
struct Arriving {
    pods: BTreeSet<Arc<str>>,
    finished: BTreeSet<Arc<str>>,
}

/// What a message changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Pods to be advanced.
    pub touched: BTreeSet<Arc<str>>,
    /// Pods of which nothing runs and whatever is left is to be removed.
    pub gone: Vec<Arc<str>>,
    /// The full set is complete: what is left of all other pods is to be removed.
    pub retain: Option<BTreeSet<Arc<str>>>,
    /// Containers that went on running without an agent and whose pod is over or gone: to be killed, before anything is
    /// removed.
    pub unwanted: Vec<ContainerId>,
}

impl Pods {
    /// Nothing but what an earlier life of the agent left in the runtime.
    pub fn recovered(recovery: Recovery) -> Self {
        let mut recovered: BTreeMap<Arc<str>, Vec<_>> = BTreeMap::new();
        for (id, found) in recovery.containers {
            recovered
                .entry(Arc::clone(&id.pod_uid))
                .or_default()
                .push((id, found));
        }
        Self {
            finished: recovery.finished,
            recovered,
            ..Self::default()
        }
    }

    /// Takes in what the runtime tells of a pod that was not assigned again yet.
    pub fn observe_recovered(&mut self, event: &RuntimeEvent) {
        let (id, found) = match event {
            RuntimeEvent::Started { id, at } => (id, Found::Running { started_at: *at }),
            RuntimeEvent::Ended { id, ended } => (id, Found::Ended(ended.clone())),
        };
        let Some(containers) = self.recovered.get_mut(&id.pod_uid) else {
            return;
        };
        match containers.iter_mut().find(|(known, _)| known == id) {
            // States only move forward.
            Some((_, known @ Found::Running { .. })) => *known = found,
            Some((_, Found::Ended(_))) => {}
            None => containers.push((id.clone(), found)),
        }
    }

    /// A new session begins: its full set starts from nothing.
    pub fn session_opened(&mut self) {
        self.arriving = Arriving::default();
    }

    /// One part of the full set. The last part makes the rest surplus, and everything is to be looked at (and told) again.
    pub fn full_set(&mut self, part: FullSet, now: WallTime) -> Changes {
        let mut changes = Changes::default();
        for pod in part.pods {
            let uid = uid_of(&pod);
            self.arriving.pods.insert(Arc::clone(&uid));
            self.assign(uid, pod, now, &mut changes);
        }
        self.arriving
            .finished
            .extend(part.finished_uids.iter().map(|uid| Arc::from(uid.as_str())));
        if part.complete {
            let arrived = std::mem::take(&mut self.arriving);
            self.complete(arrived, now, &mut changes);
        }
        changes
    }

    /// An increment.
    pub fn assignments(&mut self, assignments: Assignments, now: WallTime) -> Changes {
        let mut changes = Changes::default();
        for pod in assignments.pods {
            self.assign(uid_of(&pod), pod, now, &mut changes);
        }
        for uid in assignments.removed_uids {
            self.remove(&Arc::from(uid), now, &mut changes);
        }
        changes
    }

    /// Reported pods that the control plane does not know.
    pub fn unknown(&mut self, uids: Vec<String>, now: WallTime) -> Changes {
        let mut changes = Changes::default();
        for uid in uids {
            self.remove(&Arc::from(uid), now, &mut changes);
        }
        changes
    }

    /// The end of a pod was acknowledged; true if that lets the agent forget all but its output.
    pub fn end_acknowledged(&mut self, uid: &Arc<str>) -> bool {
        let over = self
            .records
            .get(uid)
            .is_some_and(|record| record.stopped && record.phase.is_final());
        if over {
            self.records.remove(uid);
            self.finished.insert(Arc::clone(uid));
        }
        over
    }

    /// A record whose pod is unwanted and over can be dropped: true if it was, and then its leavings are to be removed,
    /// unless its output is still wanted (second value).
    pub fn drop_if_removed(&mut self, uid: &Arc<str>) -> (bool, bool) {
        let removed = self.records.get(uid).is_some_and(|record| {
            record.stopped && record.ending.is_some_and(|ending| ending.cause == Cause::Removed)
        });
        if removed {
            self.records.remove(uid);
        }
        (removed, self.finished.contains(uid))
    }

    fn assign(&mut self, uid: Arc<str>, pod: Pod, now: WallTime, changes: &mut Changes) {
        if self.finished.contains(&uid) {
            return;
        }
        let finished = pod.status.as_ref().is_some_and(|status| {
            status.phase == Phase::Succeeded.as_str() || status.phase == Phase::Failed.as_str()
        });
        match self.records.get_mut(&uid) {
            // Told by this agent, and only the acknowledgement is on its way; or declared by the control plane.
            Some(record) if finished => {
                if !record.stopped {
                    end_at_once(record, now);
                    self.finished.insert(Arc::clone(&uid));
                }
            }
            Some(record) => record.update(pod),
            None if finished => {
                self.finished.insert(uid);
                return;
            }
            None => {
                let found = self.recovered.remove(&uid).unwrap_or_default();
                self.records.insert(Arc::clone(&uid), seed(pod, &found, now));
            }
        }
        changes.touched.insert(uid);
    }

    fn remove(&mut self, uid: &Arc<str>, now: WallTime, changes: &mut Changes) {
        self.finished.remove(uid);
        let recovered = self.recovered.remove(uid).unwrap_or_default();
        changes.unwanted.extend(running(recovered));
        match self.records.get_mut(uid) {
            Some(record) => {
                end_at_once(record, now);
                changes.touched.insert(Arc::clone(uid));
            }
            None => changes.gone.push(Arc::clone(uid)),
        }
    }

    fn complete(&mut self, arrived: Arriving, now: WallTime, changes: &mut Changes) {
        for (uid, record) in &mut self.records {
            if !arrived.pods.contains(uid) {
                end_at_once(record, now);
            }
            changes.touched.insert(Arc::clone(uid));
        }
        let recovered = std::mem::take(&mut self.recovered).into_values();
        changes.unwanted.extend(recovered.flat_map(running));
        self.finished
            .retain(|uid| arrived.pods.contains(uid) && !arrived.finished.contains(uid));
        self.finished.extend(arrived.finished);
        let mut known = arrived.pods;
        known.extend(self.finished.iter().cloned());
        // Surplus pods keep what they have until they are over, and lose it then.
        known.extend(self.records.keys().cloned());
        changes.retain = Some(known);
    }
}

fn running(found: Vec<(ContainerId, Found)>) -> impl Iterator<Item = ContainerId> {
    found
        .into_iter()
        .filter(|(_, found)| matches!(found, Found::Running { .. }))
        .map(|(id, _)| id)
}

/// Ends a pod that is not wanted any more. One that is over by itself is looked at again so that it is dropped.
fn end_at_once(record: &mut PodRecord, now: WallTime) {
    life::remove(record, now);
}

fn uid_of(pod: &Pod) -> Arc<str> {
    pod.metadata
        .as_ref()
        .map(|meta| meta.uid.as_str())
        .unwrap_or_default()
        .into()
}

#[cfg(test)]
#[path = "sync_tests.rs"]
mod tests;
