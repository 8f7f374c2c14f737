//! Programs as processes of their own, ended when dropped.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use bosun_host::Host;

/// A running process; killed when dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts a program, with what it prints thrown away and its errors shown.
    pub(crate) fn start<A: AsRef<OsStr>>(program: &OsStr, arguments: &[A]) -> anyhow::Result<Self> {
        let child = Command::new(program)
            .args(arguments)
            .env(
                "BOSUN_LOG",
                std::env::var_os("BOSUN_LOG").unwrap_or("error".into()),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self(child))
    }

    /// Ends it as a power failure would (SIGKILL), and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Resident memory in bytes, as the kernel counts it.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/status", self.0.id());
        let status = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        let kibibytes = status.lines().find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .split(' ')
                .next()?
                .parse()
                .ok()
        });
        kibibytes
            .map(|kibibytes: u64| kibibytes * 1024)
            .with_context(|| format!("{path} has no VmRSS"))
    }

    fn end(&mut self) {
        // It may have ended by itself; either way nothing is left of it.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// The program to measure: what `BOSUN_PROGRAM` names, else the build of `bosun` beside this program, brought up to date first.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os("BOSUN_PROGRAM") {
        return Ok(named.into());
    }
    let beside = std::env::current_exe()?.with_file_name("bosun");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "-p", "bosun-cli"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    if !build.status().context("cargo build")?.success() {
        bail!("cargo could not build bosun");
    }
    Ok(beside)
}

/// So many different addresses on loopback that nobody listens on.
pub(crate) async fn free_addresses(host: &Host, count: usize) -> anyhow::Result<Vec<String>> {
    let mut listeners = Vec::new();
    for _ in 0..count {
        listeners.push(host.network.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await?);
    }
    let addresses: BTreeSet<_> = listeners.iter().map(|listener| listener.address()).collect();
    Ok(addresses.iter().map(ToString::to_string).collect())
}
