//! Servers hold the same: whatever two of them told of one version was the same object, and at the end they list the
//! same.

use std::collections::BTreeMap;

use bosun_proto::Object;

use crate::evidence::{Evidence, Notes};

pub(super) fn check(_: &Evidence, notes: &Notes) -> Result<(), String> {
    let mut by_version: BTreeMap<u64, (&str, &Object)> = BTreeMap::new();
    for seen in &notes.seen {
        let (server, object) = *by_version
            .entry(seen.version)
            .or_insert((&seen.server, &seen.object));
        if *object != seen.object {
            return Err(format!(
                "version {} is {} on {server}, and {} on {}",
                seen.version,
                object.to_json(),
                seen.object.to_json(),
                seen.server
            ));
        }
    }
    for listed in &notes.listed {
        let first = notes.listed.iter().find(|first| first.kind == listed.kind);
        let first = first.expect("a list is in the lists");
        if first.version == listed.version && first.objects != listed.objects {
            return Err(format!(
                "{} and {} list different {:?} at version {}",
                first.server, listed.server, listed.kind, listed.version
            ));
        }
    }
    Ok(())
}
