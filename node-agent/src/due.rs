//! When each pod must be looked at again because of time alone. One clock alarm serves them all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bosun_host::WallTime;

/// Pods by the time at which they are due.
#[derive(Debug, Default)]
pub(crate) struct Due {
    by_time: BTreeSet<(WallTime, Arc<str>)>,
    by_pod: BTreeMap<Arc<str>, WallTime>,
}

impl Due {
    /// Replaces the pod's time.
    pub(crate) fn set(&mut self, uid: &Arc<str>, time: Option<WallTime>) {
        let before = match time {
            Some(time) => self.by_pod.insert(Arc::clone(uid), time),
            None => self.by_pod.remove(uid),
        };
        if let Some(before) = before {
            self.by_time.remove(&(before, Arc::clone(uid)));
        }
        if let Some(time) = time {
            self.by_time.insert((time, Arc::clone(uid)));
        }
    }

    /// The earliest time.
    pub(crate) fn next(&self) -> Option<WallTime> {
        self.by_time.first().map(|(time, _)| *time)
    }

    /// Takes out all pods that are due at `now`.
    pub(crate) fn take(&mut self, now: WallTime) -> BTreeSet<Arc<str>> {
        let mut due = BTreeSet::new();
        while self.next().is_some_and(|time| time <= now) {
            if let Some((_, uid)) = self.by_time.pop_first() {
                self.by_pod.remove(&uid);
                due.insert(uid);
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::testing::at;

    #[test]
    fn a_pod_has_one_time_and_is_taken_once() {
        let mut due = Due::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        due.set(&a, Some(at(5)));
        due.set(&b, Some(at(7)));
        due.set(&a, Some(at(9)));
        assert_eq!(due.next(), Some(at(7)));
        assert_eq!(due.take(at(6)), BTreeSet::new());
        assert_eq!(due.take(at(9)), BTreeSet::from([a.clone(), b.clone()]));
        due.set(&a, Some(at(1)));
        due.set(&a, None);
        assert_eq!((due.next(), due.by_pod.len()), (None, 0));
    }
}
