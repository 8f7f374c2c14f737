//! What a server tells of one object only gets newer, also over a restart of that server and over changes of the leader.

use std::collections::BTreeMap;

use bosun_proto::Key;

use crate::evidence::{Evidence, Notes};

pub(super) fn check(_: &Evidence, notes: &Notes) -> Result<(), String> {
    let mut newest: BTreeMap<(&str, Key), u64> = BTreeMap::new();
    for seen in &notes.seen {
        let before = newest.entry((&seen.server, seen.object.key())).or_default();
        if seen.version <= *before {
            return Err(format!(
                "{} told version {} of {} after version {before}",
                seen.server,
                seen.version,
                seen.object.key()
            ));
        }
        *before = seen.version;
    }
    Ok(())
}
