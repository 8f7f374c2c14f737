//! The state machine as the library drives it: what it cannot read, and what takes long.

use std::io::{self, Read};
use std::sync::mpsc;
use std::time::Duration;

use bosun_host::Host;
use bosun_proto::log::Entry;
use openraft::storage::RaftStateMachine;
use tokio::time::timeout;

use super::machine::Machine;
use super::snapshots::Snapshots;
use super::test_machine::{TestMachine, UNREADABLE, entry};
use super::types::SnapshotMeta;
use super::{ProposeError, RaftNode, RaftSettings, Server, SnapshotEncoder, StateMachine};

/// Long enough for a loaded machine; a test that waits this long fails.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn an_entry_that_cannot_be_read_stops_the_node_with_the_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let settings = || RaftSettings::single(1, Server::default(), directory.path());
    let start = async || {
        let (machine, seen) = TestMachine::new();
        (RaftNode::start(settings(), Host::system(), machine).await, seen)
    };
    let (node, _) = start().await;
    let node = node.unwrap();
    let mut leadership = node.leadership();
    timeout(PATIENCE, leadership.wait_for(|leadership| leadership.leader))
        .await
        .unwrap()
        .unwrap();
    node.propose(entry([1])).await.unwrap();
    let refusal = timeout(PATIENCE, node.propose(entry([UNREADABLE])))
        .await
        .unwrap();
    assert!(
        matches!(refusal, Err(ProposeError::Stopped { .. })),
        "{refusal:?}"
    );
    let why = timeout(PATIENCE, node.failed()).await.unwrap();
    for part in [
        "cannot be read",
        "a word of the future",
        "newer bosun",
        "nothing is lost",
    ] {
        assert!(why.contains(part), "no {part:?} in: {why}");
    }
    node.shutdown().await;
    // Nor does it go on by being started again.
    let (node, seen) = start().await;
    let why = match node {
        Ok(node) => timeout(PATIENCE, node.failed()).await.unwrap(),
        Err(error) => error.to_string(),
    };
    assert!(why.contains("newer bosun"), "{why}");
    assert!(!seen.lock().unwrap().contains(&UNREADABLE));
}

/// A machine that takes as long to read a snapshot as the test likes.
struct Slow(mpsc::Receiver<()>);

impl StateMachine for SlowMachine {
    type Outcome = ();

    fn apply(&mut self, _entry: Entry) -> io::Result<Vec<()>> {
        Ok(Vec::new())
    }

    fn snapshot(&self) -> SnapshotEncoder {
        Box::new(|target| target.write_all(b"state"))
    }

    fn restore(&mut self, _content: &mut dyn Read) -> io::Result<()> {
        let Slow(go_on) = self.0.get_mut().unwrap();
        go_on.recv_timeout(PATIENCE).map_err(io::Error::other)
    }
}

/// A receiver is not `Sync` by itself.
struct SlowMachine(std::sync::Mutex<Slow>);

#[tokio::test]
async fn reading_a_large_snapshot_holds_up_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let host = Host::system();
    let snapshots = Snapshots::new(host.disk.clone(), directory.path().to_owned());
    let (go_on, wait) = mpsc::channel();
    let machine = SlowMachine(std::sync::Mutex::new(Slow(wait)));
    let meta = SnapshotMeta::default();
    let snapshot = snapshots.build(meta.clone(), machine.snapshot()).unwrap();
    let mut machine = Machine::new(host, snapshots, None, machine);
    // One thread runs both: if the first held it, the second would never let it go on.
    let (installed, ()) = tokio::join!(machine.install_snapshot(&meta, snapshot), async {
        tokio::task::yield_now().await;
        go_on.send(()).unwrap();
    });
    installed.unwrap();
}
