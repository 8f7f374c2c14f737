//! The recent changes, in order, so that watches can resume and the driver can see what happened.

use bosun_proto::{Key, Object};
use imbl::Vector;

/// At most so many changes are kept.
pub(super) const HISTORY_CHANGES_MAX: usize = 50_000;
/// Changes are dropped, oldest first, when they keep more memory from being free than this, in bytes. About 4,000 changes of
/// pods and Jobs: 75 seconds at up to 50 changes a second, half a second at the heaviest load. Who falls behind lists again.
pub(super) const HISTORY_BYTES_MAX: usize = 24 << 20;
/// How much more memory an object takes than its encoding: measured 7.0 for a finished pod of a Job, 6.6 for the Job, 4.6 for
/// an Event, 7.6 for a Node.
const MEMORY_PER_ENCODED: usize = 7;

/// One changed object.
#[derive(Clone, Debug)]
pub struct Change {
    /// The version this change made.
    pub version: u64,
    /// Which object.
    pub key: Key,
    /// As it was; `None` when it was created.
    pub old: Option<Object>,
    /// As it is; `None` when it was removed.
    pub new: Option<Object>,
}

impl Change {
    /// The object after the change, or as it last was.
    pub fn object(&self) -> &Object {
        self.new
            .as_ref()
            .or(self.old.as_ref())
            .expect("a change has an old or a new object")
    }

    /// Roughly the memory that only this change keeps in use: the version that was replaced. The new one is in the state, or
    /// is what a later change replaced.
    fn cost(&self) -> usize {
        let replaced = self.old.as_ref().map_or(0, Object::encoded_len);
        size_of::<Self>() + MEMORY_PER_ENCODED * replaced
    }
}

/// The changes after the asked version are no longer kept: list again and watch from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "version {asked} is too old to resume from, the oldest possible is {oldest}: list again and watch from there"
)]
pub struct TooOld {
    /// The version that was asked for.
    pub asked: u64,
    /// The oldest version a watch may resume from.
    pub oldest: u64,
}

/// A window of changes that ends with the newest one.
#[derive(Clone, Debug)]
pub struct History {
    /// Changes are complete after this version.
    floor: u64,
    changes: Vector<Change>,
    bytes: usize,
}

impl History {
    /// A history that knows nothing of what was before `version`.
    pub(super) fn starting_at(version: u64) -> Self {
        Self {
            floor: version,
            changes: Vector::new(),
            bytes: 0,
        }
    }

    pub(super) fn push(&mut self, change: Change) {
        debug_assert_eq!(
            change.version,
            self.floor + self.changes.len() as u64 + 1,
            "versions have no gaps"
        );
        self.bytes += change.cost();
        self.changes.push_back(change);
        while self.changes.len() > HISTORY_CHANGES_MAX || self.bytes > HISTORY_BYTES_MAX {
            let Some(oldest) = self.changes.pop_front() else {
                break;
            };
            self.bytes -= oldest.cost();
            self.floor = oldest.version;
        }
    }

    /// The changes after `version`, oldest first.
    pub fn since(&self, version: u64) -> Result<impl Iterator<Item = &Change>, TooOld> {
        if version < self.floor {
            return Err(TooOld {
                asked: version,
                oldest: self.floor,
            });
        }
        let skip = usize::try_from(version - self.floor)
            .unwrap_or(usize::MAX)
            .min(self.changes.len());
        Ok(self.changes.focus().narrow(skip..).into_iter())
    }
}

#[cfg(test)]
mod tests {
    use bosun_proto::Resource;
    use bosun_proto::core_v1::Namespace;

    use super::*;

    fn change(version: u64) -> Change {
        let namespace = Object::from(Namespace::default());
        Change {
            version,
            key: namespace.key(),
            old: None,
            new: Some(namespace),
        }
    }

    #[test]
    fn a_watch_resumes_after_any_kept_version_and_is_refused_before_the_window() {
        let mut history = History::starting_at(7);
        (8..=12).for_each(|version| history.push(change(version)));
        let after = |version| {
            history
                .since(version)
                .map(|c| c.map(|c| c.version).collect::<Vec<_>>())
        };
        assert_eq!(after(7), Ok(vec![8, 9, 10, 11, 12]));
        assert_eq!(after(10), Ok(vec![11, 12]));
        assert_eq!(after(12), Ok(vec![]));
        assert_eq!(after(99), Ok(vec![]));
        assert_eq!(after(6), Err(TooOld { asked: 6, oldest: 7 }));
    }

    #[test]
    fn the_window_is_bounded_in_memory_by_what_was_replaced() {
        let mut large = Namespace::default();
        large
            .metadata_mut()
            .annotations
            .insert("note".to_owned(), "x".repeat(1 << 20));
        let large = Object::from(large);
        let replaced = |version| Change {
            version,
            key: large.key(),
            old: Some(large.clone()),
            new: Some(large.clone()),
        };
        let mut history = History::starting_at(0);
        for version in 1..=5 {
            history.push(replaced(version));
        }
        assert_eq!(history.since(2).map(Iterator::count), Ok(3));
        assert!(history.since(1).is_err());
        // What is only in the state anyway costs nothing here.
        for version in 6..=20 {
            history.push(Change {
                old: None,
                ..replaced(version)
            });
        }
        assert_eq!(history.since(2).map(Iterator::count), Ok(18));
    }

    #[test]
    fn the_window_is_bounded() {
        let mut history = History::starting_at(0);
        let last = HISTORY_CHANGES_MAX as u64 + 3;
        (1..=last).for_each(|version| history.push(change(version)));
        assert_eq!(history.since(3).map(Iterator::count), Ok(HISTORY_CHANGES_MAX));
        assert_eq!(
            history.since(2).map(Iterator::count),
            Err(TooOld { asked: 2, oldest: 3 })
        );
    }
}
