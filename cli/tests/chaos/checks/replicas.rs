//! All servers hold the same objects at the same version.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use bosun_client::{Client, Query};
use bosun_proto::{Key, Kind, Object};

use super::{Findings, PATIENCE};
use crate::cluster::Cluster;

/// How often all are asked until nothing has changed between the first answer and the last.
const ATTEMPTS_MAX: usize = 20;

pub(super) async fn check(cluster: &Cluster) -> Result<Findings> {
    let clients = cluster.clients_of_one(PATIENCE);
    for _ in 0..ATTEMPTS_MAX {
        let mut states = Vec::new();
        for (name, client) in &clients {
            let state = state_of(client).await.with_context(|| format!("ask {name}"))?;
            states.push((name, state));
        }
        let (_, (version, first)) = &states[0];
        if states.iter().any(|(_, (other, _))| other != version) {
            continue;
        }
        let mut wrong = Vec::new();
        for (name, (_, objects)) in &states {
            wrong.extend(differences(first, objects).map(|key| {
                format!(
                    "{key:?} on {}: {:?}\non {name}: {:?}",
                    states[0].0,
                    first.get(key),
                    objects.get(key)
                )
            }));
        }
        return Ok(Findings {
            looked_at: format!(
                "{} objects at version {version} on {} servers",
                first.len(),
                states.len()
            ),
            wrong,
        });
    }
    Ok(Findings {
        looked_at: "servers that do not come to rest".to_owned(),
        wrong: vec!["the servers never had the same version".to_owned()],
    })
}

fn differences<'a>(
    one: &'a BTreeMap<Key, Object>,
    other: &'a BTreeMap<Key, Object>,
) -> impl Iterator<Item = &'a Key> {
    let keys = one
        .keys()
        .chain(other.keys().filter(|key| !one.contains_key(*key)));
    keys.filter(|key| one.get(*key) != other.get(*key))
}

/// All objects one server has, if its version stood still while it was asked.
async fn state_of(client: &Client) -> Result<(u64, BTreeMap<Key, Object>)> {
    let version = client.server_state().await?.resource_version;
    let mut objects = BTreeMap::new();
    for kind in Kind::ALL {
        let list = client.list(&Query::new(*kind, "")).await?;
        objects.extend(list.items.into_iter().map(|object| (object.key(), object)));
    }
    let after = client.server_state().await?.resource_version;
    // Never equal to what another server says, so that all are asked again.
    Ok((if after == version { version } else { 0 }, objects))
}
