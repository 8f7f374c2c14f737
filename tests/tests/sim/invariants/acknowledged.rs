//! What a client was told is stored is stored, whatever lost its power since.

use crate::evidence::{Evidence, Notes};

pub(super) fn check(_: &Evidence, notes: &Notes) -> Result<(), String> {
    for key in &notes.created {
        if !notes.at_the_end(key.kind).any(|object| object.key() == *key) {
            return Err(format!("{key} is not there"));
        }
    }
    Ok(())
}
