//! Reads that are linearizable on every server, not only on the leader.

use std::time::Duration;

use openraft::metrics::WaitError;

use super::StateMachine;
use super::error::ReadError;
use super::node::RaftNode;
use super::types::NodeId;

/// How long a server may take to apply what the leader says it must have: a follower is a few milliseconds behind, unless it
/// has just come back.
const APPLY_WAIT_MAX: Duration = Duration::from_secs(2);

impl<M: StateMachine> RaftNode<M> {
    /// Returns once this server's state holds everything that was acknowledged, by anyone, before the call: reads made after
    /// it are linearizable. Asks the leader, which makes sure that it still is.
    pub async fn catch_up(&self) -> Result<(), ReadError> {
        let leader = match self.barrier().await {
            Err(ReadError::ForwardToLeader(leader)) if leader.node_id != self.inner.node_id => leader,
            Err(ReadError::ForwardToLeader(_)) => return Err(ReadError::NoLeader),
            other => return other,
        };
        let index = tokio::select! {
            index = self.inner.peers.read_index(&leader) => index,
            // A leader that has died may leave the question unanswered for long.
            () = self.led_by_another(leader.node_id) => return Err(ReadError::NoLeader),
        };
        let wanted = index.map_err(|reason| ReadError::Unanswered { reason })?;
        let applied = self.inner.raft.wait(Some(APPLY_WAIT_MAX));
        match applied
            .applied_index_at_least(Some(wanted), "a current read")
            .await
        {
            Ok(_) => Ok(()),
            Err(WaitError::Timeout(..)) => Err(ReadError::Behind { wanted }),
            Err(WaitError::ShuttingDown) => Err(ReadError::Stopped {
                reason: self.reason(),
            }),
        }
    }

    /// Returns once that server is not known to lead any more.
    async fn led_by_another(&self, node_id: NodeId) {
        let mut leadership = self.leadership();
        let leads = |known: &super::Leadership| {
            let current = known.current.as_ref();
            current.is_some_and(|leader| leader.node_id == node_id)
        };
        // It fails when the node has ended; then nobody is known to lead.
        drop(leadership.wait_for(|known| !leads(known)).await);
    }
}
