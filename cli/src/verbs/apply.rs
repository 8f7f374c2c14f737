//! Owns `bosun apply`: each manifest compared with what is stored and with what it said last time, and only the difference
//! sent. The merge itself is in `merge`.

use crate::failure::{AlreadyTold, render};
use crate::manifest::ManifestObject;
use crate::merge;
use crate::output::terminal::print_line;
use crate::session::Session;
use crate::verbs::files::{DryRun, Files};
use anyhow::{Result, anyhow, bail};
use bosun_client::{ApiError, Client, PatchKind};
use bosun_proto::Object;
use clap::Args as ClapArgs;
use serde_json::{Value, json};

/// Where an object keeps the manifest it was last applied from. kubectl's name, so that both tools can take turns.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// How often an object that changes under our hands is merged anew.
const MERGES_MAX: usize = 8;

/// The arguments of `apply`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  bosun apply -f job.yaml\n  bosun apply -f manifests/ -R\n  generate | bosun apply -f -"
)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    dry_run: DryRun,
}

/// What applying one object did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was new.
    Created,
    /// It was changed.
    Configured,
    /// It was so already.
    Unchanged,
}

impl Outcome {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

/// One applied object.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    /// What was done.
    pub(crate) outcome: Outcome,
    /// The object as stored now.
    pub(crate) object: Object,
    /// What is worth telling.
    pub(crate) warnings: Vec<String>,
}

/// Applies all objects of the files. One that fails does not keep the others back.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    let manifests = args.files.load(session)?;
    let client = session.client()?;
    let mut failed = false;
    for manifest in &manifests {
        match apply(&client, manifest, args.dry_run.on()).await {
            Ok(applied) => {
                session.warn_all(&manifest.reference(), &applied.warnings);
                let word = applied.outcome.word();
                print_line(&format!(
                    "{} {word}{}",
                    manifest.reference(),
                    args.dry_run.suffix()
                ))?;
            }
            Err(error) => {
                let error = manifest.explain(error);
                if matches!(error.downcast_ref(), Some(ApiError::Unreachable { .. })) {
                    return Err(error);
                }
                session.terminal.error(&render(&error));
                failed = true;
            }
        }
    }
    if failed { Err(AlreadyTold.into()) } else { Ok(()) }
}

/// Creates or changes one object so that it matches its manifest.
pub(crate) async fn apply(client: &Client, manifest: &ManifestObject, dry_run: bool) -> Result<Applied> {
    if manifest.object.metadata().name.is_empty() {
        bail!("apply needs metadata.name; use `bosun create` for generateName");
    }
    let (wanted, annotation) = with_annotation(&manifest.json);
    let key = manifest.object.key();
    let mut refused = None;
    for _ in 0..MERGES_MAX {
        let current = match client.get(&key).await {
            Ok(current) => current,
            Err(error) if error.is_not_found() => {
                let mut object = manifest.object.clone();
                object
                    .metadata_mut()
                    .annotations
                    .insert(LAST_APPLIED.to_owned(), annotation.clone());
                match client.create(&object, dry_run).await {
                    Ok(written) => return Ok(applied(Outcome::Created, written.object, written.warnings)),
                    Err(error) if error.is_already_exists() => {
                        refused = Some(error);
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Err(error) => return Err(error.into()),
        };
        let mut warnings = warnings_before(&current);
        let Some(patch) = difference(&wanted, &current) else {
            return Ok(applied(Outcome::Unchanged, current, warnings));
        };
        match client.patch(&key, PatchKind::Merge, &patch, dry_run).await {
            Ok(written) => {
                warnings.extend(written.warnings);
                let version = |object: &Object| object.metadata().resource_version.clone();
                let same = version(&written.object) == version(&current) && !dry_run;
                let outcome = if same {
                    Outcome::Unchanged
                } else {
                    Outcome::Configured
                };
                return Ok(applied(outcome, written.object, warnings));
            }
            // It changed or went between the look and the write: look again.
            Err(error) if error.is_conflict() || error.is_not_found() => refused = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    let because = refused.map_or_else(|| anyhow!("it changes all the time"), anyhow::Error::from);
    Err(because.context(format!("gave up after {MERGES_MAX} attempts")))
}

fn applied(outcome: Outcome, object: Object, warnings: Vec<String>) -> Applied {
    Applied {
        outcome,
        object,
        warnings,
    }
}

fn warnings_before(current: &Object) -> Vec<String> {
    let metadata = current.metadata();
    let mut warnings = Vec::new();
    if metadata.deletion_timestamp.is_some() {
        warnings.push("it is being deleted; what is applied now goes with it".to_owned());
    }
    if !metadata.annotations.contains_key(LAST_APPLIED) {
        warnings.push(
            "it was not made by apply: fields that the manifest no longer has cannot be told from those that others set, and stay"
                .to_owned(),
        );
    }
    warnings
}

/// The manifest with itself in the annotation, and that annotation.
fn with_annotation(json: &Value) -> (Value, String) {
    let mut plain = json.clone();
    if let Some(annotations) = plain
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove(LAST_APPLIED);
    }
    let mut wanted = plain.clone();
    let metadata = &mut wanted["metadata"];
    if !metadata["annotations"].is_object() {
        metadata["annotations"] = json!({});
    }
    let annotation = format!("{plain}\n");
    metadata["annotations"][LAST_APPLIED] = Value::String(annotation.clone());
    (wanted, annotation)
}

/// The patch that brings the stored object to the manifest, bound to the version it was computed from.
fn difference(wanted: &Value, current: &Object) -> Option<Value> {
    let annotation = current.metadata().annotations.get(LAST_APPLIED);
    let last = annotation
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null);
    let mut patch = merge::patch(&last, wanted, &current.to_json())?;
    // A list is sent whole, so nobody may have changed it since.
    patch["metadata"]["resourceVersion"] = Value::String(current.metadata().resource_version.clone());
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_holds_the_manifest_without_itself() {
        let manifest =
            json!({"kind": "Job", "metadata": {"name": "x", "annotations": {LAST_APPLIED: "old", "a": "b"}}});
        let (wanted, annotation) = with_annotation(&manifest);
        assert_eq!(wanted["metadata"]["annotations"][LAST_APPLIED], annotation);
        let inner: Value = serde_json::from_str(&annotation).unwrap();
        assert_eq!(
            inner,
            json!({"kind": "Job", "metadata": {"name": "x", "annotations": {"a": "b"}}})
        );
        let (bare, annotation) = with_annotation(&json!({"metadata": {"name": "x"}}));
        assert_eq!(bare["metadata"]["annotations"][LAST_APPLIED], annotation);
    }
}
