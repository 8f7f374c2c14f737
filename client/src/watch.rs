//! Owns watches: the changes after a version, in order, across broken connections.

use crate::client::{Client, object_from, unexpected};
use crate::error::ApiError;
use crate::list::Query;
use crate::retry::{Attempts, Effect};
use bosun_proto::{Object, api};
use std::time::Duration;
use tokio::time::Instant;
use tonic::Streaming;

/// A stream that broke sooner than this after it was opened counts as one more failure in a row.
const STOOD_WELL: Duration = Duration::from_secs(1);

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new, or new to the query.
    Added,
    /// It has changed.
    Modified,
    /// It is gone, or no longer fits the query.
    Deleted,
}

/// One change.
#[derive(Clone, Debug)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The object after the change; as it last was, when it is gone.
    pub object: Object,
}

/// A stream of changes. It reconnects by itself and resumes after the last change it delivered.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    query: Query,
    resource_version: String,
    stream: Option<Streaming<api::WatchEvent>>,
    opened: Option<Instant>,
    attempts: Attempts,
}

impl Watch {
    pub(crate) fn new(client: Client, query: Query, resource_version: &str) -> Self {
        let attempts = Attempts::new(client.bounds);
        Self {
            client,
            query,
            resource_version: resource_version.to_owned(),
            stream: None,
            opened: None,
            attempts,
        }
    }

    /// The version up to which everything was delivered.
    pub fn resource_version(&self) -> &str {
        &self.resource_version
    }

    /// Waits for the next change. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`ApiError::TooOld`] when the watch cannot resume; any other error once the client's patience has ended.
    pub async fn next(&mut self) -> Result<Change, ApiError> {
        loop {
            match self.step().await {
                Ok(Some(change)) => return Ok(change),
                Ok(None) => {}
                Err(ApiError::TooOld { .. }) => {
                    self.stream = None;
                    return Err(ApiError::TooOld {
                        resource_version: self.resource_version.clone(),
                    });
                }
                Err(error) => {
                    self.stream = None;
                    self.client.note_answer(Some(&error));
                    // A stream that stood for a while was a success even if nothing came over it.
                    let stood = self.opened.take().map(|opened| opened.elapsed());
                    if stood.is_some_and(|stood| stood > STOOD_WELL) {
                        self.attempts.succeeded();
                    }
                    let pause = self.attempts.pause_after(&error, Effect::Safe, Instant::now());
                    let Some(pause) = pause else { return Err(error) };
                    tracing::debug!(%error, ?pause, "watch broke, resuming");
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// Opens the stream or takes one event from it; `None` when the event was no change.
    async fn step(&mut self) -> Result<Option<Change>, ApiError> {
        let Some(stream) = &mut self.stream else {
            let request = self.query.watch_request(&self.resource_version);
            let mut objects = self.client.objects.clone();
            let opened = objects
                .watch(request)
                .await
                .map_err(|status| self.client.error(&status))?;
            self.stream = Some(opened.into_inner());
            self.client.note_answer(None);
            self.opened = Some(Instant::now());
            return Ok(None);
        };
        let event = stream
            .message()
            .await
            .map_err(|status| self.client.error(&status))?;
        let Some(event) = event else {
            // The server ends a watch now and then; that is no failure, but it must not become a busy loop either.
            return Err(ApiError::Timeout {
                detail: "the server ended the watch".to_owned(),
            });
        };
        self.attempts.succeeded();
        let change = change_from(event.r#type(), event.object)?;
        // Within the present state there is nothing to resume from.
        if !event.resource_version.is_empty() {
            self.resource_version = event.resource_version;
        }
        Ok(change)
    }
}

fn change_from(
    event: api::watch_event::Type,
    object: Option<api::Object>,
) -> Result<Option<Change>, ApiError> {
    let kind = match event {
        api::watch_event::Type::Bookmark => return Ok(None),
        api::watch_event::Type::Added => ChangeKind::Added,
        api::watch_event::Type::Modified => ChangeKind::Modified,
        api::watch_event::Type::Deleted => ChangeKind::Deleted,
        api::watch_event::Type::Unspecified => return Err(unexpected("a watch event of no type")),
    };
    Ok(Some(Change {
        kind,
        object: object_from(object)?,
    }))
}
