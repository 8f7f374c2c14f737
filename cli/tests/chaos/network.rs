//! The network between the machines of a run. With the rights for it, each machine is a network namespace of its own on one
//! bridge, and links can be cut and slowed; otherwise all are on the loopback device and links are left alone.
//!
//! Namespaces belong to processes that this test holds by a pipe. When the test ends, however it ends, they end, and with
//! them every device and rule in them: nothing is left on the machine.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The network that all machines of a run are in.
pub(crate) enum Network {
    Bridged {
        /// Holds the namespace in which the bridge is, and the clients.
        _hub: Holder,
    },
    Loopback,
}

impl Network {
    /// Makes the network and moves this thread, and so all that it starts from now on, to where every machine is in reach.
    /// Says why, when it has to be the loopback device.
    pub(crate) fn make() -> Self {
        match Self::bridged() {
            Ok(network) => network,
            Err(why) => {
                eprintln!("SKIPPED cut links, slow links and full disks: {why:#}");
                Self::Loopback
            }
        }
    }

    fn bridged() -> Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "network namespaces need root"
        );
        for (tool, argument) in [
            ("ip", "-V"),
            ("nft", "--version"),
            ("tc", "-V"),
            ("nsenter", "-V"),
        ] {
            run(Command::new(tool).arg(argument)).with_context(|| format!("{tool} is missing"))?;
        }
        let hub = Holder::start()?;
        hub.shell(
            "ip link set lo up; ip link add hub type bridge; ip address add 10.77.0.254/24 dev hub; ip link set hub up",
        )?;
        // A kernel that can do all this can do it for the machines too.
        let probe = Holder::start()?;
        probe.join(&hub, "probe", Ipv4Addr::new(10, 77, 0, 253))?;
        drop(probe);
        let namespace = File::open(format!("/proc/{}/ns/net", hub.pid())).context("the hub's namespace")?;
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
            .context("enter the hub's namespace")?;
        Ok(Self::Bridged { _hub: hub })
    }

    /// Whether links can be cut.
    pub(crate) fn has_links(&self) -> bool {
        matches!(self, Self::Bridged { .. })
    }

    /// A place for a machine, the `number`-th of the run, and its address.
    pub(crate) fn place(&self, number: u8) -> Result<(Option<Holder>, Ipv4Addr)> {
        match self {
            Self::Bridged { _hub: hub } => {
                let address = Ipv4Addr::new(10, 77, 0, number);
                let holder = Holder::start()?;
                holder.join(hub, &format!("m{number}"), address)?;
                Ok((Some(holder), address))
            }
            Self::Loopback => {
                // All of 127/8 is this machine; another test in another process takes other addresses.
                let [.., high, low] = std::process::id().to_be_bytes();
                Ok((None, Ipv4Addr::new(127, high | 1, low, number)))
            }
        }
    }
}

/// A process that does nothing but hold a network namespace and a mount namespace until this value is dropped.
pub(crate) struct Holder {
    process: Child,
}

impl Holder {
    fn start() -> Result<Self> {
        // It ends when its standard input does, which is when this test ends.
        let mut process = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", "echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("unshare")?;
        let stdout = process.stdout.take().expect("it was asked for");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let holder = Self { process };
        ensure!(line == "ready\n", "no namespaces can be made");
        Ok(holder)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// A command that runs `program` inside. It keeps the process number it is started with.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "--net",
            "--mount",
            "--target",
            &self.pid().to_string(),
            "--",
            program,
        ]);
        command
    }

    /// Runs lines of shell inside; each has to succeed.
    pub(crate) fn shell(&self, script: &str) -> Result<()> {
        run(self.command("sh").args(["-ec", script])).with_context(|| script.to_owned())
    }

    /// Puts the machine inside on the bridge of `hub`.
    fn join(&self, hub: &Self, name: &str, address: Ipv4Addr) -> Result<()> {
        hub.shell(&format!(
            "ip link add {name} type veth peer name eth0 netns {}; ip link set {name} master hub up",
            self.pid()
        ))?;
        self.shell(&format!(
            "ip link set lo up; ip address add {address}/24 dev eth0; ip link set eth0 up; \
             nft 'add table inet chaos; add set inet chaos deaf {{ type ipv4_addr; }}; \
             add chain inet chaos input {{ type filter hook input priority 0; }}; \
             add rule inet chaos input ip saddr @deaf drop'"
        ))
    }

    /// From now on nothing of what `from` sends arrives here.
    pub(crate) fn deafen(&self, from: Ipv4Addr) -> Result<()> {
        self.shell(&format!("nft add element inet chaos deaf '{{ {from} }}'"))
    }

    /// Everything that is sent from here becomes late and, under load, lost.
    pub(crate) fn slow(&self) -> Result<()> {
        // Not every kernel has netem; a narrow link delays as well.
        self.shell(
            "tc qdisc replace dev eth0 root netem delay 60ms 40ms loss 1% 2>/dev/null || \
             tc qdisc replace dev eth0 root tbf rate 300kbit burst 4kb latency 1s",
        )
    }

    /// All links of this machine are whole and fast again.
    pub(crate) fn heal(&self) -> Result<()> {
        self.shell("nft flush set inet chaos deaf; tc qdisc del dev eth0 root 2>/dev/null || true")
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // Either may say that it has ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Runs a tool to its end; its complaint if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("it does not start")?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("{}: {told}", output.status);
    }
    Ok(())
}
