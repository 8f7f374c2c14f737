//! Why an agent cannot run, or stopped.

use bosun_host::DataDirectoryError;

use crate::runtime::RuntimeError;

/// Why an agent cannot run, or stopped. Every message names the setting or file and the way out.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A setting that cannot work.
    #[error("{field}: {problem}")]
    Setting {
        /// Which setting.
        field: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The data directory is not there for this agent.
    #[error(transparent)]
    DataDirectory(#[from] DataDirectoryError),
    /// The runtime cannot be used.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The control plane does not take this node.
    #[error("server {server} refuses node {node:?}: {message}")]
    Refused {
        /// Which server.
        server: String,
        /// The node's name.
        node: String,
        /// The server's words.
        message: String,
    },
}
