//! Each watcher was told every change once and in the order of versions, the same as every other one, and all that was
//! acknowledged to anybody.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use crate::clients::Evidence;
use crate::clients::registers::Acknowledged;
use crate::clients::watches::{Stretch, Told};

/// Who told it, and what.
type Account<'a> = (&'a str, &'a Told);
/// Whose watcher was told it, and what.
type Named<'a> = (&'a str, &'a Stretch);

pub(super) fn check(evidence: &Evidence) -> Findings {
    let stretches: Vec<Named<'_>> = evidence
        .watched
        .iter()
        .flat_map(|(name, watched)| {
            watched
                .stretches
                .iter()
                .map(move |stretch| (name.as_str(), stretch))
        })
        .collect();
    let mut wrong = Vec::new();
    let all = merge(&stretches, &mut wrong);
    for stretch in &stretches {
        find_gaps(stretch, &all, &mut wrong);
    }
    let acknowledged = evidence
        .registers
        .acknowledged
        .lock()
        .expect("its writers have ended");
    find_untold(&acknowledged, &stretches, &all, &mut wrong);
    Findings {
        looked_at: format!(
            "{} changes told to {} watchers in {} stretches",
            stretches
                .iter()
                .map(|(_, stretch)| stretch.changes.len())
                .sum::<usize>(),
            evidence.watched.len(),
            stretches.len()
        ),
        wrong,
    }
}

/// All that anybody was told, by version. On the way it shows whether anything came twice, out of order, or differently.
fn merge<'a>(stretches: &[Named<'a>], wrong: &mut Vec<String>) -> BTreeMap<u64, Account<'a>> {
    let mut all: BTreeMap<u64, Account<'_>> = BTreeMap::new();
    for (name, stretch) in stretches {
        let mut last = stretch.after;
        for told in &stretch.changes {
            if told.version <= last {
                wrong.push(format!(
                    "the watcher of {name} was told {told:?} after version {last}"
                ));
            }
            last = told.version;
            let (other, first) = *all.entry(told.version).or_insert((name, told));
            if first != told {
                wrong.push(format!("{name} told {told:?} and {other} told {first:?}"));
            }
        }
    }
    all
}

/// What others were told between the first and the last change of a stretch, and its watcher was not.
fn find_gaps((name, stretch): &Named<'_>, all: &BTreeMap<u64, Account<'_>>, wrong: &mut Vec<String>) {
    let Some(last) = stretch.changes.last() else {
        return;
    };
    let told: BTreeSet<u64> = stretch.changes.iter().map(|told| told.version).collect();
    for (version, (other, change)) in all.range(stretch.after + 1..=last.version) {
        if !told.contains(version) {
            wrong.push(format!(
                "the watcher of {name} missed {change:?}, which {other} told"
            ));
        }
    }
}

/// What was acknowledged while somebody watched, and nobody was told.
fn find_untold(
    acknowledged: &[Acknowledged],
    stretches: &[Named<'_>],
    all: &BTreeMap<u64, Account<'_>>,
    wrong: &mut Vec<String>,
) {
    let is_watched = |version: u64| {
        let covers = |stretch: &Stretch| {
            let last = stretch.changes.last();
            stretch.after < version && last.is_some_and(|last| version <= last.version)
        };
        stretches.iter().any(|(_, stretch)| covers(stretch))
    };
    for write in acknowledged.iter().filter(|write| is_watched(write.version)) {
        let is_told = all
            .get(&write.version)
            .is_some_and(|(_, told)| told.register == write.register && told.value == Some(write.value));
        if !is_told {
            wrong.push(format!("{write:?} was acknowledged, and no watcher was told"));
        }
    }
}
