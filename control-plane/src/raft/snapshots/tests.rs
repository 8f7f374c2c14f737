//! Snapshot files under bad luck.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bosun_host::Disk;
use bosun_host::testing::{Crash, SimulatedDisk};
use openraft::vote::RaftLeaderId;

use super::{Draft, Snapshots};
use crate::raft::types::{LeaderId, LogId, SnapshotMeta, StoredMembership};

const DIRECTORY: &str = "/data/snapshots";

fn snapshots() -> (SimulatedDisk, Snapshots) {
    let disk = SimulatedDisk::new();
    disk.create_directory(Path::new(DIRECTORY)).unwrap();
    (disk.clone(), at(&disk))
}

fn at(disk: &SimulatedDisk) -> Snapshots {
    Snapshots::new(Arc::new(disk.clone()), PathBuf::from(DIRECTORY))
}

fn meta(index: u64) -> SnapshotMeta {
    let last_log_id = Some(LogId::new(LeaderId::new(1, 1), index));
    SnapshotMeta {
        last_log_id,
        last_membership: StoredMembership::default(),
    }
}

fn build(snapshots: &Snapshots, index: u64, state: &[u8]) {
    let state = state.to_vec();
    snapshots
        .build(meta(index), Box::new(move |target| target.write_all(&state)))
        .unwrap();
}

fn newest(snapshots: &Snapshots) -> (u64, Vec<u8>) {
    let found = snapshots.newest().unwrap().unwrap();
    let mut state = Vec::new();
    found.content().unwrap().read_to_end(&mut state).unwrap();
    (found.meta.last_log_id.unwrap().index, state)
}

#[test]
fn the_newest_comes_back_whole_and_two_are_kept() {
    let (disk, snapshots) = snapshots();
    assert!(snapshots.newest().unwrap().is_none());
    let large: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    for index in [5, 60, 700] {
        build(
            &snapshots,
            index,
            &large[..usize::try_from(index).unwrap() * 5000],
        );
    }
    assert_eq!(disk.list(Path::new(DIRECTORY)).unwrap().len(), 2);
    disk.crash(Crash::LoseAll);
    let (index, state) = newest(&at(&disk));
    assert_eq!((index, state.len()), (700, 3_500_000));
    assert!(state == large[..3_500_000]);
    assert_eq!(at(&disk).second_newest_index().unwrap(), Some(60));
}

#[test]
fn an_unfinished_one_does_not_count() {
    let (disk, snapshots) = snapshots();
    build(&snapshots, 5, b"old");
    let mut draft = snapshots.draft(Draft::Received, meta(9)).unwrap();
    draft.write_all(b"new").unwrap();
    drop(draft);
    disk.crash(Crash::KeepAll);
    assert_eq!(newest(&at(&disk)), (5, b"old".to_vec()));
}

#[test]
fn any_flipped_bit_or_cut_is_noticed_and_the_one_before_taken() {
    let (disk, snapshots) = snapshots();
    build(&snapshots, 5, b"old");
    build(&snapshots, 9, b"new state");
    let path = snapshots.newest().unwrap().unwrap().path;
    let content = disk.read(&path).unwrap();
    for byte in 0..content.len() {
        let flipped = disk.fork();
        flipped.tamper(&path, |content| content[byte] ^= 4).unwrap();
        let cut = disk.fork();
        cut.tamper(&path, |content| content.truncate(byte)).unwrap();
        for damaged in [flipped, cut] {
            assert_eq!(newest(&at(&damaged)), (5, b"old".to_vec()), "byte {byte}");
        }
    }
}

#[test]
fn if_all_are_damaged_the_newest_is_named() {
    let (disk, snapshots) = snapshots();
    for index in [5, 9] {
        build(&snapshots, index, b"state");
        let path = snapshots.newest().unwrap().unwrap().path;
        disk.tamper(&path, |content| content.truncate(20)).unwrap();
    }
    let error = snapshots.newest().unwrap_err().to_string();
    assert!(
        error.contains("00000000009-") && error.contains(DIRECTORY),
        "{error}"
    );
}

#[test]
fn another_version_is_not_passed_over() {
    let (disk, snapshots) = snapshots();
    build(&snapshots, 5, b"old");
    build(&snapshots, 9, b"new");
    let path = snapshots.newest().unwrap().unwrap().path;
    disk.tamper(&path, |content| {
        content[8] = 2;
        let checksum = crc32fast::hash(&content[..12]);
        content[12..16].copy_from_slice(&checksum.to_le_bytes());
    })
    .unwrap();
    let error = snapshots.newest().unwrap_err().to_string();
    for needed in [
        DIRECTORY,
        "version 2",
        "version 1",
        "Start the bosun that wrote it",
    ] {
        assert!(error.contains(needed), "{error}");
    }
}
