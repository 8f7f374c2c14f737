//! What the leader does about servers when asked: takes in, takes out, hands over. Knows no wire.

use std::time::Duration;

use super::admission::{self, Admission, Removal};
use crate::raft::{ChangeError, Leader, Members, MembershipChange, NodeId, ReadError, Server};
use crate::replica::Replica;

/// How long a change may take to be agreed on. It needs the quorum; without one it would wait for ever.
const CHANGE_PATIENCE: Duration = Duration::from_secs(4);
/// How long another server may take to take over the lead.
const HAND_OVER_PATIENCE: Duration = Duration::from_secs(3);

/// Why the leader did not do it.
#[derive(Clone, Debug)]
pub(crate) enum Refused {
    /// Another server leads, if it is known which.
    NotLeader(Option<Leader>),
    /// Not just now; why.
    Later(String),
    /// No; why, and the way out.
    No(String),
}

impl From<ChangeError> for Refused {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotLeader(leader) => Self::NotLeader(leader),
            ChangeError::Superseded | ChangeError::Failed(_) => Self::Later(error.to_string()),
        }
    }
}

impl From<ReadError> for Refused {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::ForwardToLeader(leader) => Self::NotLeader(Some(leader)),
            ReadError::NoLeader
            | ReadError::Unanswered { .. }
            | ReadError::Behind { .. }
            | ReadError::Stopped { .. } => Self::Later(error.to_string()),
        }
    }
}

/// What became of a server that asked for its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is a member under this number.
    Member(NodeId),
    /// It was taken out.
    Removed,
}

/// Gives a server its place: takes a new one in, or tells one that has a number whether it still belongs here.
pub(crate) async fn join(
    replica: &Replica,
    known_as: Option<NodeId>,
    server: Server,
) -> Result<Place, Refused> {
    let members = current(replica).await?;
    let since = replica.leadership().borrow().since;
    let leading_for = since.map_or(Duration::ZERO, |since| since.elapsed());
    match admission::admit(&members, leading_for, known_as, server.clone()) {
        Admission::Member(node_id) => Ok(Place::Member(node_id)),
        Admission::Removed => Ok(Place::Removed),
        Admission::Later(why) => Err(Refused::Later(why)),
        Admission::Refused(why) => Err(Refused::No(why)),
        Admission::Change(step) => {
            let node_id = change(replica, &members, step).await?;
            tracing::info!(server = %server, number = node_id, "a server was given its place");
            Ok(Place::Member(node_id))
        }
    }
}

/// Takes a server out. If that is this one, which leads, another one takes over the lead, and has to be asked.
pub(crate) async fn remove(replica: &Replica, name: &str, node_id: NodeId) -> Result<NodeId, Refused> {
    let members = current(replica).await?;
    let own = replica.node().status().node_id;
    match admission::remove(&members, own, name, node_id) {
        Removal::Refused(why) => Err(Refused::No(why)),
        Removal::Change(step) => {
            let node_id = change(replica, &members, step).await?;
            tracing::info!(server = name, number = node_id, "a server was removed");
            Ok(node_id)
        }
        // The request goes on to the one that leads then.
        Removal::HandOver(successor) => Err(Refused::NotLeader(Some(hand_over(replica, successor).await?))),
    }
}

/// Hands the lead to the server with this name.
pub(crate) async fn transfer(replica: &Replica, name: &str) -> Result<NodeId, Refused> {
    let members = current(replica).await?;
    let member = admission::find(&members, name, 0).map_err(Refused::No)?;
    if member.node_id == replica.node().status().node_id {
        return Ok(member.node_id);
    }
    if !member.voter {
        return Err(Refused::No(format!(
            "{name} does not vote yet: it has to catch up first"
        )));
    }
    if !admission::is_alive(member) {
        return Err(Refused::No(format!(
            "{name} does not answer; the lead stays where it is"
        )));
    }
    hand_over(replica, member.node_id).await?;
    Ok(member.node_id)
}

/// Hands the lead over and waits until it has arrived.
async fn hand_over(replica: &Replica, successor: NodeId) -> Result<Leader, Refused> {
    let mut leadership = replica.leadership();
    replica.node().transfer_leader(successor).await?;
    let leads = |known: &Option<Leader>| known.as_ref().is_some_and(|leader| leader.node_id == successor);
    let arrived = leadership.wait_for(|leadership| leads(&leadership.current));
    match tokio::time::timeout(HAND_OVER_PATIENCE, arrived).await {
        Ok(Ok(leadership)) => leadership
            .current
            .clone()
            .ok_or_else(|| Refused::Later("nobody leads just now; try again".into())),
        Ok(Err(_)) => Err(Refused::Later("this server is shutting down".into())),
        Err(_) => Err(Refused::Later(format!(
            "server {successor} has not taken over the lead within {} s; try again",
            HAND_OVER_PATIENCE.as_secs()
        ))),
    }
}

/// The members as a leader sees them that is certain to lead.
async fn current(replica: &Replica) -> Result<Members, Refused> {
    let barrier = tokio::time::timeout(CHANGE_PATIENCE, replica.node().barrier()).await;
    barrier.map_err(|_| no_quorum())??;
    Ok(replica.node().members())
}

async fn change(replica: &Replica, members: &Members, step: MembershipChange) -> Result<NodeId, Refused> {
    let changed = replica.node().change_members(members, step);
    let changed = tokio::time::timeout(CHANGE_PATIENCE, changed).await;
    Ok(changed.map_err(|_| no_quorum())??)
}

fn no_quorum() -> Refused {
    Refused::Later("too few servers answer to agree on anything".into())
}
