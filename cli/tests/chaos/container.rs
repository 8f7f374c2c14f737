//! Machines that are containers of the compose file in the root of the repository. They are killed, paused and taken off
//! their network; what runs inside them is nobody's business here.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::network::run;
use crate::settings;

/// Where the containers of pods find the folder for their records.
pub(crate) const RECORDS: &str = "/records";

/// The running compose file. Taken down, with its volumes, when dropped.
pub(crate) struct Compose {
    project: String,
    changes: PathBuf,
}

/// One service of it.
pub(crate) struct Container {
    /// The service's name.
    pub(crate) name: String,
    /// Docker's name for it.
    id: String,
    network: String,
}

impl Compose {
    /// Brings it up, with `records` in every container.
    pub(crate) fn up(directory: &Path, records: &Path, services: &[String]) -> Result<Self> {
        let image = settings::image().context("BOSUN_CHAOS_IMAGE names no image")?;
        let change = |service: &String| {
            let records = records.display();
            format!("  {service}:\n    image: {image}\n    volumes: [\"{records}:{RECORDS}\"]\n")
        };
        let changes: Vec<String> = services.iter().map(change).collect();
        let compose = Self {
            project: format!("bosunchaos{}", std::process::id()),
            changes: directory.join("docker-compose.chaos.yml"),
        };
        std::fs::write(&compose.changes, format!("services:\n{}", changes.concat()))?;
        run(Command::new("docker").args(["image", "inspect", &image]))
            .context("there is no image: build it with scripts/image")?;
        run(compose.command().args(["up", "-d", "--no-build"])).context("docker-compose up")?;
        Ok(compose)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("docker-compose");
        command
            .args([
                "-p",
                &self.project,
                "-f",
                concat!(env!("CARGO_MANIFEST_DIR"), "/../docker-compose.yml"),
                "-f",
            ])
            .arg(&self.changes);
        command
    }

    /// The container of a service.
    pub(crate) fn container(&self, service: &str) -> Result<Container> {
        let output = self.command().args(["ps", "-q", service]).output()?;
        let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        ensure!(!id.is_empty(), "docker-compose started no {service}");
        Ok(Container {
            name: service.to_owned(),
            id,
            network: format!("{}_default", self.project),
        })
    }

    /// Writes the logs of all services to a file.
    pub(crate) fn keep_logs(&self, file: &Path) {
        if let Ok(output) = self.command().args(["logs", "--no-color"]).output() {
            drop(std::fs::write(file, output.stdout));
        }
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if let Err(error) = run(self.command().args(["down", "--volumes", "--timeout", "1"])) {
            eprintln!("chaos: docker-compose -p {} down: {error:#}", self.project);
        }
    }
}

impl Container {
    /// One that runs already stays as it is.
    pub(crate) fn start(&self) -> Result<()> {
        run(Command::new("docker").args(["start", &self.id])).with_context(|| format!("start {}", self.name))
    }

    pub(crate) fn kill(&self) {
        self.try_to(&["kill"]);
    }

    pub(crate) fn pause(&self) {
        self.try_to(&["pause"]);
    }

    pub(crate) fn resume(&self) {
        self.try_to(&["unpause"]);
    }

    pub(crate) fn unplug(&self) {
        self.try_to(&["network", "disconnect", &self.network]);
    }

    pub(crate) fn plug_in(&self) {
        // Without its alias the others would not find it again.
        self.try_to(&["network", "connect", "--alias", &self.name, &self.network]);
    }

    /// Refused when the container is in that state already, or has ended by itself: either is as good.
    fn try_to(&self, words: &[&str]) {
        drop(run(Command::new("docker").args(words).arg(&self.id)));
    }
}
