//! The Objects service.

use std::pin::Pin;
use std::time::Duration;

use bosun_core::admission::{DeleteRequest, PatchType};
use bosun_core::refusal::Refusal;
use bosun_proto::api::objects_server::Objects;
use bosun_proto::{Object, api};
use futures::{Stream, stream};
use tonic::{Request, Response, Status};

use super::convert::{freshness_of, key_of, kind_of, object_of, request_id_of, status_of};
use crate::api::freshness::Freshness;
use crate::api::list::{self, Page, Selection, Start};
use crate::api::logs::Logs;
use crate::api::verbs::{Verbs, Written};
use crate::api::watch::{Batch, Event, Watch};

/// How long a watch that allows bookmarks is silent before it sends one.
const BOOKMARK_INTERVAL: Duration = Duration::from_mins(1);

type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Serves objects over gRPC.
pub(crate) struct ObjectsService {
    verbs: Verbs,
    logs: Logs,
}

impl ObjectsService {
    pub(crate) fn new(verbs: Verbs, logs: Logs) -> Self {
        Self { verbs, logs }
    }

    async fn watch_of(&self, request: &api::WatchRequest) -> Result<Watch, Refusal> {
        let kind = kind_of(request.kind)?;
        let selection = Selection::parse(
            kind,
            &request.namespace,
            &request.label_selector,
            &request.field_selector,
        )?;
        let replica = self.verbs.replica();
        let start = match freshness_of(&request.resource_version)? {
            Freshness::NotOlderThan(version) => Some(version),
            whole => {
                // What has been applied by now is what the watch will begin with.
                whole.snapshot(replica).await?;
                None
            }
        };
        Ok(Watch::new(selection, start, replica.subscribe()))
    }

    async fn page_of(&self, request: &api::ListRequest) -> Result<Page, Refusal> {
        let kind = kind_of(request.kind)?;
        let limit = usize::try_from(request.limit)
            .map_err(|_| Refusal::BadRequest("limit: must not be negative".into()))?;
        let selection = Selection::parse(
            kind,
            &request.namespace,
            &request.label_selector,
            &request.field_selector,
        )?;
        let start = Start::parse(kind, &request.r#continue)?;
        let freshness = match &start {
            None => freshness_of(&request.resource_version)?,
            Some(start) if request.resource_version.is_empty() => Freshness::NotOlderThan(start.version),
            Some(_) => {
                let message = "resourceVersion: must not be set together with continue, which goes on from the first page";
                return Err(Refusal::BadRequest(message.into()));
            }
        };
        let snapshot = freshness.snapshot(self.verbs.replica()).await?;
        Ok(list::page(&snapshot, &selection, limit, start.as_ref()))
    }
}

#[tonic::async_trait]
impl Objects for ObjectsService {
    type WatchStream = Streamed<api::WatchEvent>;
    type LogsStream = Streamed<api::LogChunk>;

    async fn get(&self, request: Request<api::GetRequest>) -> Result<Response<api::Object>, Status> {
        let request = request.into_inner();
        let key = key_of(request.kind, &request.namespace, &request.name).map_err(status_of)?;
        let freshness = freshness_of(&request.resource_version).map_err(status_of)?;
        let object = self.verbs.get(&key, freshness).await.map_err(status_of)?;
        Ok(Response::new(object.to_wire()))
    }

    async fn list(&self, request: Request<api::ListRequest>) -> Result<Response<api::ListResponse>, Status> {
        let page = self.page_of(&request.into_inner()).await.map_err(status_of)?;
        Ok(Response::new(api::ListResponse {
            items: page.items.iter().map(Object::to_wire).collect(),
            resource_version: page.version.to_string(),
            r#continue: page.continue_token,
            remaining_item_count: i64::try_from(page.remaining).unwrap_or(i64::MAX),
        }))
    }

    async fn watch(
        &self,
        request: Request<api::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let request = request.into_inner();
        let watch = self.watch_of(&request).await.map_err(status_of)?;
        Ok(Response::new(Box::pin(watch_stream(
            watch,
            request.allow_bookmarks,
        ))))
    }

    async fn create(
        &self,
        request: Request<api::CreateRequest>,
    ) -> Result<Response<api::WriteResponse>, Status> {
        let request_id = request_id_of(request.metadata()).map_err(status_of)?;
        let request = request.into_inner();
        let object = object_of(request.object).map_err(status_of)?;
        written(self.verbs.create(request_id, object, request.dry_run).await)
    }

    async fn update(
        &self,
        request: Request<api::UpdateRequest>,
    ) -> Result<Response<api::WriteResponse>, Status> {
        let request_id = request_id_of(request.metadata()).map_err(status_of)?;
        let request = request.into_inner();
        let object = object_of(request.object).map_err(status_of)?;
        written(self.verbs.update(request_id, object, request.dry_run).await)
    }

    async fn update_status(
        &self,
        request: Request<api::UpdateRequest>,
    ) -> Result<Response<api::WriteResponse>, Status> {
        let request_id = request_id_of(request.metadata()).map_err(status_of)?;
        let request = request.into_inner();
        let object = object_of(request.object).map_err(status_of)?;
        written(
            self.verbs
                .update_status(request_id, object, request.dry_run)
                .await,
        )
    }

    async fn patch(
        &self,
        request: Request<api::PatchRequest>,
    ) -> Result<Response<api::WriteResponse>, Status> {
        let request_id = request_id_of(request.metadata()).map_err(status_of)?;
        let request = request.into_inner();
        let key = key_of(request.kind, &request.namespace, &request.name).map_err(status_of)?;
        let patch_type = match request.r#type() {
            api::patch_request::Type::Merge => PatchType::Merge,
            api::patch_request::Type::Json => PatchType::Json,
            api::patch_request::Type::Unspecified => {
                return Err(status_of(Refusal::BadRequest(
                    "type: required; use one of: MERGE, JSON".into(),
                )));
            }
        };
        written(
            self.verbs
                .patch(
                    request_id,
                    &key,
                    patch_type,
                    &request.patch,
                    request.status,
                    request.dry_run,
                )
                .await,
        )
    }

    async fn delete(
        &self,
        request: Request<api::DeleteRequest>,
    ) -> Result<Response<api::DeleteResponse>, Status> {
        let request_id = request_id_of(request.metadata()).map_err(status_of)?;
        let request = request.into_inner();
        let key = key_of(request.kind, &request.namespace, &request.name).map_err(status_of)?;
        let request = DeleteRequest {
            key,
            options: request.options.unwrap_or_default(),
        };
        let Written {
            object,
            gone,
            warnings,
        } = self.verbs.delete(request_id, &request).await.map_err(status_of)?;
        Ok(Response::new(api::DeleteResponse {
            object: Some(object.to_wire()),
            gone,
            warnings,
        }))
    }

    async fn logs(&self, request: Request<api::LogsRequest>) -> Result<Response<Self::LogsStream>, Status> {
        let chunks = self.logs.open(request.into_inner()).await.map_err(status_of)?;
        Ok(Response::new(Box::pin(chunks)))
    }
}

fn written(result: Result<Written, Refusal>) -> Result<Response<api::WriteResponse>, Status> {
    let Written { object, warnings, .. } = result.map_err(status_of)?;
    Ok(Response::new(api::WriteResponse {
        object: Some(object.to_wire()),
        warnings,
    }))
}

fn watch_stream(watch: Watch, bookmarks: bool) -> impl Stream<Item = Result<api::WatchEvent, Status>> {
    let batches = stream::unfold(Some(watch), move |watch| async move {
        let mut watch = watch?;
        let next = if bookmarks {
            // A timeout costs nothing: the watch has read nothing yet while it waits.
            tokio::time::timeout(BOOKMARK_INTERVAL, watch.next())
                .await
                .unwrap_or(Ok(Some(Batch::Changes(Vec::new()))))
        } else {
            watch.next().await
        };
        match next {
            Ok(None) => None,
            Ok(Some(batch)) => {
                let mut messages = messages_of(&batch, watch.reached());
                if bookmarks && messages.is_empty() {
                    messages.push(Ok(bookmark(watch.reached())));
                }
                Some((messages, Some(watch)))
            }
            Err(refusal) => Some((vec![Err(status_of(refusal))], None)),
        }
    });
    futures::StreamExt::flat_map(batches, stream::iter)
}

fn messages_of(batch: &Batch, reached: u64) -> Vec<Result<api::WatchEvent, Status>> {
    match batch {
        Batch::Changes(events) => events.iter().map(|event| Ok(message_of(event))).collect(),
        Batch::Present(events) => {
            let last = events.len().saturating_sub(1);
            let numbered = events.iter().enumerate();
            let messages = numbered.map(|(number, event)| {
                let resource_version = if number == last {
                    reached.to_string()
                } else {
                    String::new()
                };
                Ok(api::WatchEvent {
                    resource_version,
                    ..message_of(event)
                })
            });
            messages.collect()
        }
    }
}

fn message_of(event: &Event) -> api::WatchEvent {
    use api::watch_event::Type;
    let (kind, object) = match event {
        Event::Added(object) => (Type::Added, object),
        Event::Modified(object) => (Type::Modified, object),
        Event::Deleted(object) => (Type::Deleted, object),
    };
    api::WatchEvent {
        r#type: kind.into(),
        resource_version: object.metadata().resource_version.clone(),
        object: Some(object.to_wire()),
    }
}

fn bookmark(version: u64) -> api::WatchEvent {
    api::WatchEvent {
        r#type: api::watch_event::Type::Bookmark.into(),
        object: None,
        resource_version: version.to_string(),
    }
}
