//! Container output for clients: found at the node's agent, relayed through its session.

use bosun_core::refusal::{FieldError, Refusal};
use bosun_proto::core_v1::Pod;
use bosun_proto::{Key, Kind, api, node};
use futures::{Stream, StreamExt};
use tonic::Status;

use crate::api::grpc::status_of;
use crate::nodes::{Relays, Sessions};
use crate::replica::Replica;

/// Opens logs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Logs {
    replica: Replica,
    sessions: Sessions,
    relays: Relays,
}

impl Logs {
    pub(crate) fn new(replica: Replica, sessions: Sessions, relays: Relays) -> Self {
        Self {
            replica,
            sessions,
            relays,
        }
    }

    /// The output a request asks for, as it arrives from the agent.
    pub(crate) async fn open(
        &self,
        request: api::LogsRequest,
    ) -> Result<impl Stream<Item = Result<api::LogChunk, Status>> + use<>, Refusal> {
        let namespace = if request.namespace.is_empty() {
            "default"
        } else {
            &request.namespace
        };
        let key = Key::new(Kind::Pod, namespace, &request.pod);
        let snapshot = self.replica.snapshot();
        let pod = snapshot
            .find_key::<Pod>(&key)
            .ok_or_else(|| Refusal::NotFound(key.clone()))?;
        let container = container_of(pod, &key, &request.container)?;
        let node_name = bosun_core::kinds::pod::spec(pod).node_name.clone();
        if node_name.is_empty() {
            let message = format!("pod \"{}\" has no node yet, so it has no output yet", key.name);
            return Err(Refusal::BadRequest(message));
        }
        let (relay_id, chunks) = self.relays.expect();
        let open = node::OpenLogs {
            relay_id,
            pod_uid: pod
                .metadata
                .as_ref()
                .map(|metadata| metadata.uid.clone())
                .unwrap_or_default(),
            container,
            follow: request.follow,
            previous: request.previous,
            tail_lines: request.tail_lines,
            timestamps: request.timestamps,
            since_seconds: request.since_seconds,
            limit_bytes: request.limit_bytes,
        };
        if !self.sessions.open_logs(&node_name, open).await {
            let message = format!(
                "node \"{node_name}\" of pod \"{}\" is not connected: its output is there",
                key.name
            );
            return Err(Refusal::Unavailable(message));
        }
        Ok(chunks.map(|chunk| chunk.map(|data| api::LogChunk { data }).map_err(status_of)))
    }
}

fn container_of(pod: &Pod, key: &Key, asked: &str) -> Result<String, Refusal> {
    let spec = bosun_core::kinds::pod::spec(pod);
    let names = || {
        spec.init_containers
            .iter()
            .chain(&spec.containers)
            .map(|container| container.name.as_str())
    };
    if asked.is_empty() {
        let default = pod.metadata.as_ref().and_then(|metadata| {
            metadata
                .annotations
                .get("kubectl.kubernetes.io/default-container")
                .cloned()
        });
        return match (default, spec.containers.as_slice()) {
            (Some(name), _) => Ok(name),
            (None, [only]) => Ok(only.name.clone()),
            (None, _) => {
                let all = names().collect::<Vec<_>>().join(", ");
                let message = format!("pod \"{}\" has several containers; name one of: {all}", key.name);
                Err(Refusal::BadRequest(message))
            }
        };
    }
    if names().any(|name| name == asked) {
        return Ok(asked.to_owned());
    }
    let all: Vec<_> = names().collect();
    Err(Refusal::Invalid(
        key.clone(),
        vec![FieldError::not_supported("container", asked, &all)],
    ))
}
