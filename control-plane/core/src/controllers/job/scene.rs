//! What a decision about a Job looks at.

use std::sync::Arc;

use bosun_proto::batch_v1::{Job, JobSpec, JobStatus};
use bosun_proto::core_v1::Pod;
use bosun_proto::log::Progress;
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Object, Resource};

use crate::kinds::{job, pod};
use crate::plan::Plan;
use crate::state::{Snapshot, Write};

/// A Job and those of its pods of which something is still to be said, at one time.
pub(super) struct Scene<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) job: &'a Arc<Job>,
    pub(super) spec: &'a JobSpec,
    pub(super) status: &'a JobStatus,
    pub(super) now: Time,
    /// Not finished, not being deleted.
    pub(super) active: Vec<&'a Arc<Pod>>,
    /// Not finished, being deleted.
    pub(super) terminating: Vec<&'a Arc<Pod>>,
    /// Failed, counted or not, and not being deleted.
    pub(super) failed: Vec<&'a Arc<Pod>>,
    /// All pods that are open (see [`Snapshot::open_pods_of`]), with those above.
    pub(super) open: Vec<&'a Arc<Pod>>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, job: &'a Arc<Job>, now: Time) -> Self {
        let open: Vec<_> = snapshot.open_pods_of(&job.metadata().uid).collect();
        let only = |wanted: fn(&Pod) -> bool| open.iter().copied().filter(|pod| wanted(pod)).collect();
        Self {
            snapshot,
            job,
            spec: job::spec(job),
            status: job::status(job),
            now,
            active: only(pod::is_active),
            terminating: only(|pod| !pod::is_finished(pod) && pod::is_ending(pod)),
            failed: only(|pod| pod::status(pod).phase == pod::phase::FAILED && !pod::is_ending(pod)),
            open,
        }
    }

    /// True once the deletion of the Job itself was asked for.
    pub(super) fn is_ending(&self) -> bool {
        self.job.metadata().deletion_timestamp.is_some()
    }

    /// True while the Job is not to run anything.
    pub(super) fn is_suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }

    /// The key of the Job.
    pub(super) fn key(&self) -> Key {
        Key::new(
            Kind::Job,
            &self.job.metadata().namespace,
            &self.job.metadata().name,
        )
    }

    /// A plan to add to, and to close with [`Scene::close`].
    pub(super) fn draft(&self) -> Draft {
        Draft {
            plan: Plan::default(),
            status: self.status.clone(),
            active: self.active.len(),
            ready: self.active.iter().filter(|pod| pod::is_ready(pod)).count(),
            terminating: self.terminating.len(),
        }
    }

    /// Adds what has to be written to the Job itself, in front of the rest.
    ///
    /// Numbers that only describe the pods are written in a way that does not conflict with pods that finish at the same
    /// time; anything else only if the Job is as it was.
    pub(super) fn close(&self, draft: Draft) -> Plan {
        let Draft {
            mut plan,
            mut status,
            active,
            ready,
            terminating,
        } = draft;
        let observed = [active, ready, terminating].map(|count| i32::try_from(count).unwrap_or(i32::MAX));
        // New pods carry no version themselves; the write to the Job is what refuses them when the Job is gone or changed.
        let makes_pods = plan.writes.iter().any(|write| matches!(write, Write::Create(_)));
        let write = if status != *self.status {
            status.active = observed[0];
            status.ready = Some(observed[1]);
            status.terminating = Some(observed[2]);
            let mut job = self.job.as_ref().clone();
            job.status = Some(status);
            Write::replace(&Object::from(self.job.clone()), job)
        } else if makes_pods
            || (status.active, status.ready, status.terminating)
                != (observed[0], Some(observed[1]), Some(observed[2]))
        {
            let metadata = self.job.metadata();
            Write::Progress(Progress {
                namespace: metadata.namespace.clone(),
                job: metadata.name.clone(),
                job_uid: metadata.uid.clone(),
                generation: metadata.generation,
                active: observed[0],
                ready: observed[1],
                terminating: observed[2],
            })
        } else {
            return plan;
        };
        plan.writes.insert(0, write);
        plan
    }
}

/// A plan for a Job before its status is written.
pub(super) struct Draft {
    pub(super) plan: Plan,
    /// The status as it shall be; the three numbers below are put in at the end.
    pub(super) status: JobStatus,
    pub(super) active: usize,
    pub(super) ready: usize,
    pub(super) terminating: usize,
}
