//! Group commit: commands that wait together go into one raft entry, each with an outcome of its own.

use std::sync::Arc;

use bosun_core::state::{Command, ENTRY_FORMAT, Outcome};
use bosun_proto::log;
use prost::Message;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::Node;
use crate::raft::{ENTRY_BYTES_MAX, ProposeError};

/// At most so many commands in one entry.
const COMMANDS_PER_ENTRY_MAX: usize = 256;
/// An entry is closed once its commands have this many bytes.
const BYTES_PER_ENTRY_MAX: usize = 1 << 20;
/// A larger command is refused by itself, so that it does not take the others of its entry with it: it may come on top of
/// almost a full one.
const COMMAND_BYTES_MAX: usize = ENTRY_BYTES_MAX - 2 * BYTES_PER_ENTRY_MAX;
/// Entries under way at once. While all are, commands gather into larger groups.
const ENTRIES_IN_FLIGHT_MAX: usize = 8;
/// Commands that may wait; whoever proposes more waits itself.
const COMMANDS_WAITING_MAX: usize = 8_192;

type Answer = oneshot::Sender<Result<Outcome, ProposeError>>;
type Waiting = (log::Command, Answer);

/// Hands commands to raft in groups. Cheap to clone.
#[derive(Clone)]
pub(super) struct Proposer {
    queue: mpsc::Sender<Waiting>,
}

impl Proposer {
    pub(super) fn start(node: Node) -> Self {
        let (queue, waiting) = mpsc::channel(COMMANDS_WAITING_MAX);
        tokio::spawn(group(node, waiting));
        Self { queue }
    }

    /// Waits until the command is applied (or refused) on this server.
    pub(super) async fn propose(&self, command: &Command) -> Result<Outcome, ProposeError> {
        let command = command.to_wire();
        check_size(command.encoded_len())?;
        let (answer, outcome) = oneshot::channel();
        let stopped = || ProposeError::Stopped {
            reason: "it is shutting down".into(),
        };
        self.queue.send((command, answer)).await.map_err(|_| stopped())?;
        outcome.await.map_err(|_| stopped())?
    }
}

fn check_size(bytes: usize) -> Result<(), ProposeError> {
    let most = COMMAND_BYTES_MAX;
    if bytes > most {
        return Err(ProposeError::TooLarge { bytes, most });
    }
    Ok(())
}

async fn group(node: Node, mut waiting: mpsc::Receiver<Waiting>) {
    let in_flight = Arc::new(Semaphore::new(ENTRIES_IN_FLIGHT_MAX));
    loop {
        let Ok(permit) = in_flight.clone().acquire_owned().await else {
            return;
        };
        let Some(first) = waiting.recv().await else { return };
        let mut bytes = first.0.encoded_len();
        let mut group = vec![first];
        while group.len() < COMMANDS_PER_ENTRY_MAX && bytes < BYTES_PER_ENTRY_MAX {
            let Ok(next) = waiting.try_recv() else { break };
            bytes += next.0.encoded_len();
            group.push(next);
        }
        let node = node.clone();
        tokio::spawn(async move {
            commit(&node, group).await;
            drop(permit);
        });
    }
}

async fn commit(node: &Node, group: Vec<Waiting>) {
    let (commands, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
    let entry = log::Entry {
        commands,
        format: ENTRY_FORMAT,
    };
    let results = match node.propose(entry).await {
        Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error); answers.len()],
    };
    for (answer, result) in answers.into_iter().zip(results) {
        // Whoever asked may have given up waiting; the outcome stands all the same.
        drop(answer.send(result));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_the_log_could_not_read_back_is_refused_by_itself() {
        assert!(check_size(COMMAND_BYTES_MAX).is_ok());
        let refused = check_size(COMMAND_BYTES_MAX + 1);
        assert!(
            matches!(refused, Err(ProposeError::TooLarge { .. })),
            "{refused:?}"
        );
    }
}
