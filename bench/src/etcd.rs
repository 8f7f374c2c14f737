//! Three members of etcd beside us, and as much of its protocol as a put takes.

use std::sync::Arc;

use anyhow::Context;
use bosun_client::endpoint;
use bosun_host::Host;
use tempfile::TempDir;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

use crate::process::{Process, free_addresses};
use crate::trio::awaited;

/// The members' data may grow to so many bytes; the default is too little for a long run.
const QUOTA_BYTES: &str = "8589934592";

/// A put without a lease. The answer holds nothing of interest.
#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusRequest {}

#[derive(Clone, PartialEq, prost::Message)]
struct ResponseHeader {
    #[prost(uint64, tag = "2")]
    member_id: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<ResponseHeader>,
    #[prost(uint64, tag = "4")]
    leader: u64,
}

/// Three members; ended when dropped.
pub(crate) struct Etcd {
    host: Host,
    addresses: Vec<String>,
    members: Vec<Process>,
    _directory: TempDir,
}

impl Etcd {
    /// Whether the program is there, and which version.
    pub(crate) fn version() -> Option<String> {
        let output = std::process::Command::new("etcd")
            .arg("--version")
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines()
            .next()?
            .strip_prefix("etcd Version: ")
            .map(str::to_owned)
    }

    /// Starts three and waits until one leads.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let host = Host::system();
        let directory = tempfile::tempdir().context("a temporary directory")?;
        let addresses = free_addresses(&host, 6).await?;
        let (clients, peers) = addresses.split_at(3);
        let cluster: Vec<_> = (0..3).map(|i| format!("m{i}=http://{}", peers[i])).collect();
        let cluster = cluster.join(",");
        let mut members = Vec::new();
        for (i, (client, peer)) in clients.iter().zip(peers).enumerate() {
            let (client, peer) = (format!("http://{client}"), format!("http://{peer}"));
            let name = format!("m{i}");
            let data = directory.path().join(&name).display().to_string();
            let settings = [
                ("--name", name.as_str()),
                ("--data-dir", &data),
                ("--listen-client-urls", &client),
                ("--advertise-client-urls", &client),
                ("--listen-peer-urls", &peer),
                ("--initial-advertise-peer-urls", &peer),
                ("--initial-cluster", &cluster),
                ("--quota-backend-bytes", QUOTA_BYTES),
                ("--logger", "zap"),
                ("--log-level", "error"),
            ];
            let arguments: Vec<_> = settings
                .iter()
                .flat_map(|(name, value)| [*name, *value])
                .collect();
            members.push(Process::start("etcd".as_ref(), &arguments)?);
        }
        let etcd = Self {
            host,
            addresses: clients.to_vec(),
            members,
            _directory: directory,
        };
        etcd.leader().await?;
        Ok(etcd)
    }

    /// Where the members are.
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Which member leads.
    pub(crate) async fn leader(&self) -> anyhow::Result<usize> {
        awaited("no member of etcd leads", async || {
            for (member, address) in self.addresses.iter().enumerate() {
                let address = std::slice::from_ref(address);
                let channel = endpoint::channel(Arc::clone(&self.host.network), address)?;
                let status: StatusResponse =
                    call(&channel, "/etcdserverpb.Maintenance/Status", StatusRequest {}).await?;
                if status.leader != 0
                    && status
                        .header
                        .is_some_and(|header| header.member_id == status.leader)
                {
                    return Ok(member);
                }
            }
            anyhow::bail!("none says so")
        })
        .await
    }

    /// Resident memory of each member, in bytes.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<Vec<u64>> {
        self.members.iter().map(Process::resident_bytes).collect()
    }
}

/// Stores a value.
pub(crate) async fn put(channel: &Channel, key: Vec<u8>, value: Vec<u8>) -> anyhow::Result<()> {
    let _: PutResponse = call(channel, "/etcdserverpb.KV/Put", PutRequest { key, value }).await?;
    Ok(())
}

async fn call<Q, A>(channel: &Channel, method: &'static str, request: Q) -> anyhow::Result<A>
where
    Q: prost::Message + 'static,
    A: prost::Message + Default + 'static,
{
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await?;
    let path = PathAndQuery::from_static(method);
    let answer = grpc
        .unary(tonic::Request::new(request), path, ProstCodec::<Q, A>::default())
        .await?;
    Ok(answer.into_inner())
}
