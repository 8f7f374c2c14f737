//! Owns the verbs on objects of every kind.

use crate::endpoint::{self, AddressError, MESSAGE_BYTES_MAX};
use crate::error::ApiError;
use crate::follow::Follow;
use crate::list::{List, Query};
use crate::logs::{LogOptions, LogStream};
use crate::retry::{Attempts, Bounds, Effect, Patience};
use crate::watch::Watch;
use bosun_host::{Entropy, Host};
use bosun_proto::api::cluster_client::ClusterClient;
use bosun_proto::api::objects_client::ObjectsClient;
use bosun_proto::{Key, Object, Resource, api, meta_v1};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

/// How long the answer to one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The metadata that says which requests are repetitions of one.
const REQUEST_ID: &str = "bosun-request-id";
/// How often a list starts anew because its pages grew too old between two requests.
const LIST_RESTARTS_MAX: usize = 3;

/// A client of the servers at some addresses. Cheap to clone; connects when first used.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) objects: ObjectsClient<Channel>,
    pub(crate) cluster: ClusterClient<Channel>,
    pub(crate) addresses: Arc<[String]>,
    pub(crate) bounds: Bounds,
    entropy: SharedEntropy,
    /// Shared by all clones: the last thing that happened was that no server answered.
    pub(crate) cut_off: Arc<AtomicBool>,
    /// Shared by all clones: set to end the connection and go on to the next server.
    epoch: Arc<watch::Sender<u64>>,
}

/// Where request ids come from.
#[derive(Clone)]
struct SharedEntropy(Arc<dyn Entropy>);

impl std::fmt::Debug for SharedEntropy {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("entropy")
    }
}

/// What a write made.
#[derive(Clone, Debug)]
pub struct Written {
    /// The object as stored.
    pub object: Object,
    /// What was accepted but will not have the effect its author may expect.
    pub warnings: Vec<String>,
}

/// What a delete did.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// The object as it is while it ends, or as it last was.
    pub object: Option<Object>,
    /// True when it is gone already.
    pub gone: bool,
    /// What the server wants said.
    pub warnings: Vec<String>,
}

/// The language of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    /// RFC 7386.
    Merge,
    /// RFC 6902.
    Json,
}

impl Client {
    /// A client for the servers at `addresses`, each `HOST:PORT`.
    ///
    /// # Errors
    /// When the list is empty or holds something that is no address.
    pub fn new(host: &Host, addresses: &[String]) -> Result<Self, AddressError> {
        let (epoch, _) = watch::channel(0);
        let channel = endpoint::severable_channel(Arc::clone(&host.network), addresses, &epoch)?;
        Ok(Self {
            objects: ObjectsClient::new(channel.clone())
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX),
            cluster: ClusterClient::new(channel),
            addresses: addresses.into(),
            bounds: Bounds::default(),
            entropy: SharedEntropy(Arc::clone(&host.entropy)),
            cut_off: Arc::default(),
            epoch: Arc::new(epoch),
        })
    }

    /// The same client with another patience.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> Self {
        self.bounds = patience.into();
        self
    }

    /// Whether the servers do not answer just now, while requests or watches are being tried again.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Relaxed)
    }

    pub(crate) fn note_answer(&self, error: Option<&ApiError>) {
        let cut_off = matches!(error, Some(ApiError::Unreachable { .. }));
        self.cut_off.store(cut_off, Ordering::Relaxed);
    }

    /// Where the servers are.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// One object by key.
    pub async fn get(&self, key: &Key) -> Result<Object, ApiError> {
        let request = api::GetRequest {
            kind: api::Kind::from(key.kind).into(),
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            resource_version: String::new(),
        };
        let found = self
            .call(Effect::Safe, || {
                let (mut objects, request) = (self.objects.clone(), request.clone());
                async move { objects.get(request).await }
            })
            .await?;
        object_from(Some(found))
    }

    /// One object of a known type.
    pub async fn get_as<R: Resource>(&self, namespace: &str, name: &str) -> Result<Arc<R>, ApiError> {
        let object = self.get(&Key::new(R::KIND, namespace, name)).await?;
        let other = || unexpected("an object of another kind than asked for");
        R::from_object(&object).cloned().ok_or_else(other)
    }

    /// All objects that a query finds, of one version of the state, page by page.
    pub async fn list(&self, query: &Query) -> Result<List, ApiError> {
        let mut restarts = 0;
        loop {
            match self.list_pages(query).await {
                Err(ApiError::TooOld { .. }) if restarts < LIST_RESTARTS_MAX => restarts += 1,
                other => return other,
            }
        }
    }

    async fn list_pages(&self, query: &Query) -> Result<List, ApiError> {
        let mut items = Vec::new();
        let mut continue_token = String::new();
        loop {
            let request = query.list_request(&continue_token);
            let page = self
                .call(Effect::Safe, || {
                    let (mut objects, request) = (self.objects.clone(), request.clone());
                    async move { objects.list(request).await }
                })
                .await?;
            for item in page.items {
                items.push(object_from(Some(item))?);
            }
            if page.r#continue.is_empty() {
                return Ok(List {
                    items,
                    resource_version: page.resource_version,
                });
            }
            continue_token = page.r#continue;
        }
    }

    /// All objects of a known type that a query finds; the query's kind is set to it.
    pub async fn list_as<R: Resource>(&self, mut query: Query) -> Result<Vec<Arc<R>>, ApiError> {
        query.kind = R::KIND;
        let list = self.list(&query).await?;
        Ok(list
            .items
            .iter()
            .filter_map(|object| R::from_object(object).cloned())
            .collect())
    }

    /// The changes after a version, resumed when the connection breaks.
    pub fn watch(&self, query: Query, resource_version: &str) -> Watch {
        Watch::new(self.clone(), query, resource_version)
    }

    /// The present state and then the changes, without end: a list and a watch, begun anew when the watch grows too old.
    pub fn follow(&self, query: Query) -> Follow {
        Follow::new(self.clone(), query)
    }

    /// Stores a new object.
    pub async fn create(&self, object: &Object, dry_run: bool) -> Result<Written, ApiError> {
        let request = api::CreateRequest {
            object: Some(object.to_wire()),
            dry_run,
        };
        Box::pin(self.write(request, |request| {
            let mut objects = self.objects.clone();
            async move { Box::pin(objects.create(request)).await }
        }))
        .await
    }

    /// Replaces an object apart from its status; with metadata.resourceVersion set, only if it is still at that version.
    pub async fn update(&self, object: &Object, dry_run: bool) -> Result<Written, ApiError> {
        let request = api::UpdateRequest {
            object: Some(object.to_wire()),
            dry_run,
        };
        Box::pin(self.write(request, |request| {
            let mut objects = self.objects.clone();
            async move { Box::pin(objects.update(request)).await }
        }))
        .await
    }

    /// Replaces an object's status.
    pub async fn update_status(&self, object: &Object, dry_run: bool) -> Result<Written, ApiError> {
        let request = api::UpdateRequest {
            object: Some(object.to_wire()),
            dry_run,
        };
        Box::pin(self.write(request, |request| {
            let mut objects = self.objects.clone();
            async move { Box::pin(objects.update_status(request)).await }
        }))
        .await
    }

    /// Changes an object by a patch document.
    pub async fn patch(
        &self,
        key: &Key,
        kind: PatchKind,
        patch: &serde_json::Value,
        dry_run: bool,
    ) -> Result<Written, ApiError> {
        let kind = match kind {
            PatchKind::Merge => api::patch_request::Type::Merge,
            PatchKind::Json => api::patch_request::Type::Json,
        };
        let request = api::PatchRequest {
            kind: api::Kind::from(key.kind).into(),
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            r#type: kind.into(),
            patch: patch.to_string().into_bytes().into(),
            status: false,
            dry_run,
        };
        Box::pin(self.write(request, |request| {
            let mut objects = self.objects.clone();
            async move { Box::pin(objects.patch(request)).await }
        }))
        .await
    }

    /// Deletes an object, or begins to.
    pub async fn delete(&self, key: &Key, options: meta_v1::DeleteOptions) -> Result<Deleted, ApiError> {
        let request = api::DeleteRequest {
            kind: api::Kind::from(key.kind).into(),
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            options: Some(options),
        };
        let deletion = self.call_once(request, |request| {
            let mut objects = self.objects.clone();
            async move { objects.delete(request).await }
        });
        let done = Box::pin(deletion).await?;
        let object = done.object.map(|object| object_from(Some(object))).transpose()?;
        Ok(Deleted {
            object,
            gone: done.gone,
            warnings: done.warnings,
        })
    }

    /// The output of a container.
    pub async fn logs(&self, options: LogOptions) -> Result<LogStream, ApiError> {
        LogStream::open(self, options).await
    }

    async fn write<M, F, A>(&self, message: M, attempt: F) -> Result<Written, ApiError>
    where
        M: Clone,
        F: Fn(Request<M>) -> A,
        A: Future<Output = Result<Response<api::WriteResponse>, Status>>,
    {
        let written = self.call_once(message, attempt).await?;
        Ok(Written {
            object: object_from(written.object)?,
            warnings: written.warnings,
        })
    }

    /// Sends a write until its outcome is known, every time under the same new id, so that it is done once.
    async fn call_once<M, T, F, A>(&self, message: M, attempt: F) -> Result<T, ApiError>
    where
        M: Clone,
        F: Fn(Request<M>) -> A,
        A: Future<Output = Result<Response<T>, Status>>,
    {
        let id = self.entropy.0.uuid().to_string();
        let id = MetadataValue::try_from(id).map_err(|_| unexpected("a request id that cannot be sent"))?;
        self.call(Effect::Safe, || {
            let mut request = Request::new(message.clone());
            request.metadata_mut().insert(REQUEST_ID, id.clone());
            attempt(request)
        })
        .await
    }

    /// Sends a request, again where that is safe, each attempt within [`REQUEST_TIMEOUT`].
    pub(crate) async fn call<T, F, A>(&self, effect: Effect, attempt: F) -> Result<T, ApiError>
    where
        F: Fn() -> A,
        A: Future<Output = Result<Response<T>, Status>>,
    {
        let mut attempts = Attempts::new(self.bounds);
        loop {
            let epoch = *self.epoch.borrow();
            let error = match tokio::time::timeout(REQUEST_TIMEOUT, Box::pin(attempt())).await {
                Ok(Ok(response)) => {
                    self.note_answer(None);
                    return Ok(response.into_inner());
                }
                Ok(Err(status)) => self.error(&status),
                Err(_) => ApiError::Timeout {
                    detail: format!("{} s", REQUEST_TIMEOUT.as_secs()),
                },
            };
            self.note_answer(Some(&error));
            let Some(pause) = attempts.pause_after(&error, effect, Instant::now()) else {
                return Err(error);
            };
            tracing::debug!(%error, ?pause, "request failed, trying again");
            self.leave_server(epoch);
            tokio::time::sleep(pause).await;
        }
    }

    /// Goes on to the next server, unless another request has done so since `epoch`: this one can do nothing just now,
    /// perhaps because it alone is cut off from the others. It has waited for an election before it said so.
    fn leave_server(&self, epoch: u64) {
        if self.addresses.len() > 1 {
            self.epoch.send_if_modified(|now| {
                let first = *now == epoch;
                *now += u64::from(first);
                first
            });
        }
    }

    pub(crate) fn error(&self, status: &Status) -> ApiError {
        if status.code() == Code::OutOfRange {
            return ApiError::TooOld {
                resource_version: String::new(),
            };
        }
        ApiError::from_status(status, &self.addresses)
    }
}

pub(crate) fn object_from(wire: Option<api::Object>) -> Result<Object, ApiError> {
    wire.and_then(Object::from_wire)
        .ok_or_else(|| unexpected("an object of a kind this client does not know"))
}

pub(crate) fn unexpected(message: &str) -> ApiError {
    ApiError::Unexpected {
        code: "none".to_owned(),
        message: message.to_owned(),
    }
}
