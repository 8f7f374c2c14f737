//! The output of a container over a connection of its own: both sides.

use bosun_proto::supervisor::{FromAgent, LogPiece};
use tokio::sync::mpsc;
use tokio::time::{Duration, timeout};

use super::wire::{WAITING_BYTES_MAX, Wire};
use crate::runtime::LogStream;

/// Pieces that may wait for a slow reader, beside what the socket holds.
const PIECES_MAX: usize = 4;
/// How long it may take until it is known whether there is output.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// The supervisor's side: first whether it can be had, then the pieces.
pub(super) async fn serve(mut wire: Wire, output: Result<LogStream, String>) {
    let mut output = match output {
        Ok(output) => output,
        Err(error) => {
            wire.put(&LogPiece {
                error,
                ..LogPiece::default()
            });
            drop(wire.flush().await);
            return;
        }
    };
    wire.put(&LogPiece::default());
    loop {
        tokio::select! {
            piece = output.recv(), if wire.waiting() < WAITING_BYTES_MAX => match piece {
                Some(Ok(data)) => wire.put(&LogPiece { data, ..LogPiece::default() }),
                Some(Err(error)) => wire.put(&LogPiece { error, ..LogPiece::default() }),
                None => {
                    wire.put(&LogPiece { complete: true, ..LogPiece::default() });
                    drop(wire.flush().await);
                    return;
                }
            },
            // The reader never speaks: this is its end.
            ended = wire.get::<FromAgent>() => {
                tracing::trace!(?ended, "a reader of logs has gone");
                return;
            }
        }
    }
}

/// The agent's side.
pub(super) async fn read(mut wire: Wire) -> Result<LogStream, String> {
    let first = match timeout(ANSWER_MAX, wire.get::<LogPiece>()).await {
        Ok(Ok(Some(piece))) => piece,
        Ok(Ok(None)) => return Err("the supervisor of the containers is ending; try again".to_owned()),
        Ok(Err(error)) => {
            return Err(format!(
                "the supervisor of the containers cannot be heard: {error}"
            ));
        }
        Err(_) => {
            return Err("the supervisor of the containers does not answer; see the agent's log".to_owned());
        }
    };
    if !first.error.is_empty() {
        return Err(first.error);
    }
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    tokio::spawn(async move {
        loop {
            let piece = tokio::select! {
                piece = wire.get::<LogPiece>() => piece,
                () = sender.closed() => return,
            };
            let piece = match piece {
                Ok(Some(LogPiece { complete: true, .. })) => return,
                Ok(Some(LogPiece { data, error, .. })) if error.is_empty() => Ok(data),
                Ok(Some(LogPiece { error, .. })) => Err(error),
                Ok(None) => Err("the output was cut off: the supervisor of the containers ended".to_owned()),
                Err(error) => Err(format!("the output was cut off: {error}")),
            };
            let last = piece.is_err();
            if sender.send(piece).await.is_err() || last {
                return;
            }
        }
    });
    Ok(receiver)
}
