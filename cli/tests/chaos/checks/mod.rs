//! The promises, one file each. A check returns what it found wrong, in words for the person who has to look into it.

mod acknowledged;
mod answers;
mod converged;
mod cron_firings;
mod job_counts;
mod linearizable;
mod replicas;
mod single_copy;
mod watches;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::clients::Evidence;
use crate::cluster::Cluster;

/// How long one question may take now that nothing is broken any more.
const PATIENCE: Duration = Duration::from_secs(20);
/// So many findings of one check are shown.
const SHOWN_MAX: usize = 10;

/// Everything that was found wrong.
pub(crate) async fn all(cluster: &Cluster, evidence: &Evidence, records: &Path) -> Result<Vec<String>> {
    let results = [
        ("answers say what can be acted on", Ok(answers::check(evidence))),
        (
            "the cluster comes to rest",
            converged::check(cluster, evidence).await,
        ),
        (
            "no acknowledged write is lost",
            acknowledged::check(cluster, evidence).await,
        ),
        (
            "writes and reads are linearizable",
            linearizable::check(cluster, evidence).await,
        ),
        (
            "watches tell every version once and in order",
            Ok(watches::check(evidence)),
        ),
        ("all servers hold the same state", replicas::check(cluster).await),
        ("no fenced pod lives twice at a time", single_copy::check(records)),
        (
            "every Job reaches its right count",
            job_counts::check(cluster, evidence, records).await,
        ),
        (
            "every CronJob fires exactly when due",
            cron_firings::check(cluster, evidence).await,
        ),
    ];
    let mut problems = Vec::new();
    for (promise, result) in results {
        let found = result.unwrap_or_else(|error| Findings::unable(&error));
        eprintln!(
            "chaos: {promise}: {}, {} found wrong",
            found.looked_at,
            found.wrong.len()
        );
        if !found.wrong.is_empty() {
            let shown = &found.wrong[..found.wrong.len().min(SHOWN_MAX)];
            problems.push(format!(
                "BROKEN: {promise} ({} times)\n{}",
                found.wrong.len(),
                shown.join("\n")
            ));
        }
    }
    Ok(problems)
}

/// What a check looked at and what it found wrong.
pub(crate) struct Findings {
    /// How much evidence there was, so that a check that saw nothing does not look like one that found nothing.
    pub(crate) looked_at: String,
    pub(crate) wrong: Vec<String>,
}

impl Findings {
    fn unable(error: &anyhow::Error) -> Self {
        Self {
            looked_at: "could not look".to_owned(),
            wrong: vec![format!("{error:#}")],
        }
    }
}
