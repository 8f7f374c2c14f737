//! Which calls need the leader, and how each may be treated on its way there.

use bosun_proto::api::{cluster_server, objects_server};
use bosun_proto::node::node_agents_server;

/// How a call that needs the leader may be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// One message there and one back; changes an object. Sent again under its request id, so that it is done once.
    Write,
    /// One message there and one back; changes the cluster. Sent again only when it was surely not done.
    Change,
    /// One message there and one back; to do it twice does no harm.
    Harmless,
    /// One message there, a stream back that belongs to one leader: it ends when another one leads.
    Subscription,
    /// A stream there, which cannot be sent again.
    Upload,
}

/// How the call of this path is treated; `None` for those that every server answers by itself.
pub(super) fn call_of(path: &str) -> Option<Call> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    match (service, method) {
        (objects_server::SERVICE_NAME, "Create" | "Update" | "UpdateStatus" | "Patch" | "Delete") => {
            Some(Call::Write)
        }
        (cluster_server::SERVICE_NAME, "JoinServer") => Some(Call::Change),
        // Sessions with agents live in the leader's memory, and output is asked for within them.
        (objects_server::SERVICE_NAME, "Logs") | (node_agents_server::SERVICE_NAME, "Session") => {
            Some(Call::Subscription)
        }
        // The two about servers take the lead from the one that is asked; what was done is not done again.
        (cluster_server::SERVICE_NAME, "RemoveServer" | "TransferLeader")
        | (node_agents_server::SERVICE_NAME, "Join" | "Heartbeat" | "Report") => Some(Call::Harmless),
        (node_agents_server::SERVICE_NAME, "SendLogs") => Some(Call::Upload),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_something_or_lives_with_the_leader_goes_there() {
        for (path, call) in [
            ("/bosun.api.v1.Objects/Create", Some(Call::Write)),
            ("/bosun.api.v1.Objects/Logs", Some(Call::Subscription)),
            ("/bosun.api.v1.Cluster/JoinServer", Some(Call::Change)),
            ("/bosun.api.v1.Cluster/RemoveServer", Some(Call::Harmless)),
            ("/bosun.node.v1.NodeAgents/Heartbeat", Some(Call::Harmless)),
            ("/bosun.node.v1.NodeAgents/SendLogs", Some(Call::Upload)),
            ("/bosun.api.v1.Objects/List", None),
            ("/bosun.api.v1.Objects/Watch", None),
            ("/bosun.api.v1.Cluster/Describe", None),
            ("/bosun.raft.v1.Raft/Append", None),
            ("/grpc.health.v1.Health/Check", None),
            ("nonsense", None),
        ] {
            assert_eq!(call_of(path), call, "{path}");
        }
    }
}
