//! Gives pods their node: one batch of pods over one snapshot, with a running picture of what the batch has given away.
//!
//! [`schedule`] is a pure function. Whoever runs it keeps one batch in flight and treats it like a controller: [`keys`] when
//! a leader starts, [`touched_by`] for each change. That a node really has room is checked once more where it cannot
//! change any more, by the precondition of [`crate::state::Write::Bind`]; so two batches can never overfill a node.
//!
//! A key is a pod that wants a node, or a *node* where something became free: then every waiting pod is tried. So a change
//! costs one key, however many pods wait.
//!
//! `filters` say which nodes do and why the others do not, `scores` which of them is best.

mod batch;
mod demand;
mod filters;
mod places;
mod scores;
mod verdict;
mod wakeups;

use std::collections::BTreeSet;

use bosun_proto::Key;
use bosun_proto::scalars::Time;

use crate::plan::Plan;
use crate::state::Snapshot;

pub use wakeups::{keys, touched_by};

/// The name under which it writes Events, and the `schedulerName` of the pods it is for. Source: Kubernetes.
pub const NAME: &str = "default-scheduler";

/// A batch ends when it has so many plans that write something; the rest is tried on top of these.
pub const BATCH_PLANS_MAX: usize = 1_000;

/// Finds a node for each of `keys`, or says why there is none.
///
/// The result has each of the given keys at least once and no other. A pod has one plan: a bind, a changed condition, or
/// nothing. A node has one plan for each waiting pod that something is written about; each plan is a transaction of its own.
///
/// Pods are tried by priority, then by age. A pod that is gone, has a node, has finished, is being deleted, has scheduling
/// gates or another scheduler's name gets an empty plan.
pub fn schedule(snapshot: &Snapshot, keys: &[Key], now: Time) -> Vec<(Key, Plan)> {
    let mut batch = batch::Batch::new(snapshot, now);
    let mut plans: Vec<(Key, Plan)> = Vec::with_capacity(keys.len());
    let mut silent: BTreeSet<&Key> = keys.iter().collect();
    let mut left_over = BTreeSet::new();
    for candidate in batch::in_order(snapshot, keys) {
        if plans.len() == BATCH_PLANS_MAX {
            left_over.insert(candidate.asked_by);
            continue;
        }
        let plan = batch.place(candidate.pod);
        if !plan.is_empty() {
            silent.remove(candidate.asked_by);
            plans.push((candidate.asked_by.clone(), plan));
        }
    }
    for key in left_over {
        silent.remove(key);
        plans.push((
            key.clone(),
            Plan {
                look_again: Some(now),
                ..Plan::default()
            },
        ));
    }
    plans.extend(silent.into_iter().map(|key| (key.clone(), Plan::default())));
    plans
}

#[cfg(test)]
mod scheduler_tests;
