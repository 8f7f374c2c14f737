//! Owns the options that several writing verbs share.

use crate::manifest::{self, ManifestObject, Namespace};
use crate::session::Session;
use anyhow::Result;
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

/// `-f` and what goes with it.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Files {
    /// A manifest file, a folder of them, or - for standard input; may be given several times
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Also the folders inside folders
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
}

impl Files {
    /// Reads and checks the manifests.
    pub(crate) fn load(&self, session: &Session) -> Result<Vec<ManifestObject>> {
        let namespace = Namespace {
            name: session.namespace(),
            explicit: session.global.namespace.is_some(),
        };
        manifest::load(&self.files, self.recursive, namespace)
    }
}

/// `--dry-run`.
#[derive(Clone, Copy, Debug, Default, ClapArgs)]
pub(crate) struct DryRun {
    /// Let the server check everything and store nothing
    #[arg(long, value_name = "WHERE", num_args = 0..=1, default_missing_value = "server", require_equals = true)]
    dry_run: Option<Where>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Where {
    None,
    Server,
}

impl DryRun {
    /// Whether nothing shall be stored.
    pub(crate) fn on(self) -> bool {
        self.dry_run == Some(Where::Server)
    }

    /// What answers end with.
    pub(crate) fn suffix(self) -> &'static str {
        if self.on() { " (dry run)" } else { "" }
    }
}
