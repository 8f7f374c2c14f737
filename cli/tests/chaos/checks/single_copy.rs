//! Of each piece of work of a Job no two copies lived at the same time, on whatever machines.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use super::Findings;

/// One copy of a piece of work, from its first sign of life to its last, in seconds since the machine was booted.
struct Copy {
    name: String,
    first: f64,
    last: f64,
}

pub(super) fn check(records: &Path) -> Result<Findings> {
    let mut pieces: BTreeMap<String, Vec<Copy>> = BTreeMap::new();
    let mut count = 0;
    for entry in std::fs::read_dir(records)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = std::fs::read_to_string(&path)?;
        if let Some((first, last)) = life(&text).with_context(|| name.clone())? {
            count += 1;
            let copy = Copy { name, first, last };
            pieces.entry(piece_of(&copy.name)).or_default().push(copy);
        }
    }
    let mut wrong = Vec::new();
    for copies in pieces.values_mut() {
        copies.sort_by(|one, other| one.first.total_cmp(&other.first));
        for (index, later) in copies.iter().enumerate() {
            // The clock has steps of ten milliseconds: only what is clearly at the same time counts.
            for earlier in copies[..index]
                .iter()
                .filter(|earlier| later.first < earlier.last)
            {
                wrong.push(format!(
                    "{} lived until {:.2} and {} from {:.2} on",
                    earlier.name, earlier.last, later.name, later.first
                ));
            }
        }
    }
    Ok(Findings {
        looked_at: format!("{count} copies of {} pieces of work", pieces.len()),
        wrong,
    })
}

/// `JOB.INDEX` of `JOB.INDEX.POD.PROCESS`.
pub(super) fn piece_of(file: &str) -> String {
    let mut parts = file.split('.');
    let mut next = || parts.next().unwrap_or_default();
    format!("{}.{}", next(), next())
}

/// The first and the last time in a record; `None` for a copy that was killed before it wrote any.
fn life(text: &str) -> Result<Option<(f64, f64)>> {
    // A line that a kill cut off is no sign of life of its own.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut times = Vec::new();
    for line in whole.lines() {
        let (_, time) = line.split_once(' ').context("a line without a time")?;
        times.push(time.parse::<f64>()?);
    }
    Ok(times.first().copied().zip(times.last().copied()))
}
