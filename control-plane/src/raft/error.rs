//! What can go wrong at the boundary of this module, told so that the caller can branch and a person can act.

use super::leadership::Leader;

/// Why an entry was not (known to be) agreed on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProposeError {
    /// Another server leads; nothing was written. Ask that one.
    #[error("server {} at {} leads", .0.node_id, .0.server.address)]
    ForwardToLeader(Leader),
    /// Nobody is known to lead just now (an election is under way); nothing was written. Try again shortly.
    #[error("no server leads just now; try again shortly")]
    NoLeader,
    /// The command has too many bytes for the log; nothing was written. Trying again does not help.
    #[error("the change has {bytes} bytes, one transaction may have {most}: make the objects smaller")]
    TooLarge {
        /// As encoded.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The lead was lost while the entry was under way. It may or may not be applied: propose again only what is
    /// recognised as a repetition (the commands' request ids).
    #[error("the lead changed while the entry was under way; it may or may not have been applied")]
    Unknown,
    /// This server's raft node has stopped, by request or by a fault; whether the entry was written is unknown.
    #[error("this server has stopped: {reason}")]
    Stopped {
        /// Why it stopped.
        reason: String,
    },
}

/// Why a read cannot be promised to be current.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// Another server leads. Ask that one.
    #[error("server {} at {} leads", .0.node_id, .0.server.address)]
    ForwardToLeader(Leader),
    /// Nobody is known to lead just now. Try again shortly.
    #[error("no server leads just now; try again shortly")]
    NoLeader,
    /// The leader did not say how far a current read must have come. Try again shortly.
    #[error("the leader cannot be asked for the latest state: {reason}")]
    Unanswered {
        /// What happened.
        reason: String,
    },
    /// This server has not applied all that it must have. Another one may have.
    #[error("this server is behind: it has not applied entry {wanted} yet")]
    Behind {
        /// The index it has to reach.
        wanted: u64,
    },
    /// This server's raft node has stopped.
    #[error("this server has stopped: {reason}")]
    Stopped {
        /// Why it stopped.
        reason: String,
    },
}

/// Why a raft node did not start. Each message names the directory or setting, and the way out.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings contradict each other.
    #[error("raft settings: {reason}")]
    Settings {
        /// What contradicts.
        reason: String,
    },
    /// The log, the snapshots or the state in them cannot be used.
    #[error("{0}")]
    Storage(std::io::Error),
    /// The raft library refused to start.
    #[error("raft: {reason}")]
    Library {
        /// What it said.
        reason: String,
    },
}

impl From<std::io::Error> for StartError {
    fn from(error: std::io::Error) -> Self {
        Self::Storage(error)
    }
}
