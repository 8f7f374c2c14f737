//! What the log holds, in memory: where each entry lies on disk, the latest entries themselves, and the small facts
//! (vote, purge, commit). Pure bookkeeping; the writer and the readers do the work.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bosun_host::DiskFile;

use crate::raft::types::{Entry, LogId, Payload, Vote};

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The segment, by the position at which it begins.
    pub(super) segment: u64,
    /// Bytes from the beginning of the segment's file.
    pub(super) offset: u64,
    /// Bytes the framed record takes.
    pub(super) length: u32,
}

/// An entry to be read from disk. The file is held open, so that a purge meanwhile does no harm.
pub(super) struct Stored {
    pub(super) log_id: LogId,
    pub(super) place: Place,
    pub(super) file: Arc<dyn DiskFile>,
}

struct Slot {
    log_id: LogId,
    /// Absent until written.
    place: Option<Place>,
}

/// The log's content.
pub(super) struct Contents {
    pub(super) vote: Option<Vote>,
    pub(super) purged: Option<LogId>,
    pub(super) committed: Option<LogId>,
    /// The segments that exist, by the position at which they begin.
    pub(super) segments: BTreeMap<u64, Arc<dyn DiskFile>>,
    /// Where the next record goes: the number of bytes ever written to this log.
    pub(super) end: u64,
    /// The entries that are not purged, without a gap.
    slots: VecDeque<Slot>,
    /// The latest of these entries, for reading without the disk.
    cache: VecDeque<Entry>,
    cache_bytes: usize,
    cache_bytes_max: usize,
}

impl Contents {
    pub(super) fn new(cache_bytes_max: usize) -> Self {
        Self {
            vote: None,
            purged: None,
            committed: None,
            segments: BTreeMap::new(),
            end: 0,
            slots: VecDeque::new(),
            cache: VecDeque::new(),
            cache_bytes: 0,
            cache_bytes_max,
        }
    }

    /// The index of the first entry held; the next one to be appended if there is none.
    pub(super) fn first_index(&self) -> u64 {
        let after_purge = self.purged.map_or(0, |purged| purged.index + 1);
        self.slots.front().map_or(after_purge, |slot| slot.log_id.index)
    }

    /// One above the index of the last entry.
    pub(super) fn next_index(&self) -> u64 {
        self.first_index() + self.slots.len() as u64
    }

    /// The id of the last entry ever appended and not truncated.
    pub(super) fn last_log_id(&self) -> Option<LogId> {
        self.slots.back().map(|slot| slot.log_id).or(self.purged)
    }

    /// Adds an entry that is about to be written. An entry that would leave a gap is refused.
    pub(super) fn append(&mut self, entry: Entry) -> Result<(), Gap> {
        let expected = self.next_index();
        if entry.log_id.index != expected && !(self.slots.is_empty() && self.purged.is_none()) {
            return Err(Gap {
                expected,
                found: entry.log_id.index,
            });
        }
        self.slots.push_back(Slot {
            log_id: entry.log_id,
            place: None,
        });
        self.cache_bytes += entry_bytes(&entry);
        self.cache.push_back(entry);
        Ok(())
    }

    /// Adds an entry found on disk.
    pub(super) fn recover(&mut self, log_id: LogId, place: Place) -> Result<(), Gap> {
        if self.purged.is_some_and(|purged| log_id.index <= purged.index) {
            return Ok(());
        }
        let expected = self.next_index();
        if log_id.index != expected && !self.slots.is_empty() {
            return Err(Gap {
                expected,
                found: log_id.index,
            });
        }
        self.slots.push_back(Slot {
            log_id,
            place: Some(place),
        });
        Ok(())
    }

    /// Notes where an entry was written, and forgets the oldest cached entries beyond the limit. An entry that was
    /// truncated in the meantime, even if another took its index, is left alone.
    pub(super) fn written(&mut self, log_id: LogId, place: Place) {
        let first = self.first_index();
        let slot = log_id
            .index
            .checked_sub(first)
            .and_then(|number| self.slots.get_mut(to_usize(number)));
        if let Some(slot) = slot.filter(|slot| slot.log_id == log_id) {
            slot.place = Some(place);
        }
        self.trim_cache();
    }

    /// Drops the entries after `last_kept`, all if `None`.
    pub(super) fn truncate_after(&mut self, last_kept: Option<LogId>) {
        let kept_until = last_kept.map_or(0, |log_id| log_id.index + 1);
        while self
            .slots
            .back()
            .is_some_and(|slot| slot.log_id.index >= kept_until)
        {
            self.slots.pop_back();
            if let Some(entry) = self.cache.pop_back() {
                self.cache_bytes -= entry_bytes(&entry);
            }
        }
    }

    /// Drops the entries up to `log_id`.
    pub(super) fn purge(&mut self, log_id: LogId) {
        if self.purged.is_some_and(|purged| purged.index >= log_id.index) {
            return;
        }
        while self
            .slots
            .front()
            .is_some_and(|slot| slot.log_id.index <= log_id.index)
        {
            if self.cache.len() == self.slots.len()
                && let Some(entry) = self.cache.pop_front()
            {
                self.cache_bytes -= entry_bytes(&entry);
            }
            self.slots.pop_front();
        }
        self.purged = Some(log_id);
    }

    /// The cached entries from `start` (at least) to before `end`, and where to find those before them.
    pub(super) fn read(&self, start: u64, end: u64, bytes_max: usize) -> (Vec<Stored>, Vec<Entry>) {
        let start = start.max(self.first_index());
        let end = end.min(self.next_index());
        let cached_from = self.next_index() - self.cache.len() as u64;
        let mut bytes = 0;
        let mut stored = Vec::new();
        let mut entries = Vec::new();
        for index in start..end {
            if bytes >= bytes_max {
                break;
            }
            if index < cached_from {
                let slot = &self.slots[to_usize(index - self.first_index())];
                let place = slot
                    .place
                    .expect("an entry leaves the cache only once it is written");
                bytes += place.length as usize;
                let file = self
                    .segments
                    .get(&place.segment)
                    .expect("segments stay while an entry needs them");
                stored.push(Stored {
                    log_id: slot.log_id,
                    place,
                    file: Arc::clone(file),
                });
            } else {
                let entry = &self.cache[to_usize(index - cached_from)];
                bytes += entry_bytes(entry);
                entries.push(entry.clone());
            }
        }
        (stored, entries)
    }

    /// Bytes of the log from the entry with this index on.
    pub(super) fn bytes_from(&self, index: u64) -> u64 {
        let number = index.saturating_sub(self.first_index());
        let place = self.slots.get(to_usize(number)).and_then(|slot| slot.place);
        place.map_or(0, |place| self.end - (place.segment + place.offset))
    }

    /// Takes the segments that hold no entry any more out of the list: those before the first entry's, or before the
    /// `active` one if there is no entry.
    pub(super) fn take_covered_segments(&mut self, active: u64) -> Vec<u64> {
        let needed_from = self
            .slots
            .front()
            .map_or(active, |slot| slot.place.map_or(active, |place| place.segment));
        let kept = self.segments.split_off(&needed_from.min(active));
        std::mem::replace(&mut self.segments, kept).into_keys().collect()
    }

    fn trim_cache(&mut self) {
        while self.cache_bytes > self.cache_bytes_max {
            let oldest = self.slots.len() - self.cache.len();
            if self.slots.get(oldest).is_none_or(|slot| slot.place.is_none()) {
                return;
            }
            if let Some(entry) = self.cache.pop_front() {
                self.cache_bytes -= entry_bytes(&entry);
            }
        }
    }
}

/// The next entry is not the one that has to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) expected: u64,
    pub(super) found: u64,
}

/// What an entry costs in memory, roughly.
fn entry_bytes(entry: &Entry) -> usize {
    let payload = match &entry.payload {
        Payload::Normal(proposal) => proposal.0.len(),
        Payload::Blank | Payload::Membership(_) => 0,
    };
    payload + size_of::<Entry>()
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).expect("entries in memory are counted by a usize")
}
