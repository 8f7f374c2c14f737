//! The log as the raft library sees it.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};

use bosun_proto::log::Truncate;
use bosun_proto::log::log_record::Record;
use futures::{Stream, TryStreamExt};
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};

use super::Log;
use crate::raft::messages::log_id_to_wire;
use crate::raft::types::{Entry, LogId, Types, Vote};

/// Entries handed out at once where the reader does not need all: for followers and for applying.
const READ_BYTES_MAX: usize = 2 << 20;

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let contents = self.shared.lock();
        Ok(LogState {
            last_purged_log_id: contents.purged,
            last_log_id: contents.last_log_id(),
        })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.write_vote(vote).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        match committed {
            Some(committed) => self.write_committed(committed).await,
            None => Ok(()),
        }
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        let contents = self.shared.lock();
        // A mark beyond the entries says no more than their end.
        Ok(contents.committed.min(contents.last_log_id()))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        self.append_entries(entries, |result| callback.io_completed(result))
            .await
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        self.shared.lock().truncate_after(last_log_id);
        let last_kept = last_log_id.as_ref().map(log_id_to_wire);
        self.write(Record::Truncate(Truncate { last_kept })).await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        self.shared.lock().purge(log_id);
        self.write(Record::Purge(log_id_to_wire(&log_id))).await
    }
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<R>(&mut self, range: R) -> io::Result<Vec<Entry>>
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        self.read(start, end, usize::MAX).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.shared.lock().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        let entries = self.read(start, end, READ_BYTES_MAX).await?;
        // The library puts them behind the entry before `start` unseen: a gap here would be one in a follower's log.
        match entries.first() {
            Some(first) if first.log_id.index != start => Err(io::Error::other(format!(
                "entry {start} of the log is wanted, but was purged: the log begins at {}",
                first.log_id.index
            ))),
            _ => Ok(entries),
        }
    }

    async fn entries_stream<R>(&mut self, range: R) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let log = self.clone();
        let pieces = futures::stream::try_unfold(bounds(&range), move |(start, end)| {
            let log = log.clone();
            async move {
                let entries = log.read(start, end, READ_BYTES_MAX).await?;
                let next = entries.last().map(|entry| (entry.log_id.index + 1, end));
                let piece = futures::stream::iter(entries.into_iter().map(Ok));
                Ok::<_, io::Error>(next.map(|next| (piece, next)))
            }
        });
        Box::pin(pieces.try_flatten())
    }
}

/// The range as first index and one above the last.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}
