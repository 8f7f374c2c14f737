//! What one server asks another about the cluster. Every question is bounded in time.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bosun_host::Network;
use bosun_proto::api;
use bosun_proto::api::cluster_client::ClusterClient;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

/// How long another server may take to say who it is.
const DESCRIBE_PATIENCE: Duration = Duration::from_secs(1);
/// How long a change of the membership may take: two entries to be agreed on, and perhaps an election before.
const CHANGE_PATIENCE: Duration = Duration::from_secs(5);
/// The metadata of a refusal that names the leader's address.
pub(crate) const LEADER_HEADER: &str = "bosun-leader";

/// Why a server has not been given its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// Nobody who could decide has answered, or it cannot be decided just now.
    Later(String),
    /// The leader said no; why.
    Refused(String),
}

/// Who the server at `address` is.
pub(crate) async fn describe(
    network: &Arc<dyn Network>,
    address: &str,
) -> Result<api::DescribeResponse, String> {
    let mut client = client(network, address)?;
    bounded(DESCRIBE_PATIENCE, client.describe(api::DescribeRequest {}))
        .await
        .map_err(|status| told(&status))
}

/// Asks for a place in the cluster at each of `addresses` in turn, and at the leader that one of them names.
pub(crate) async fn join(
    network: &Arc<dyn Network>,
    addresses: &[String],
    request: &api::JoinServerRequest,
) -> Result<api::JoinServerResponse, NoPlace> {
    let mut waiting: VecDeque<String> = addresses.iter().cloned().collect();
    let mut asked = BTreeSet::new();
    let mut last = "no other server is known".to_owned();
    while let Some(address) = waiting.pop_front() {
        if !asked.insert(address.clone()) {
            continue;
        }
        let answer = async {
            let mut client = client(network, &address).map_err(Status::unavailable)?;
            bounded(CHANGE_PATIENCE, client.join_server(request.clone())).await
        };
        match answer.await {
            Ok(answer) => return Ok(answer),
            Err(status) if status.code() == Code::FailedPrecondition => {
                return Err(NoPlace::Refused(status.message().to_owned()));
            }
            Err(status) => {
                last = format!("{address}: {}", told(&status));
                if let Some(leader) = leader_named(&status) {
                    waiting.push_front(leader);
                }
            }
        }
    }
    Err(NoPlace::Later(last))
}

/// The servers as the leader sees them.
pub(crate) async fn list(
    network: &Arc<dyn Network>,
    leader: &str,
) -> Result<api::ListServersResponse, String> {
    let mut client = client(network, leader)?;
    let request = api::ListServersRequest { local: true };
    bounded(DESCRIBE_PATIENCE, client.list_servers(request))
        .await
        .map_err(|status| told(&status))
}

fn leader_named(status: &Status) -> Option<String> {
    let named = status.metadata().get(LEADER_HEADER)?;
    Some(named.to_str().ok()?.to_owned())
}

fn client(network: &Arc<dyn Network>, address: &str) -> Result<ClusterClient<Channel>, String> {
    let channel = crate::outgoing::channel(network, address);
    Ok(ClusterClient::new(channel.map_err(|error| error.to_string())?))
}

async fn bounded<T>(
    patience: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(patience, call).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::unavailable(format!("no answer within {patience:?}"))),
    }
}

/// What a status says, with the cause that tonic keeps apart from its message.
fn told(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut cause = std::error::Error::source(status);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
