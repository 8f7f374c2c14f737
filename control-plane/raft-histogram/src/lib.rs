//! Stands in for the package `base2histogram` that openraft depends on; the root's Cargo.toml puts it there.
//!
//! openraft counts batch sizes and durations in histograms that can be read only with its feature `runtime-stats`, which
//! Bosun does not use. The published package (0.2.3) builds, at the first histogram, lookup tables for all the precisions
//! it knows: 27 MB that stay resident, more than the rest of an idle server. Here a histogram has one counter for each
//! power of two and no tables.
//!
//! It offers what openraft calls without `runtime-stats`, and nothing more; turning that feature on does not compile.
//! It can go as soon as the published package builds only the tables it is asked for.

use std::fmt;
use std::marker::PhantomData;

/// How often values of each magnitude were recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    /// At index `n` the values of `n` binary digits: 0 alone, then 1, 2 and 3, 4 to 7, and so on. As long as the largest
    /// value so far needs.
    counts: Vec<u64>,
    /// What a time slot would carry. openraft uses no slots and names `()`.
    slot: PhantomData<T>,
}

impl<T> Histogram<T> {
    /// A histogram without values. Takes no memory of its own before the first.
    #[expect(
        clippy::new_without_default,
        reason = "openraft calls `new`; nobody would call `default`"
    )]
    pub fn new() -> Self {
        Self {
            counts: Vec::new(),
            slot: PhantomData,
        }
    }

    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Counts a value `times` times.
    pub fn record_n(&mut self, value: u64, times: u64) {
        let digits = (u64::BITS - value.leading_zeros()) as usize;
        if self.counts.len() <= digits {
            self.counts.resize(digits + 1, 0);
        }
        self.counts[digits] = self.counts[digits].saturating_add(times);
    }

    /// How many values there are, and where they lie.
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats {
            samples: self.samples(),
            p0_1: self.at_permille(1),
            p1: self.at_permille(10),
            p5: self.at_permille(50),
            p10: self.at_permille(100),
            p50: self.at_permille(500),
            p90: self.at_permille(900),
            p99: self.at_permille(990),
            p99_9: self.at_permille(999),
        }
    }

    fn samples(&self) -> u64 {
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The largest value of the magnitude in which the given thousandth of all values is passed: less than twice the
    /// exact answer. 0 if there are no values.
    fn at_permille(&self, permille: u64) -> u64 {
        let wanted = u128::from(self.samples()) * u128::from(permille);
        let mut seen = 0;
        for (digits, count) in (0..).zip(&self.counts) {
            seen += u128::from(*count) * 1000;
            if seen >= wanted {
                return u64::MAX.checked_shr(u64::BITS - digits).unwrap_or(0);
            }
        }
        0
    }
}

/// Where the values of a histogram lie. Each field but the first is the value that so many per cent do not exceed.
#[expect(missing_docs, reason = "the names say it; openraft chose them")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PercentileStats {
    /// How many values there are.
    pub samples: u64,
    pub p0_1: u64,
    pub p1: u64,
    pub p5: u64,
    pub p10: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            samples, p50, p99, ..
        } = self;
        write!(out, "{samples} values, half up to {p50}, 99 % up to {p99}")
    }
}

/// What openraft would draw of its histograms. It can only be drawn with `runtime-stats`, so here it keeps nothing.
#[derive(Clone, Debug)]
pub struct AsciiChart<T = ()>(PhantomData<T>);

impl<T> AsciiChart<T> {
    /// A chart of nothing.
    #[expect(
        clippy::new_without_default,
        reason = "openraft calls `new`; nobody would call `default`"
    )]
    pub fn new() -> Self {
        Self(PhantomData)
    }

    /// The same chart; the histogram is dropped.
    #[must_use]
    pub fn add(self, _name: &str, _histogram: Histogram<T>) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        for value in values {
            histogram.record(*value);
        }
        histogram
    }

    #[test]
    fn percentiles_are_less_than_twice_the_truth() {
        let stats = histogram(&(1..=1000).collect::<Vec<_>>()).percentile_stats();
        assert_eq!(stats.samples, 1000);
        assert_eq!((stats.p0_1, stats.p1, stats.p5, stats.p10), (1, 15, 63, 127));
        assert_eq!(
            (stats.p50, stats.p90, stats.p99, stats.p99_9),
            (511, 1023, 1023, 1023)
        );
    }

    #[test]
    fn the_ends_of_the_scale_are_exact() {
        let ends = histogram(&[0, u64::MAX]).percentile_stats();
        assert_eq!((ends.p50, ends.p90), (0, u64::MAX));
        assert_eq!(histogram(&[]).percentile_stats().p99_9, 0);
        assert_eq!(histogram(&[1]).percentile_stats().p0_1, 1);
    }

    #[test]
    fn counting_at_once_is_counting_one_by_one() {
        let mut at_once = Histogram::new();
        at_once.record_n(5, 3);
        assert_eq!(at_once, histogram(&[5, 5, 5]));
        at_once.record_n(5, u64::MAX);
        at_once.record(6);
        assert_eq!(at_once.percentile_stats().samples, u64::MAX);
    }

    #[test]
    fn a_histogram_stays_small() {
        assert!(histogram(&[0, u64::MAX]).counts.len() <= 65);
    }
}
