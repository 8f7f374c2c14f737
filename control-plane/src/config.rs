//! How a server is told to run, and why it may refuse.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use bosun_host::DataDirectoryError;

use crate::leader::NodeSettings;
use crate::raft::{StartError, StorageLimits};

/// How a server is to run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where its log and snapshots lie; made if absent.
    pub data_directory: PathBuf,
    /// Where clients, agents and other servers reach it; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The name people use for it. `None` leaves it as the data directory has it, and calls a new single server `server-1`.
    pub name: Option<String>,
    /// host:port where the other servers reach it; `None` for the address listened on.
    pub advertise: Option<String>,
    /// Where the servers of the cluster are, host:port, the same list in the same order on each; empty for a cluster of one.
    pub servers: Vec<String>,
    /// Serve on an address that other machines can reach although nothing is encrypted and nobody is asked who they are.
    pub insecure_plaintext: bool,
    /// How much is kept, and when it is cut.
    pub storage: StorageLimits,
    /// The times of the node protocol.
    pub nodes: NodeSettings,
}

impl Config {
    /// The defaults of a single server on loopback.
    pub fn new(data_directory: impl Into<PathBuf>, listen: SocketAddr) -> Self {
        Self {
            data_directory: data_directory.into(),
            listen,
            name: None,
            advertise: None,
            servers: Vec::new(),
            insecure_plaintext: false,
            storage: StorageLimits::default(),
            nodes: NodeSettings::default(),
        }
    }

    /// Refuses to be reachable from other machines unless that is wished.
    pub(crate) fn check_addresses(&self) -> Result<(), String> {
        let advertised = self.advertise.as_deref().filter(|address| !is_loopback(address));
        let open = match advertised {
            Some(address) => format!("--advertise {address}"),
            None if !self.listen.ip().is_loopback() => format!("--listen {}", self.listen),
            None => return Ok(()),
        };
        if self.insecure_plaintext {
            return Ok(());
        }
        Err(format!(
            "{open}: other machines could reach this address, and connections are not encrypted yet; use loopback, or \
             give --insecure-plaintext if the network is trusted"
        ))
    }

    /// Where the others reach this server, which listens on `address`.
    pub(crate) fn advertised(&self, address: SocketAddr) -> Result<String, String> {
        if let Some(advertised) = &self.advertise {
            return Ok(advertised.clone());
        }
        if !address.ip().is_unspecified() {
            return Ok(address.to_string());
        }
        if self.servers.is_empty() {
            // Nobody else asks.
            return Ok(format!("127.0.0.1:{}", address.port()));
        }
        Err(format!(
            "--listen {address} is no address that the other servers could dial; name one with --advertise HOST:PORT, as \
             it stands in --servers"
        ))
    }
}

/// Whether an address leads nowhere but to this machine.
fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Why a server did not start. Each message names the setting or directory, and the way out.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Settings that do not go together.
    #[error("{0}")]
    Config(String),
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDirectory(#[from] DataDirectoryError),
    /// The address cannot be listened on.
    #[error("{source}; --listen chooses another address, with port 0 a free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The server cannot be part of a cluster as things are.
    #[error("{0}")]
    Cluster(String),
    /// Raft did not start.
    #[error(transparent)]
    Raft(#[from] StartError),
    /// A part of the program contradicts itself.
    #[error("the gRPC descriptors are not usable: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}
