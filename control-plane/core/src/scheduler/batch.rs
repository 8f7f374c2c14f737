//! One batch: which pods in which order, and the best node for each, given what the batch has given away already.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use bosun_proto::core_v1::Pod;
use bosun_proto::scalars::Time;
use bosun_proto::{Key, Kind, Resource};

use super::demand::Demand;
use super::filters::{self, Reason};
use super::places::{self, Place};
use super::{scores, verdict, wakeups};
use crate::kinds::pod;
use crate::plan::Plan;
use crate::state::Snapshot;

/// Of so many nodes with room, found from a place in the list that differs from pod to pod, the best is taken. So a pod does
/// not cost more in a cluster of thousands of nodes; smaller clusters are looked at whole.
const CANDIDATES_MAX: usize = 100;
/// An owner's pods are spread by where so many of them are; of more, these are a fair sample, as their names are random.
const SIBLINGS_MAX: usize = 500;

/// A pod to try.
pub(super) struct Candidate<'a> {
    /// The key of the batch that stands for it: its own, or a node's.
    pub(super) asked_by: &'a Key,
    pub(super) pod: &'a Arc<Pod>,
}

/// The pods that `keys` stand for, by priority, then by age.
pub(super) fn in_order<'a>(snapshot: &'a Snapshot, keys: &'a [Key]) -> Vec<Candidate<'a>> {
    let (pods, nodes): (Vec<&Key>, Vec<&Key>) = keys.iter().partition(|key| key.kind == Kind::Pod);
    let mut wanted: BTreeMap<Key, Candidate<'a>> = BTreeMap::new();
    for key in pods {
        if let Some(pod) = snapshot.find_key::<Pod>(key) {
            wanted.insert(key.clone(), Candidate { asked_by: key, pod });
        }
    }
    if let Some(node) = nodes.first() {
        for pod in snapshot.unassigned_pods() {
            wanted
                .entry(pod.key())
                .or_insert(Candidate { asked_by: node, pod });
        }
    }
    let mut order: Vec<Candidate<'a>> = wanted
        .into_values()
        .filter(|it| wakeups::wants_node(it.pod))
        .collect();
    // Stable: among equals it remains the order of the keys.
    order.sort_by_key(|candidate| {
        let priority = pod::spec(candidate.pod).priority.unwrap_or(0);
        (Reverse(priority), candidate.pod.metadata().creation_timestamp)
    });
    order
}

/// The running picture of a batch.
pub(super) struct Batch<'a> {
    snapshot: &'a Snapshot,
    now: Time,
    places: Vec<Place<'a>>,
    groups: Vec<Group<'a>>,
}

/// Pods of equal demand.
struct Group<'a> {
    demand: Demand<'a>,
    /// The nodes that only lack of room can rule out.
    fits: Vec<Fit>,
    /// Why the others do not do, and how many of them.
    objections: BTreeMap<Reason, usize>,
    /// The most pods of the owner on one node.
    siblings_max: i64,
    /// Why no node does. Once that is known, it holds for the rest of the batch: room only becomes less.
    unschedulable: Option<String>,
}

struct Fit {
    place: usize,
    lasting_score: i64,
    siblings: i64,
}

impl<'a> Batch<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, now: Time) -> Self {
        Self {
            snapshot,
            now,
            places: places::all(snapshot),
            groups: Vec::new(),
        }
    }

    /// The plan for a pod: to the best node, or why there is none.
    pub(super) fn place(&mut self, pod: &'a Arc<Pod>) -> Plan {
        let group = self.group_of(Demand::of(pod));
        let best = match self.groups[group].unschedulable {
            Some(_) => None,
            None => self.best_fit(group, &pod.metadata().uid),
        };
        let Some(best) = best else {
            let message = self.why_not(group);
            return verdict::unschedulable(pod, &message, self.now);
        };
        let group = &mut self.groups[group];
        let fit = &mut group.fits[best];
        fit.siblings += 1;
        group.siblings_max = group.siblings_max.max(fit.siblings);
        let place = &mut self.places[fit.place];
        place.take(&group.demand);
        verdict::bind(self.snapshot, pod, place.name())
    }

    fn group_of(&mut self, demand: Demand<'a>) -> usize {
        self.groups
            .iter()
            .position(|group| group.demand == demand)
            .unwrap_or_else(|| {
                self.groups.push(Group::new(self.snapshot, &self.places, demand));
                self.groups.len() - 1
            })
    }

    /// The place in the group's `fits` of the node with the best score. Equal scores are decided by a hash, so that equal
    /// nodes get their turn.
    fn best_fit(&self, group: usize, pod_uid: &str) -> Option<usize> {
        let group = &self.groups[group];
        let count = group.fits.len();
        let start = usize::try_from(hash(pod_uid, "") % count.max(1) as u64).unwrap_or(0);
        let with_room = (start..count).chain(0..start).filter(|fit| {
            let place = &self.places[group.fits[*fit].place];
            filters::has_room(&group.demand, place)
        });
        with_room.take(CANDIDATES_MAX).max_by_key(|fit| {
            let fit = &group.fits[*fit];
            let place = &self.places[fit.place];
            let running = scores::running(&group.demand, place, fit.siblings, group.siblings_max);
            (fit.lasting_score + running, hash(pod_uid, place.name()))
        })
    }

    fn why_not(&mut self, group: usize) -> String {
        let Group {
            demand,
            fits,
            objections,
            unschedulable,
            ..
        } = &mut self.groups[group];
        let places = &self.places;
        unschedulable
            .get_or_insert_with(|| {
                let mut reasons = objections.clone();
                let full = fits
                    .iter()
                    .flat_map(|fit| filters::explain_room(demand, &places[fit.place]));
                full.for_each(|reason| *reasons.entry(reason).or_default() += 1);
                verdict::message(places.len(), &reasons)
            })
            .clone()
    }
}

impl<'a> Group<'a> {
    fn new(snapshot: &'a Snapshot, places: &[Place<'a>], demand: Demand<'a>) -> Self {
        let mut fits = Vec::new();
        let mut objections: BTreeMap<Reason, usize> = BTreeMap::new();
        for (index, place) in places.iter().enumerate() {
            if let Some(reason) = filters::explain_lasting(&demand, place.node) {
                *objections.entry(reason).or_default() += 1;
            } else {
                let lasting_score = scores::lasting(&demand, place);
                fits.push(Fit {
                    place: index,
                    lasting_score,
                    siblings: 0,
                });
            }
        }
        let mut siblings_max = 0;
        // With one node to choose from there is nothing to spread.
        if let (Some(owner), true) = (demand.owner, fits.len() > 1) {
            let siblings = siblings_by_node(snapshot, owner);
            for fit in &mut fits {
                fit.siblings = siblings.get(places[fit.place].name()).copied().unwrap_or(0);
                siblings_max = siblings_max.max(fit.siblings);
            }
        }
        Self {
            demand,
            fits,
            objections,
            siblings_max,
            unschedulable: None,
        }
    }
}

fn siblings_by_node<'a>(snapshot: &'a Snapshot, owner: &str) -> BTreeMap<&'a str, i64> {
    let mut counts = BTreeMap::new();
    for sibling in snapshot.controlled_by::<Pod>(owner).take(SIBLINGS_MAX) {
        let node = pod::spec(sibling).node_name.as_str();
        if !node.is_empty() && pod::is_active(sibling) {
            *counts.entry(node).or_default() += 1;
        }
    }
    counts
}

/// The same on every machine and in every version (FNV-1a).
fn hash(first: &str, second: &str) -> u64 {
    let bytes = first.bytes().chain([0]).chain(second.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
