//! Owns the reading of a container's output.

use crate::client::Client;
use crate::error::ApiError;
use crate::retry::Effect;
use bosun_proto::api;
use bytes::Bytes;
use tonic::Streaming;

/// Whose output, and how much of it.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container; may stay empty when the pod has one.
    pub container: String,
    /// Keep sending until the container ends.
    pub follow: bool,
    /// The output of the run before the present one.
    pub previous: bool,
    /// Only the last lines.
    pub tail_lines: Option<i64>,
    /// Each line's time in front.
    pub timestamps: bool,
    /// Only what was written in the last seconds.
    pub since_seconds: Option<i64>,
}

impl LogOptions {
    /// Everything one container of a pod has written so far.
    pub fn of(namespace: &str, pod: &str, container: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: container.to_owned(),
            ..Self::default()
        }
    }
}

/// Output as it comes: whole lines.
#[derive(Debug)]
pub struct LogStream {
    client: Client,
    stream: Streaming<api::LogChunk>,
}

impl LogStream {
    pub(crate) async fn open(client: &Client, options: LogOptions) -> Result<Self, ApiError> {
        let request = api::LogsRequest {
            namespace: options.namespace,
            pod: options.pod,
            container: options.container,
            follow: options.follow,
            previous: options.previous,
            tail_lines: options.tail_lines,
            timestamps: options.timestamps,
            since_seconds: options.since_seconds,
            limit_bytes: None,
        };
        let stream = client
            .call(Effect::Safe, || {
                let (mut objects, request) = (client.objects.clone(), request.clone());
                async move { objects.logs(request).await }
            })
            .await?;
        Ok(Self {
            client: client.clone(),
            stream,
        })
    }

    /// The next lines; `None` at the end.
    ///
    /// # Errors
    /// When the stream breaks. It is not resumed, since lines could be lost or doubled: that is for the caller to decide.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let chunk = self
            .stream
            .message()
            .await
            .map_err(|status| self.client.error(&status))?;
        Ok(chunk.map(|chunk| chunk.data))
    }
}
