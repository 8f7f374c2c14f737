//! Owns the way from the files people write to objects that can be sent: read, parse, check strictly, and tell every
//! mistake with its file, document, line and field. What the server alone can judge (defaults, validity) is left to it.

mod explain;
mod hint;
mod json_text;
mod scalar;
mod source;
mod strict;
mod tree;
pub(crate) mod yaml;

pub(crate) use strict::ManifestObject;

use crate::failure::UsageError;
use anyhow::{Result, bail};
use std::path::PathBuf;

/// How many mistakes are told at once.
const MISTAKES_SHOWN_MAX: usize = 20;

/// Reads all objects of the given files, in order. `namespace` is that of objects which name none; when it was given on the
/// command line (`explicit`), objects of other namespaces are refused.
///
/// # Errors
/// One error that tells all mistakes of all files, or what could not be read.
pub(crate) fn load(
    paths: &[PathBuf],
    recursive: bool,
    namespace: Namespace<'_>,
) -> Result<Vec<ManifestObject>> {
    if paths.is_empty() {
        return Err(UsageError::new("name at least one manifest with -f FILE; - is standard input").into());
    }
    let texts = source::read_all(paths, recursive)?;
    let (objects, mistakes) = strict::read(&texts, namespace);
    if let Some(text) = told(&mistakes) {
        bail!(text);
    }
    if objects.is_empty() {
        let sources: Vec<&str> = texts.iter().map(|text| text.source.as_str()).collect();
        bail!(
            "{}: no object in it; a manifest has at least apiVersion, kind and metadata.name",
            sources.join(", ")
        );
    }
    Ok(objects)
}

/// The namespace a command works in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Namespace<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// It was given on the command line.
    pub(crate) explicit: bool,
}

fn told(mistakes: &[strict::Mistake]) -> Option<String> {
    let shown: Vec<String> = mistakes
        .iter()
        .take(MISTAKES_SHOWN_MAX)
        .map(ToString::to_string)
        .collect();
    let more = mistakes.len().saturating_sub(MISTAKES_SHOWN_MAX);
    let rest = if more > 0 {
        format!("\n... and {more} more")
    } else {
        String::new()
    };
    (!shown.is_empty()).then(|| shown.join("\n") + &rest)
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
