//! Figures out of many measurements.

use std::time::Duration;

/// Durations in order.
pub(crate) struct Sorted(Vec<Duration>);

impl Sorted {
    /// Puts them in order. There must be at least one.
    pub(crate) fn new(mut durations: Vec<Duration>) -> Self {
        assert!(!durations.is_empty(), "nothing was measured");
        durations.sort_unstable();
        Self(durations)
    }

    /// The one that so many of a hundred do not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }
}

impl std::fmt::Display for Sorted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (least, median, worst) = (self.percentile(0), self.percentile(50), self.percentile(100));
        write!(
            formatter,
            "median {median:.2?}, worst {worst:.2?}, best {least:.2?}, n = {}",
            self.0.len()
        )
    }
}
