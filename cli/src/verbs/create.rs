//! Owns `bosun create`: new objects from manifests, and a Job from a CronJob outside of its schedule.

use crate::failure::{AlreadyTold, UsageError, render};
use crate::output::terminal::print_line;
use crate::session::Session;
use crate::target::{self, reference};
use crate::verbs::files::DryRun;
use anyhow::{Context as _, Result, bail};
use bosun_client::ApiError;
use bosun_proto::batch_v1::{CronJob, Job};
use bosun_proto::meta_v1::{ObjectMeta, OwnerReference};
use bosun_proto::{Kind, Object};
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

/// How a Job is marked that was not made by its CronJob's schedule.
const INSTANTIATE: (&str, &str) = ("cronjob.kubernetes.io/instantiate", "manual");

/// The arguments of `create`.
#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Examples:\n  bosun create -f job.yaml\n  bosun create job now --from=cronjob/nightly\n  bosun create namespace test"
)]
pub(crate) struct Args {
    /// A manifest file, a folder of them, or - for standard input; may be given several times
    #[arg(short, long = "filename", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Also the folders inside folders
    #[arg(short = 'R', long)]
    recursive: bool,
    #[command(flatten)]
    dry_run: DryRun,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A Job from a CronJob's template, now
    Job {
        /// The new Job's name
        name: String,
        /// Whose template to take, as cronjob/NAME
        #[arg(long, value_name = "CRONJOB")]
        from: String,
        #[command(flatten)]
        dry_run: DryRun,
    },
    /// A namespace
    #[command(visible_alias = "ns")]
    Namespace {
        /// Its name
        name: String,
        #[command(flatten)]
        dry_run: DryRun,
    },
}

/// Creates what was asked for.
pub(crate) async fn run(session: &Session, args: Args) -> Result<()> {
    match &args.what {
        Some(What::Job { name, from, dry_run }) => {
            let job = job_from(session, name, from).await?;
            create(session, &job, *dry_run).await
        }
        Some(What::Namespace { name, dry_run }) => {
            let metadata = ObjectMeta {
                name: name.clone(),
                ..ObjectMeta::default()
            };
            let namespace = bosun_proto::core_v1::Namespace {
                metadata: Some(metadata),
                ..Default::default()
            };
            create(session, &Object::from(namespace), *dry_run).await
        }
        None => from_files(session, args).await,
    }
}

async fn from_files(session: &Session, args: Args) -> Result<()> {
    let files = super::files::Files {
        files: args.files,
        recursive: args.recursive,
    };
    let mut failed = false;
    for manifest in files.load(session)? {
        if let Err(error) = create(session, &manifest.object, args.dry_run).await {
            let error = manifest.explain(error);
            if matches!(error.downcast_ref(), Some(ApiError::Unreachable { .. })) {
                return Err(error);
            }
            session.terminal.error(&render(&error));
            failed = true;
        }
    }
    if failed { Err(AlreadyTold.into()) } else { Ok(()) }
}

async fn create(session: &Session, object: &Object, dry_run: DryRun) -> Result<()> {
    let written = session.client()?.create(object, dry_run.on()).await?;
    let name = reference(written.object.kind(), &written.object.metadata().name);
    session.warn_all(&name, &written.warnings);
    Ok(print_line(&format!("{name} created{}", dry_run.suffix()))?)
}

async fn job_from(session: &Session, name: &str, from: &str) -> Result<Object> {
    let source = match from.split_once('/') {
        Some((kind, source)) if target::kind(kind)? == Kind::CronJob => source,
        Some(_) | None => return Err(UsageError::new("write --from=cronjob/NAME").into()),
    };
    let cron_job = session
        .client()?
        .get_as::<CronJob>(session.namespace(), source)
        .await?;
    let metadata = cron_job
        .metadata
        .as_ref()
        .context("the CronJob has no metadata")?;
    let Some(template) = cron_job.spec.as_ref().and_then(|spec| spec.job_template.as_ref()) else {
        bail!("{from} has no job template");
    };
    let of_template = template.metadata.clone().unwrap_or_default();
    let mut annotations = of_template.annotations;
    annotations.insert(INSTANTIATE.0.to_owned(), INSTANTIATE.1.to_owned());
    let owner = OwnerReference {
        api_version: Kind::CronJob.api_version().to_owned(),
        kind: Kind::CronJob.to_string(),
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    let metadata = ObjectMeta {
        name: name.to_owned(),
        namespace: session.namespace().to_owned(),
        labels: of_template.labels,
        annotations,
        owner_references: vec![owner],
        ..ObjectMeta::default()
    };
    Ok(Object::from(Job {
        metadata: Some(metadata),
        spec: template.spec.clone(),
        status: None,
    }))
}
