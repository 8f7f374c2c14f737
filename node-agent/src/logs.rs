//! Carries output of containers to a server that asked for it.

use std::sync::Arc;

use bosun_proto::node::{LogRelay, OpenLogs};
use chrono::TimeDelta;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::pod::{ContainerRecord, ContainerState, PodRecord};
use crate::runtime::{LogRequest, Runtime};
use crate::session::Link;

/// At most so many outputs are read at a time.
pub(crate) const READERS_MAX: usize = 1024;
/// Messages under way per output.
const RELAYS_WAITING_MAX: usize = 4;

/// What to read for a server's request, given what is remembered of the pod (nothing once its end was acknowledged).
pub(crate) fn log_request(
    open: &OpenLogs,
    record: Option<&PodRecord>,
    now: bosun_host::WallTime,
) -> Result<LogRequest, String> {
    let run = match record {
        None => None,
        Some(record) => {
            let container = record
                .containers
                .iter()
                .find(|container| *container.name == *open.container)
                .ok_or_else(|| format!("the pod has no container {:?}", open.container))?;
            Some(last_run(container)?)
        }
    };
    let natural = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(LogRequest {
        pod_uid: open.pod_uid.as_str().into(),
        container: open.container.as_str().into(),
        run,
        previous: open.previous,
        follow: open.follow,
        tail_lines: open.tail_lines.map(natural),
        since: open
            .since_seconds
            .and_then(|seconds| now.checked_sub_signed(TimeDelta::try_seconds(seconds)?)),
        timestamps: open.timestamps,
        limit_bytes: open.limit_bytes.map(natural),
    })
}

/// The last run that may have output.
fn last_run(container: &ContainerRecord) -> Result<u32, String> {
    match &container.state {
        ContainerState::Running { .. } | ContainerState::Ended(_) => Ok(container.run),
        ContainerState::Waiting | ContainerState::Starting | ContainerState::Refused { .. } => {
            container.run.checked_sub(1).ok_or_else(|| {
                let why = match &container.state {
                    ContainerState::Refused { message, .. } => format!(": {message}"),
                    _ => String::new(),
                };
                format!("container {:?} is waiting to start{why}", container.name)
            })
        }
    }
}

/// Serves one request to its end.
pub(crate) async fn serve<R: Runtime>(
    link: Link,
    relay_id: String,
    request: Result<LogRequest, String>,
    runtime: Arc<R>,
    readers: Arc<Semaphore>,
) {
    let permit = readers.try_acquire();
    let opened = match (&permit, request) {
        (Err(_), _) => Err(format!(
            "this node's agent serves {READERS_MAX} readers already; try again later"
        )),
        (Ok(_), Err(message)) => Err(message),
        (Ok(_), Ok(request)) => runtime.logs(request).await,
    };
    let (sender, receiver) = mpsc::channel(RELAYS_WAITING_MAX);
    let feed = async move {
        // The first message carries the id, whether or not there is output yet. A receiver that is gone means that the
        // server does not listen any more.
        let mut relay = LogRelay {
            relay_id,
            ..LogRelay::default()
        };
        let mut output = match opened {
            Ok(output) => output,
            Err(error) => {
                relay.error = error;
                drop(sender.send(relay).await);
                return;
            }
        };
        loop {
            if sender.send(relay).await.is_err() {
                return;
            }
            relay = tokio::select! {
                piece = output.recv() => match piece {
                    Some(Ok(data)) => LogRelay { data, ..LogRelay::default() },
                    Some(Err(error)) => LogRelay { error, ..LogRelay::default() },
                    None => return,
                },
                () = sender.closed() => return,
            };
        }
    };
    let mut client = link.client.clone();
    let (answer, ()) = tokio::join!(client.send_logs(ReceiverStream::new(receiver)), feed);
    if let Err(status) = answer {
        tracing::debug!(%status, "output not delivered to its end");
    }
}
