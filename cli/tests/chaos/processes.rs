//! A machine made of processes of this one: its place in the network, the program it is there for, and all that runs on it.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::network::{Holder, Network};

/// The variable by which containers are recognised where machines share a network namespace.
pub(crate) const NODE_VARIABLE: &str = "CHAOS_NODE";
/// How often killed processes are looked for before that counts as a failure of the test itself.
const SWEEPS_MAX: usize = 500;
/// The pause between two looks.
const SWEEP: Duration = Duration::from_millis(10);
const PROGRAM: &str = env!("CARGO_BIN_EXE_bosun");

/// A server's or a node's machine.
pub(crate) struct Processes {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) directory: PathBuf,
    pub(crate) place: Option<Holder>,
    arguments: Vec<String>,
    log: PathBuf,
    process: Option<Child>,
}

impl Processes {
    /// A machine with an empty disk on which nothing runs yet.
    pub(crate) fn new(network: &Network, root: &Path, name: &str, number: u8) -> Result<Self> {
        let directory = root.join(name);
        std::fs::create_dir(&directory)?;
        let (place, address) = network.place(number).with_context(|| name.to_owned())?;
        Ok(Self {
            name: name.to_owned(),
            address,
            directory,
            place,
            arguments: Vec::new(),
            log: root.join(format!("{name}.log")),
            process: None,
        })
    }

    /// What `bosun` is told when it is started here.
    pub(crate) fn set_arguments(&mut self, arguments: Vec<String>) {
        self.arguments = arguments;
    }

    /// Where its program keeps its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Starts its program, if it does not run. What it says is added to the machine's log.
    pub(crate) fn start(&mut self) -> Result<()> {
        if self.runs() {
            return Ok(());
        }
        let mut command = match &self.place {
            Some(place) => place.command(PROGRAM),
            None => Command::new(PROGRAM),
        };
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let process = command
            .args(&self.arguments)
            .env(
                "BOSUN_LOG",
                std::env::var("BOSUN_CHAOS_LOG").unwrap_or("info".to_owned()),
            )
            .env_remove("RUST_LOG")
            .env_remove("BOSUN_SERVER")
            .env("HOME", &self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", self.name))?;
        self.process = Some(process);
        Ok(())
    }

    /// Whether its program runs; one that has ended by itself is noticed here.
    pub(crate) fn runs(&mut self) -> bool {
        let has_ended = |process: &mut Child| !matches!(process.try_wait(), Ok(None));
        if self.process.as_mut().is_some_and(has_ended) {
            self.process = None;
        }
        self.process.is_some()
    }

    /// Sends a signal to its program alone.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if let Some(process) = &self.process {
            // It may have ended by itself; then nothing hears it.
            kill_process(Pid::from_child(process), signal).unwrap_or_default();
        }
    }

    /// kill -9 for its program alone.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.reap();
    }

    fn reap(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.wait());
        }
    }

    /// The machine loses power: everything on it is gone, and nothing on it sees anything else go first.
    pub(crate) fn power_off(&mut self) {
        for _ in 0..SWEEPS_MAX {
            self.freeze();
            let present = self.processes();
            if present.is_empty() {
                self.reap();
                return;
            }
            send(&present, Signal::KILL);
            self.reap();
            std::thread::sleep(SWEEP);
        }
        panic!("processes of {} survive kill -9", self.name);
    }

    /// The machine stands still, with everything on it.
    pub(crate) fn freeze(&self) {
        let mut frozen = BTreeSet::new();
        loop {
            let new: BTreeSet<i32> = self.processes().difference(&frozen).copied().collect();
            if new.is_empty() {
                return;
            }
            send(&new, Signal::STOP);
            frozen.extend(new);
        }
    }

    /// It goes on: first what is Bosun's, then the containers, as if the machine's own programs had the higher priority.
    pub(crate) fn thaw(&self) {
        let present = self.processes();
        let (bosun, others): (BTreeSet<i32>, BTreeSet<i32>) =
            present.into_iter().partition(|process| is_bosun(*process));
        send(&bosun, Signal::CONT);
        std::thread::sleep(SWEEP);
        send(&others, Signal::CONT);
    }

    /// Everything that runs on the machine, Bosun's own programs and containers.
    fn processes(&self) -> BTreeSet<i32> {
        let entries = std::fs::read_dir("/proc").expect("Linux has /proc");
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        match &self.place {
            Some(holder) => {
                let link = |process: i64| std::fs::read_link(format!("/proc/{process}/ns/net")).ok();
                let ours = link(holder.pid().into()).expect("the holder lives as long as this");
                numbers
                    .filter(|process: &i32| {
                        i64::from(*process) != i64::from(holder.pid())
                            && link((*process).into()).as_ref() == Some(&ours)
                    })
                    .collect()
            }
            None => numbers.filter(|process| self.is_marked(*process)).collect(),
        }
    }

    /// Whether a process has the machine's directory in its command line, or its name in the environment.
    fn is_marked(&self, process: i32) -> bool {
        let read = |file: &str| std::fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
        let contains =
            |bytes: &[u8], part: &str| bytes.windows(part.len()).any(|window| window == part.as_bytes());
        let directory = format!("{}", self.directory.display());
        process.unsigned_abs() != std::process::id()
            && (contains(&read("cmdline"), &directory)
                || contains(&read("environ"), &format!("{NODE_VARIABLE}={}\0", self.mark())))
    }

    /// The machine's name, unlike that of any machine of another run.
    pub(crate) fn mark(&self) -> String {
        format!("{}", self.address)
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.power_off();
    }
}

fn send(processes: &BTreeSet<i32>, signal: Signal) {
    for process in processes {
        if let Some(process) = Pid::from_raw(*process) {
            // It may be gone by now.
            kill_process(process, signal).unwrap_or_default();
        }
    }
}

fn is_bosun(process: i32) -> bool {
    let program = std::fs::read_link(format!("/proc/{process}/exe"));
    program.is_ok_and(|program| program == Path::new(PROGRAM))
}
