//! Sets of completion indexes, as Jobs write them: `1,3-5,7`.

use std::fmt;

/// A set of completion indexes. Written in ascending order with commas; three or more in a row as `first-last`, two in a row
/// as `a,b`. Source: Kubernetes' completedIndexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexes {
    /// First and last of each run, ascending; runs neither overlap nor touch.
    runs: Vec<(i32, i32)>,
}

/// A text that is not a set of indexes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{part}\" is neither an index nor a range of indexes in ascending order: write for example 1,3-5,7"
)]
pub struct MalformedIndexes {
    /// The part of the text that cannot be read.
    pub part: String,
}

impl Indexes {
    /// Reads indexes and ranges in ascending order; the empty text is the empty set.
    pub fn parse(text: &str) -> Result<Self, MalformedIndexes> {
        let mut indexes = Self::default();
        if text.is_empty() {
            return Ok(indexes);
        }
        for part in text.split(',') {
            let malformed = || MalformedIndexes {
                part: part.to_owned(),
            };
            let (first, last) = parse_run(part).ok_or_else(malformed)?;
            match indexes.runs.last_mut() {
                Some((_, before)) if first <= *before => return Err(malformed()),
                Some((_, before)) if first == *before + 1 => *before = last,
                _ => indexes.runs.push((first, last)),
            }
        }
        Ok(indexes)
    }

    /// Reads what can be read and forgets the rest: for stored text, which nobody but this program writes.
    pub fn parse_lenient(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|_malformed| {
            let mut indexes = Self::default();
            for (first, last) in text.split(',').filter_map(parse_run) {
                (first..=last).for_each(|index| indexes.insert(index));
            }
            indexes
        })
    }

    /// Adds an index. Negative ones do not exist and are not added.
    pub fn insert(&mut self, index: i32) {
        if index < 0 {
            return;
        }
        let after = self.runs.partition_point(|(first, _)| *first <= index);
        let joins_before = after
            .checked_sub(1)
            .filter(|&before| self.runs[before].1 >= index - 1);
        let joins_after = self.runs.get(after).is_some_and(|(first, _)| *first - 1 == index);
        match (joins_before, joins_after) {
            (Some(before), true) => {
                self.runs[before].1 = self.runs[after].1;
                self.runs.remove(after);
            }
            (Some(before), false) => self.runs[before].1 = self.runs[before].1.max(index),
            (None, true) => self.runs[after].0 = index,
            (None, false) => self.runs.insert(after, (index, index)),
        }
    }

    /// Whether an index is in the set.
    pub fn contains(&self, index: i32) -> bool {
        let after = self.runs.partition_point(|(first, _)| *first <= index);
        after
            .checked_sub(1)
            .is_some_and(|before| self.runs[before].1 >= index)
    }

    /// How many indexes there are.
    pub fn len(&self) -> usize {
        self.runs
            .iter()
            .map(|(first, last)| usize::try_from(last - first + 1).unwrap_or(0))
            .sum()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The indexes in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = i32> + '_ {
        self.runs.iter().flat_map(|&(first, last)| first..=last)
    }

    /// The highest index.
    pub fn last(&self) -> Option<i32> {
        self.runs.last().map(|(_, last)| *last)
    }
}

impl FromIterator<i32> for Indexes {
    fn from_iter<I: IntoIterator<Item = i32>>(iter: I) -> Self {
        let mut indexes = Self::default();
        iter.into_iter().for_each(|index| indexes.insert(index));
        indexes
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for &(first, last) in &self.runs {
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
            comma = ",";
        }
        Ok(())
    }
}

/// `3` or `3-5`.
fn parse_run(part: &str) -> Option<(i32, i32)> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits
            .then(|| text.parse::<i32>().ok().filter(|number| *number < i32::MAX))
            .flatten()
    };
    match part.split_once('-') {
        None => number(part).map(|index| (index, index)),
        Some((first, last)) => {
            let run = (number(first)?, number(last)?);
            (run.0 < run.1).then_some(run)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_three_is_written_as_a_range_and_a_run_of_two_is_not() {
        let indexes: Indexes = [8, 1, 4, 3, 7, 5].into_iter().collect();
        assert_eq!(indexes.to_string(), "1,3-5,7,8");
        assert_eq!(indexes.len(), 6);
    }

    #[test]
    fn every_order_of_insertion_gives_the_same_set() {
        for start in 0..20 {
            let shuffled: Indexes = (0..20)
                .map(|n| (start + n * 7) % 20)
                .filter(|n| n % 6 != 5)
                .collect();
            assert_eq!(shuffled.to_string(), "0-4,6-10,12-16,18,19");
            assert_eq!(shuffled.iter().collect::<Indexes>(), shuffled);
            assert!((0..20).all(|n| shuffled.contains(n) == (n % 6 != 5)));
        }
    }

    #[test]
    fn adding_twice_changes_nothing() {
        let mut indexes: Indexes = (0..5).collect();
        indexes.insert(2);
        indexes.insert(4);
        indexes.insert(-1);
        assert_eq!(indexes.to_string(), "0-4");
    }

    #[test]
    fn what_is_written_can_be_read_and_nonsense_cannot() {
        for text in ["", "0", "1,3-5,7,8", "2147483646"] {
            assert_eq!(
                Indexes::parse(text).map(|indexes| indexes.to_string()),
                Ok(text.to_owned())
            );
        }
        assert_eq!(
            Indexes::parse("1-2,3").map(|indexes| indexes.to_string()),
            Ok("1-3".to_owned())
        );
        for (text, part) in [
            ("1,,2", ""),
            ("3,2", "2"),
            ("5-3", "5-3"),
            ("3-3", "3-3"),
            ("a", "a"),
            ("-1", "-1"),
            ("1-4,4", "4"),
        ] {
            assert_eq!(
                Indexes::parse(text),
                Err(MalformedIndexes {
                    part: part.to_owned()
                }),
                "{text}"
            );
        }
    }
}
