//! Watches of all registers, one at each server and one that goes wherever it is answered.

use anyhow::{Context, Result};
use bosun_client::{ApiError, ChangeKind, Client, Query};
use bosun_proto::Kind;
use bosun_tests::linearizability::Value;
use tokio_util::sync::CancellationToken;

use super::registers::{NAMESPACE, value_of, version_of};

/// What one watcher was told.
#[derive(Default)]
pub(crate) struct Watched {
    /// From one version on without a gap. A new one begins where the server said that it could not go on.
    pub(crate) stretches: Vec<Stretch>,
}

/// Changes that were told one after the other.
pub(crate) struct Stretch {
    /// The first change is the first after this version.
    pub(crate) after: u64,
    pub(crate) changes: Vec<Told>,
}

/// One change as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) version: u64,
    pub(crate) register: String,
    /// `None` when it was deleted.
    pub(crate) value: Option<Value>,
}

/// A version that every server will reach, from which nothing is missed.
pub(crate) async fn start_version(client: &Client) -> Result<String> {
    let list = client.list(&query()).await.context("list the registers")?;
    Ok(list.resource_version)
}

/// Watches until it is told to stop, however often the connection breaks.
pub(crate) async fn watch(client: Client, from: String, stop: CancellationToken) -> Watched {
    let mut watched = Watched::default();
    let mut from = Some(from);
    while !stop.is_cancelled() {
        let start = match from.take() {
            Some(version) => version,
            None => match client.list(&query()).await {
                Ok(list) => list.resource_version,
                Err(_) => continue,
            },
        };
        let mut watch = client.watch(query(), &start);
        watched.stretches.push(Stretch {
            after: start.parse().expect("a version is a number"),
            changes: Vec::new(),
        });
        let stretch = watched.stretches.last_mut().expect("it was just added");
        loop {
            match stop.run_until_cancelled(watch.next()).await {
                None => return watched,
                Some(Ok(change)) => stretch.changes.push(Told {
                    version: version_of(&change.object),
                    register: change.object.metadata().name.clone(),
                    value: match change.kind {
                        ChangeKind::Added | ChangeKind::Modified => value_of(&change.object),
                        ChangeKind::Deleted => None,
                    },
                }),
                Some(Err(ApiError::TooOld { .. })) => break,
                // Its patience has an end, ours has not: it goes on at the same version.
                Some(Err(_)) => {}
            }
        }
    }
    watched
}

fn query() -> Query {
    Query::new(Kind::Pod, NAMESPACE)
}
