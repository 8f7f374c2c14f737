//! At no instant do two copies of a fenced pod run: not of one completion index, and not more pods of a Job than it may
//! have at once. Judged by what really ran, not by what anyone in the cluster believes.

use std::collections::BTreeMap;

use crate::evidence::{Evidence, Notes};
use crate::world::Life;

pub(super) fn check(_: &Evidence, notes: &Notes) -> Result<(), String> {
    let mut groups: BTreeMap<_, Vec<&Life>> = BTreeMap::new();
    for life in &notes.lives {
        if let Some(job) = &life.job {
            groups.entry(job).or_default().push(life);
        }
    }
    for ((job, index), lives) in groups {
        let submitted = notes
            .jobs
            .get(job)
            .ok_or_else(|| format!("nobody submitted {job}"))?;
        let most = match index {
            Some(_) => 1,
            None => usize::try_from(submitted.parallelism).unwrap_or(0),
        };
        for life in &lives {
            let at_once: Vec<_> = lives
                .iter()
                .filter(|other| other.from <= life.from && other.overlaps(life))
                .collect();
            if at_once.len() > most {
                return Err(format!(
                    "{} copies of {job} {index:?} at {:?}: {at_once:#?}",
                    at_once.len(),
                    life.from
                ));
            }
        }
    }
    Ok(())
}
