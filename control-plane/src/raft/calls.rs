//! Requests and answers between servers, translated between the raft library's types and our own messages.

use std::io::{self, Read};

use bosun_host::Host;
use bosun_proto::raft as wire;
use bosun_proto::raft::append_response::Result as AppendOutcome;
use bosun_proto::raft::snapshot_part::Part;
use bosun_proto::raft::transfer_leader_response::Refusal;
use bytes::Bytes;
use futures::Stream;
use openraft::Snapshot;
use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, StreamAppendResult, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::messages::{
    Malformed, entry_from_wire, entry_to_wire, log_id_from_wire, log_id_to_wire, required,
    snapshot_meta_to_wire, vote_from_wire, vote_to_wire as vote_message,
};
use super::snapshots::SnapshotFile;
use super::types::{LeaderId, NodeId, Server, Types, Vote};

/// Bytes of a snapshot per message.
const SNAPSHOT_PART_BYTES: usize = 1 << 20;

/// Parts of a snapshot that are read ahead of the network.
const SNAPSHOT_PARTS_AHEAD: usize = 4;

pub(super) fn append_to_wire(target: NodeId, request: AppendEntriesRequest<Types>) -> wire::AppendRequest {
    wire::AppendRequest {
        target,
        vote: Some(vote_message(&request.vote)),
        previous: request.prev_log_id.as_ref().map(log_id_to_wire),
        entries: request.entries.iter().map(entry_to_wire).collect(),
        leader_commit: request.leader_commit.as_ref().map(log_id_to_wire),
    }
}

pub(super) fn append_from_wire(
    request: wire::AppendRequest,
) -> Result<AppendEntriesRequest<Types>, Malformed> {
    Ok(AppendEntriesRequest {
        vote: vote_from_wire(&required(request.vote, "an append request without vote")?),
        prev_log_id: request.previous.as_ref().map(log_id_from_wire),
        entries: request
            .entries
            .into_iter()
            .map(entry_from_wire)
            .collect::<Result<_, _>>()?,
        leader_commit: request.leader_commit.as_ref().map(log_id_from_wire),
    })
}

pub(super) fn append_result_to_wire(result: &StreamAppendResult<Types>) -> wire::AppendResponse {
    let result = match result {
        Ok(last) => AppendOutcome::Appended(wire::Appended {
            last: last.as_ref().map(log_id_to_wire),
        }),
        Err(StreamAppendError::Conflict(log_id)) => AppendOutcome::Conflict(log_id_to_wire(log_id)),
        Err(StreamAppendError::HigherVote(vote)) => AppendOutcome::HigherVote(vote_message(vote)),
    };
    wire::AppendResponse { result: Some(result) }
}

pub(super) fn append_result_from_wire(
    response: wire::AppendResponse,
) -> Result<StreamAppendResult<Types>, Malformed> {
    Ok(
        match required(response.result, "an append response without result")? {
            AppendOutcome::Appended(appended) => Ok(appended.last.as_ref().map(log_id_from_wire)),
            AppendOutcome::Conflict(log_id) => Err(StreamAppendError::Conflict(log_id_from_wire(&log_id))),
            AppendOutcome::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote_from_wire(&vote))),
        },
    )
}

pub(super) fn vote_to_wire(target: NodeId, request: &VoteRequest<Types>) -> wire::VoteRequest {
    wire::VoteRequest {
        target,
        vote: Some(vote_message(&request.vote)),
        last_log_id: request.last_log_id.as_ref().map(log_id_to_wire),
        leadership_transfer: request.leadership_transfer,
    }
}

pub(super) fn vote_from_request(request: wire::VoteRequest) -> Result<VoteRequest<Types>, Malformed> {
    let vote = vote_from_wire(&required(request.vote, "a vote request without vote")?);
    let last_log_id = request.last_log_id.as_ref().map(log_id_from_wire);
    let mut translated = VoteRequest::new(vote, last_log_id);
    translated.leadership_transfer = request.leadership_transfer;
    Ok(translated)
}

pub(super) fn vote_response_to_wire(response: &VoteResponse<Types>) -> wire::VoteResponse {
    wire::VoteResponse {
        vote: Some(vote_message(&response.vote)),
        granted: response.vote_granted,
        last_log_id: response.last_log_id.as_ref().map(log_id_to_wire),
    }
}

pub(super) fn vote_response_from_wire(
    response: wire::VoteResponse,
) -> Result<VoteResponse<Types>, Malformed> {
    let vote = vote_from_wire(&required(response.vote, "a vote response without vote")?);
    let last_log_id = response.last_log_id.as_ref().map(log_id_from_wire);
    Ok(VoteResponse::new(vote, last_log_id, response.granted))
}

pub(super) fn transfer_to_wire(
    target: NodeId,
    request: &TransferLeaderRequest<Types>,
) -> wire::TransferLeaderRequest {
    wire::TransferLeaderRequest {
        target,
        from_leader: Some(vote_message(request.from_leader())),
        to_node_id: *request.to_node_id(),
        last_log_id: request.last_log_id().map(log_id_to_wire),
    }
}

pub(super) fn transfer_from_wire(
    request: wire::TransferLeaderRequest,
) -> Result<TransferLeaderRequest<Types>, Malformed> {
    let from_leader = vote_from_wire(&required(request.from_leader, "a transfer without vote")?);
    let last_log_id = request.last_log_id.as_ref().map(log_id_from_wire);
    Ok(TransferLeaderRequest::new(
        from_leader,
        request.to_node_id,
        last_log_id,
    ))
}

pub(super) fn transfer_response_to_wire(
    response: &TransferLeaderResponse<Types>,
) -> wire::TransferLeaderResponse {
    let refusal = response.as_ref().err().map(|refusal| match refusal {
        TransferLeaderError::VoteChanged { expected, actual } => Refusal::VoteChanged(wire::VoteChanged {
            expected: Some(vote_message(expected)),
            actual: Some(vote_message(actual)),
        }),
        TransferLeaderError::LogNotFlushed { expected, actual } => {
            Refusal::LogNotFlushed(wire::LogNotFlushed {
                expected: expected.as_ref().map(log_id_to_wire),
                actual: actual.as_ref().map(log_id_to_wire),
            })
        }
    });
    wire::TransferLeaderResponse { refusal }
}

pub(super) fn transfer_response_from_wire(
    response: wire::TransferLeaderResponse,
) -> Result<TransferLeaderResponse<Types>, Malformed> {
    let vote = |vote: Option<bosun_proto::log::Vote>| -> Result<Vote, Malformed> {
        Ok(vote_from_wire(&required(
            vote,
            "a refused transfer without vote",
        )?))
    };
    Ok(match response.refusal {
        None => Ok(()),
        Some(Refusal::VoteChanged(changed)) => Err(TransferLeaderError::VoteChanged {
            expected: vote(changed.expected)?,
            actual: vote(changed.actual)?,
        }),
        Some(Refusal::LogNotFlushed(behind)) => Err(TransferLeaderError::LogNotFlushed {
            expected: behind.expected.as_ref().map(log_id_from_wire),
            actual: behind.actual.as_ref().map(log_id_from_wire),
        }),
    })
}

/// A snapshot as it travels. It is read by a worker, a few parts ahead. If it cannot be read to its end, neither is the
/// end sent, so the receiver refuses it.
pub(super) fn snapshot_parts(
    host: &Host,
    target: NodeId,
    vote: &Vote,
    snapshot: Snapshot<LeaderId, NodeId, Server, SnapshotFile>,
) -> io::Result<impl Stream<Item = wire::SnapshotPart> + Send + 'static> {
    let head = wire::SnapshotHead {
        target,
        vote: Some(vote_message(vote)),
        metadata: Some(snapshot_meta_to_wire(&snapshot.meta)),
    };
    let (sender, receiver) = mpsc::channel(SNAPSHOT_PARTS_AHEAD);
    let work = async move {
        let read = send_snapshot(snapshot.snapshot, head, sender).await;
        if let Err(error) = read {
            tracing::error!(%error, "cannot read a snapshot to send it");
        }
    };
    host.workers.spawn("snapshot-send", Box::pin(work))?;
    Ok(ReceiverStream::new(receiver))
}

async fn send_snapshot(
    snapshot: SnapshotFile,
    head: wire::SnapshotHead,
    sender: mpsc::Sender<wire::SnapshotPart>,
) -> io::Result<()> {
    let mut content = snapshot.content()?;
    let mut next = Some(Part::Head(head));
    while let Some(part) = next {
        if sender
            .send(wire::SnapshotPart { part: Some(part) })
            .await
            .is_err()
        {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(SNAPSHOT_PART_BYTES);
        content
            .by_ref()
            .take(SNAPSHOT_PART_BYTES as u64)
            .read_to_end(&mut bytes)?;
        next = (!bytes.is_empty()).then(|| Part::Content(Bytes::from(bytes)));
    }
    let end = Part::End(wire::SnapshotEnd {});
    // The receiver may be gone; then it has refused already.
    drop(sender.send(wire::SnapshotPart { part: Some(end) }).await);
    Ok(())
}
