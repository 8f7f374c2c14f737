//! The log under bad luck: crashes, torn writes, rotten bytes, full and failing disks. On the simulated disk, where all
//! of this can be had byte by byte.

use std::path::{Path, PathBuf};

use bosun_host::testing::{Crash, SeededEntropy, SimulatedDisk, TaskWorkers};
use bosun_host::{Disk, Entropy, Host, WallTime};
use bytes::Bytes;
use openraft::RaftLogReader;
use openraft::storage::RaftLogStorage;
use openraft::vote::RaftLeaderId;
use std::sync::Arc;

use super::{Log, LogLimits, segment};
use crate::raft::types::{Entry, LeaderId, LogId, Payload, Proposal, Vote};

const LIMITS: LogLimits = LogLimits {
    segment_bytes: 2048,
    cache_bytes: 400,
};
const DIRECTORY: &str = "/data/log";

fn host(disk: &SimulatedDisk) -> Host {
    let (host, _) = bosun_host::testing::host(1, WallTime::UNIX_EPOCH);
    Host {
        disk: Arc::new(disk.clone()),
        workers: Arc::new(TaskWorkers),
        ..host
    }
}

fn new_disk() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    disk.create_directory(Path::new(DIRECTORY)).unwrap();
    disk
}

async fn open(disk: &SimulatedDisk) -> std::io::Result<Log> {
    Log::open(host(disk), PathBuf::from(DIRECTORY), LIMITS).await
}

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId::new(term, 1), index)
}

fn entry(term: u64, index: u64) -> Entry {
    let content = format!("entry {index} of term {term}").into_bytes();
    Entry {
        log_id: log_id(term, index),
        payload: Payload::Normal(Proposal(Bytes::from(content))),
    }
}

fn entries(term: u64, indexes: std::ops::Range<u64>) -> Vec<Entry> {
    indexes.map(|index| entry(term, index)).collect()
}

/// Appends and waits until the entries are durable, or cannot be.
async fn append(log: &Log, entries: Vec<Entry>) -> std::io::Result<()> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    log.append_entries(entries, |result| drop(sender.send(result)))
        .await?;
    receiver.await.unwrap()
}

async fn all(log: &Log) -> Vec<Entry> {
    log.clone().try_get_log_entries(..).await.unwrap()
}

/// The files of the segments, oldest first.
fn segments(disk: &SimulatedDisk) -> Vec<PathBuf> {
    let bases = segment::bases(&disk.list(Path::new(DIRECTORY)).unwrap());
    bases
        .into_iter()
        .map(|base| segment::path(Path::new(DIRECTORY), base))
        .collect()
}

/// Where the last non-zero byte of a file ends.
fn used(disk: &SimulatedDisk, path: &Path) -> usize {
    disk.read(path)
        .unwrap()
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1)
}

#[tokio::test]
async fn everything_comes_back_over_a_restart() {
    let disk = new_disk();
    let mut log = open(&disk).await.unwrap();
    let vote = Vote {
        leader_id: LeaderId::new(3, 2),
        committed: true,
    };
    log.save_vote(&vote).await.unwrap();
    append(&log, entries(3, 0..100)).await.unwrap();
    log.truncate_after(Some(log_id(3, 79))).await.unwrap();
    append(&log, entries(4, 80..90)).await.unwrap();
    log.purge(log_id(3, 9)).await.unwrap();
    log.save_committed(Some(log_id(4, 85))).await.unwrap();
    log.close().await;
    disk.crash(Crash::LoseAll);

    let mut log = open(&disk).await.unwrap();
    let expected: Vec<Entry> = entries(3, 10..80).into_iter().chain(entries(4, 80..90)).collect();
    assert_eq!(all(&log).await, expected);
    assert_eq!(log.read_vote().await.unwrap(), Some(vote));
    assert_eq!(log.read_committed().await.unwrap(), Some(log_id(4, 85)));
    let state = log.get_log_state().await.unwrap();
    assert_eq!(
        (state.last_purged_log_id, state.last_log_id),
        (Some(log_id(3, 9)), Some(log_id(4, 89)))
    );
    assert!(segments(&disk).len() > 1, "several segments were filled");
}

#[tokio::test]
async fn a_purge_frees_segments_and_the_vote_survives_them() {
    let disk = new_disk();
    let mut log = open(&disk).await.unwrap();
    let vote = Vote {
        leader_id: LeaderId::new(1, 1),
        committed: false,
    };
    log.save_vote(&vote).await.unwrap();
    append(&log, entries(1, 0..200)).await.unwrap();
    let before = segments(&disk).len();
    log.purge(log_id(1, 189)).await.unwrap();
    log.close().await;
    let after = segments(&disk);
    assert!(
        after.len() < before / 2,
        "{} of {before} segments left",
        after.len()
    );

    let mut log = open(&disk).await.unwrap();
    assert_eq!(log.read_vote().await.unwrap(), Some(vote));
    assert_eq!(all(&log).await, entries(1, 190..200));
    append(&log, entries(1, 200..210)).await.unwrap();
    assert_eq!(all(&log).await, entries(1, 190..210));
}

/// A history with a group in flight: its beginning is durable, its end was written when the power went.
async fn torn_history() -> (SimulatedDisk, Vec<Entry>, PathBuf, usize, usize) {
    let disk = new_disk();
    let log = open(&disk).await.unwrap();
    let safe = entries(1, 0..3);
    append(&log, safe.clone()).await.unwrap();
    let path = segments(&disk).pop().unwrap();
    let synced = used(&disk, &path);
    disk.fail_syncs(1);
    append(&log, entries(1, 3..6)).await.unwrap_err();
    let written = used(&disk, &path);
    assert!(written > synced + 60);
    (disk, safe, path, synced, written)
}

#[tokio::test]
async fn a_write_torn_at_any_byte_is_cut_off_and_nothing_durable_is_lost() {
    let (disk, safe, path, synced, written) = torn_history().await;
    let torn = |change: &dyn Fn(&mut Vec<u8>)| {
        let disk = disk.fork();
        disk.tamper(&path, |content| change(content)).unwrap();
        disk
    };
    for byte in synced..written {
        let damaged = [
            torn(&|content| content[byte..written].fill(0)),
            torn(&|content| content[byte..written].fill(0xa5)),
            // The end reached the disk before the beginning.
            torn(&|content| content[synced..byte].fill(0)),
        ];
        for disk in damaged {
            let log = open(&disk).await.unwrap();
            let found = all(&log).await;
            assert!(
                found.starts_with(&safe) && entries(1, 0..6).starts_with(&found),
                "byte {byte}: {found:?}"
            );
            // What is written over the cut is not mixed up with what was there.
            let next = found.len() as u64;
            append(&log, vec![entry(2, next)]).await.unwrap();
            log.close().await;
            let again = all(&open(&disk).await.unwrap()).await;
            assert_eq!(again, [found, vec![entry(2, next)]].concat(), "byte {byte}");
        }
    }
}

#[tokio::test]
async fn a_bit_that_rots_in_what_was_once_durable_is_refused_not_cut() {
    let disk = new_disk();
    let mut log = open(&disk).await.unwrap();
    for index in 0..4 {
        append(&log, entries(1, index..index + 1)).await.unwrap();
    }
    // As after every commit; vouches for what was synced before.
    log.save_committed(Some(log_id(1, 3))).await.unwrap();
    log.close().await;
    let path = segments(&disk).pop().unwrap();
    let marked = used(&disk, &path);
    let (mut refused, mut harmless) = (0, 0);
    // The mark itself is the last record and may be lost; 40 bytes hold it.
    for bit in 0..(marked - 40) * 8 {
        let disk = disk.fork();
        disk.tamper(&path, |content| content[bit / 8] ^= 1 << (bit % 8))
            .unwrap();
        match open(&disk).await {
            Ok(log) => {
                harmless += 1;
                assert_eq!(
                    all(&log).await,
                    entries(1, 0..4),
                    "bit {bit} was in the padding or it matters"
                );
            }
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains(&path.display().to_string()), "{error}");
            }
        }
    }
    assert!(refused > 8 * harmless, "{refused} refused, {harmless} harmless");
}

#[tokio::test]
async fn a_file_cut_short_or_missing_is_refused() {
    let disk = new_disk();
    let log = open(&disk).await.unwrap();
    append(&log, entries(1, 0..100)).await.unwrap();
    log.close().await;
    let files = segments(&disk);
    for (number, path) in files.iter().enumerate() {
        for length in [0, 10, 64, 100, 1000, 2000] {
            let disk = disk.fork();
            disk.tamper(path, |content| content.truncate(length)).unwrap();
            let error = open(&disk).await.err().unwrap().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
        if number + 1 < files.len() {
            let disk = disk.fork();
            disk.remove(path).unwrap();
            open(&disk).await.err().unwrap();
        }
    }
}

#[tokio::test]
async fn another_version_is_named_with_the_way_out() {
    let disk = new_disk();
    open(&disk).await.unwrap().close().await;
    let path = segments(&disk).pop().unwrap();
    disk.tamper(&path, |content| {
        content[8..12].copy_from_slice(&2_u32.to_le_bytes());
        content[12..16].fill(0);
        let checksum = crc32fast::hash(&content[..64]);
        content[12..16].copy_from_slice(&checksum.to_le_bytes());
    })
    .unwrap();
    let error = open(&disk).await.err().unwrap().to_string();
    for needed in [DIRECTORY, "version 2", "version 1", "move the directory away"] {
        assert!(error.contains(needed), "{error}");
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_loses_nothing_acknowledged() {
    let disk = new_disk();
    let log = open(&disk).await.unwrap();
    disk.set_capacity(Some(disk.used() + 3000));
    let mut acknowledged = 0;
    let error = loop {
        match append(&log, entries(1, acknowledged..acknowledged + 1)).await {
            Ok(()) => acknowledged += 1,
            Err(error) => break error.to_string(),
        }
        assert!(acknowledged < 1000);
    };
    assert!(
        error.contains("no space left") && error.contains(DIRECTORY),
        "{error}"
    );
    let reason = log.failure().borrow().clone();
    assert_eq!(reason, Some(error));
    append(&log, entries(1, acknowledged + 1..acknowledged + 2))
        .await
        .unwrap_err();

    disk.crash(Crash::LoseAll);
    disk.set_capacity(None);
    let log = open(&disk).await.unwrap();
    assert!(all(&log).await.starts_with(&entries(1, 0..acknowledged)));
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_written_again() {
    let disk = new_disk();
    let mut log = open(&disk).await.unwrap();
    append(&log, entries(1, 0..1)).await.unwrap();
    disk.fail_syncs(1);
    append(&log, entries(1, 1..2)).await.unwrap_err();
    append(&log, entries(1, 2..3)).await.unwrap_err();
    log.save_vote(&Vote {
        leader_id: LeaderId::new(9, 9),
        committed: true,
    })
    .await
    .unwrap_err();
    disk.crash(Crash::LoseAll);
    let mut log = open(&disk).await.unwrap();
    assert_eq!(all(&log).await, entries(1, 0..1));
    assert_eq!(log.read_vote().await.unwrap(), None);
}

/// What must be there after a crash, and what may.
#[derive(Default)]
struct Model {
    /// The entries as last appended and truncated, durable or not.
    entries: Vec<Entry>,
    /// Up to where they are acknowledged.
    acknowledged: usize,
    vote: Option<Vote>,
    purged: u64,
}

impl Model {
    async fn step(&mut self, log: &mut Log, entropy: &dyn Entropy, term: u64) {
        let next = self.entries.len() as u64;
        match entropy.next_u64() % 10 {
            0 => {
                let vote = Vote {
                    leader_id: LeaderId::new(term, 1),
                    committed: true,
                };
                log.save_vote(&vote).await.unwrap();
                self.vote = Some(vote);
            }
            1 if self.acknowledged as u64 > self.purged + 1 => {
                let upto = self.purged + entropy.next_u64() % (self.acknowledged as u64 - self.purged);
                log.purge(self.entries[usize::try_from(upto).unwrap()].log_id)
                    .await
                    .unwrap();
                self.purged = upto + 1;
            }
            2 if next > self.purged + 1 => {
                let kept = self.purged + 1 + entropy.next_u64() % (next - self.purged - 1);
                self.entries.truncate(usize::try_from(kept).unwrap());
                log.truncate_after(self.entries.last().map(|entry| entry.log_id))
                    .await
                    .unwrap();
                self.acknowledged = self.entries.len();
            }
            _ => {
                let added = entries(term, next..next + 1 + entropy.next_u64() % 8);
                append(log, added.clone()).await.unwrap();
                self.entries.extend(added);
                self.acknowledged = self.entries.len();
            }
        }
    }

    /// A last group of which nobody knows how much reached the disk.
    async fn lose_a_group(&mut self, disk: &SimulatedDisk, log: &Log, term: u64) {
        let next = self.entries.len() as u64;
        let added = entries(term, next..next + 5);
        disk.fail_syncs(1);
        append(log, added.clone()).await.unwrap_err();
        self.entries.extend(added);
    }

    async fn check(&mut self, log: &mut Log) {
        let found = all(log).await;
        let must = &self.entries[usize::try_from(self.purged).unwrap()..self.acknowledged];
        let may = &self.entries[usize::try_from(self.purged).unwrap()..];
        assert!(found.starts_with(must) && may.starts_with(&found), "{found:?}");
        assert_eq!(log.read_vote().await.unwrap(), self.vote);
        let kept = usize::try_from(self.purged).unwrap() + found.len();
        self.entries.truncate(kept);
        self.acknowledged = kept;
    }
}

#[tokio::test]
async fn random_histories_survive_random_crashes() {
    for seed in 0..150 {
        let entropy = SeededEntropy::new(seed);
        let disk = new_disk();
        let mut model = Model::default();
        for term in 1..6 {
            let mut log = open(&disk)
                .await
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            model.check(&mut log).await;
            for _ in 0..entropy.next_u64() % 40 {
                model.step(&mut log, &entropy, term).await;
            }
            model.lose_a_group(&disk, &log, term).await;
            disk.crash(Crash::Random(&entropy));
        }
        let mut log = open(&disk)
            .await
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        model.check(&mut log).await;
    }
}
