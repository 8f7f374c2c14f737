//! The raft library's own test suite for storage, on our log and state machine.

use std::path::PathBuf;

use bosun_host::{Host, WallTime};
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::log::{Log, LogLimits};
use super::machine::Machine;
use super::snapshots::Snapshots;
use super::test_machine::TestMachine;
use super::types::Types;

/// So small that the suite's few entries fill several segments and leave the cache.
const LIMITS: LogLimits = LogLimits {
    segment_bytes: 512,
    cache_bytes: 300,
};

struct OnRealDisk;
struct OnSimulatedDisk;

impl StoreBuilder<Types, Log, Machine<TestMachine>, TempDir> for OnRealDisk {
    async fn build(&self) -> Result<(TempDir, Log, Machine<TestMachine>), StorageError<Types>> {
        let directory = tempfile::tempdir().unwrap();
        let (log, machine) = stores(Host::system(), directory.path().to_owned()).await;
        Ok((directory, log, machine))
    }
}

impl StoreBuilder<Types, Log, Machine<TestMachine>> for OnSimulatedDisk {
    async fn build(&self) -> Result<((), Log, Machine<TestMachine>), StorageError<Types>> {
        let (host, _) = bosun_host::testing::host(1, WallTime::UNIX_EPOCH);
        let (log, machine) = stores(host, PathBuf::from("/data")).await;
        Ok(((), log, machine))
    }
}

async fn stores(host: Host, directory: PathBuf) -> (Log, Machine<TestMachine>) {
    let (log_directory, snapshot_directory) = (directory.join("log"), directory.join("snapshots"));
    host.disk.create_directory(&log_directory).unwrap();
    host.disk.create_directory(&snapshot_directory).unwrap();
    let log = Log::open(host.clone(), log_directory, LIMITS).await.unwrap();
    let snapshots = Snapshots::new(host.disk.clone(), snapshot_directory);
    let machine = Machine::new(host, snapshots, None, TestMachine::new().0);
    (log, machine)
}

#[tokio::test]
async fn the_storage_suite_passes_on_the_real_disk() {
    Suite::test_all(OnRealDisk).await.unwrap();
}

#[tokio::test]
async fn the_storage_suite_passes_on_the_simulated_disk() {
    Suite::test_all(OnSimulatedDisk).await.unwrap();
}
