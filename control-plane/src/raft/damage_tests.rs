//! A whole server on damaged files: log segments and snapshots are cut short and bits in them flipped, one place at a time. It comes
//! up with everything that was acknowledged, or it refuses and names the file; it never serves anything else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bosun_host::testing::{Crash, SimulatedDisk};
use bosun_host::{Disk, Host, WallTime};

use super::test_machine::{TestMachine, entry};
use super::{RaftNode, RaftSettings, Server, StartError, StorageLimits};

const DIRECTORY: &str = "/data";
/// Acknowledged commands; enough for two snapshots, several segments, and a purge.
const COMMANDS: u64 = 120;
/// Damage is done at every such byte of a file (1 takes six times as long and passes too); the log's and the snapshots' own tests
/// go through every byte and bit.
const STRIDE: usize = 7;
/// The heads of files, where every byte is tried.
const HEAD: usize = 40;

fn settings() -> RaftSettings {
    let server = Server {
        name: "one".to_owned(),
        address: "127.0.0.1:1".to_owned(),
    };
    RaftSettings {
        storage: StorageLimits {
            log_segment_bytes: 4 << 10,
            ..StorageLimits::default()
        },
        ..RaftSettings::single(1, server, DIRECTORY)
    }
}

fn host(disk: &SimulatedDisk) -> Host {
    let (host, _) = bosun_host::testing::host(1, WallTime::UNIX_EPOCH);
    Host {
        disk: Arc::new(disk.clone()),
        ..host
    }
}

/// The commands that a server on this disk serves, or why there is no server.
async fn served(disk: &SimulatedDisk) -> Result<Vec<u64>, StartError> {
    let (machine, seen) = TestMachine::new();
    let node = RaftNode::start(settings(), host(disk), machine).await?;
    let mut leadership = node.leadership();
    leadership.wait_for(|leadership| leadership.leader).await.unwrap();
    node.barrier().await.unwrap();
    node.shutdown().await;
    let served = seen.lock().unwrap().clone();
    Ok(served)
}

/// The disk of a server that acknowledged all commands, made two snapshots on the way, and was cut off from power.
async fn history() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    disk.create_directory(Path::new(DIRECTORY)).unwrap();
    let (machine, _) = TestMachine::new();
    let node = RaftNode::start(settings(), host(&disk), machine).await.unwrap();
    let mut leadership = node.leadership();
    leadership.wait_for(|leadership| leadership.leader).await.unwrap();
    for command in 0..COMMANDS {
        node.propose(entry([command])).await.unwrap();
        if command == COMMANDS / 3 || command == COMMANDS * 2 / 3 {
            let before = node.status().snapshot_index;
            node.snapshot().await.unwrap();
            while node.status().snapshot_index == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    node.shutdown().await;
    disk.crash(Crash::LoseAll);
    disk
}

fn files(disk: &SimulatedDisk) -> Vec<PathBuf> {
    let raft = Path::new(DIRECTORY);
    let mut found = Vec::new();
    for folder in ["log", "snapshots"].map(|name| raft.join(name)) {
        let names = disk.list(&folder).unwrap();
        found.extend(
            names
                .iter()
                .filter(|name| *name != "spare")
                .map(|name| folder.join(name)),
        );
    }
    found
}

#[tokio::test(start_paused = true)]
async fn a_server_on_damaged_files_has_all_that_was_acknowledged_or_refuses() {
    let disk = history().await;
    let everything: Vec<u64> = (0..COMMANDS).collect();
    assert_eq!(served(&disk.fork()).await.unwrap(), everything);
    let (mut recovered, mut refused) = (0, 0);
    for path in files(&disk) {
        let length = disk.read(&path).unwrap().len();
        let places = (0..HEAD).chain((HEAD..length).step_by(STRIDE));
        for byte in places {
            let cut = disk.fork();
            cut.tamper(&path, |content| content.truncate(byte)).unwrap();
            let flipped = disk.fork();
            flipped.tamper(&path, |content| content[byte] ^= 0x10).unwrap();
            for damaged in [cut, flipped] {
                match served(&damaged).await {
                    Ok(found) => {
                        recovered += 1;
                        assert_eq!(found, everything, "{} at byte {byte}", path.display());
                    }
                    Err(error) => {
                        refused += 1;
                        let told = error.to_string();
                        assert!(
                            told.contains(DIRECTORY),
                            "{} at byte {byte}: {told}",
                            path.display()
                        );
                    }
                }
            }
        }
    }
    assert!(
        recovered > 20 && refused > 20,
        "{recovered} recovered, {refused} refused"
    );
}
