//! One field of the five: from its text to the set of its values.

use super::error::{FieldName, ScheduleError};

/// The values a field names, and whether it counts as a star.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    name: FieldName,
    /// Bit n is set when the value n is named.
    values: u64,
    /// True for `*` and `?`, also with the step 1 and also as one item of a list. A greater step takes the star away,
    /// which is why `*/2` in the day of month turns the AND of the two day fields into an OR.
    pub(super) star: bool,
}

impl Field {
    pub(super) fn parse(name: FieldName, text: &str) -> Result<Self, ScheduleError> {
        let mut field = Self {
            name,
            values: 0,
            star: false,
        };
        // Empty items are skipped, as robfig does: `1,,2` is `1,2`.
        for item in text.split(',').filter(|item| !item.is_empty()) {
            let (values, star) =
                item_values(name, item).map_err(|why| ScheduleError::Field { field: name, why })?;
            field.values |= values;
            field.star |= star;
        }
        if field.values == 0 {
            let why = format!("`{text}` names no value");
            return Err(ScheduleError::Field { field: name, why });
        }
        Ok(field)
    }

    pub(super) fn contains(self, value: u32) -> bool {
        value < u64::BITS && self.values & (1 << value) != 0
    }

    /// The values in ascending order.
    pub(super) fn values(self) -> impl Iterator<Item = u32> {
        let (low, high) = self.name.bounds();
        (low..=high).filter(move |value| self.contains(*value))
    }
}

/// The set of one list item, and whether it is a star.
fn item_values(name: FieldName, item: &str) -> Result<(u64, bool), String> {
    let (range, step) = match item.split_once('/') {
        None => (item, None),
        Some((_, step)) if step.contains('/') => return Err(format!("`{item}` has more than one `/`")),
        Some((range, step)) => (range, Some(step_value(item, step)?)),
    };
    let (low, high) = name.bounds();
    let (first, last, star) = match range.split_once('-') {
        None if range == "*" || range == "?" => (low, high, true),
        // `5/20` means from 5 to the end by 20.
        None => {
            let first = value(name, range)?;
            (first, if step.is_some() { high } else { first }, false)
        }
        Some((_, last)) if last.contains('-') => return Err(format!("`{item}` has more than one `-`")),
        Some((first, last)) => (value(name, first)?, value(name, last)?, false),
    };
    if first > last {
        return Err(format!(
            "the range `{range}` runs backwards and ranges do not wrap; write `{first}-{high},{low}-{last}`"
        ));
    }
    let step = step.unwrap_or(1);
    let values = (first..=last)
        .step_by(step)
        .fold(0, |set, value| set | (1 << value));
    Ok((values, star && step == 1))
}

fn step_value(item: &str, step: &str) -> Result<usize, String> {
    match step.parse() {
        Ok(0) => Err(format!("the step in `{item}` must be at least 1")),
        Ok(step) => Ok(step),
        Err(_) => Err(format!("the step in `{item}` must be a whole number")),
    }
}

/// One number or name.
fn value(name: FieldName, text: &str) -> Result<u32, String> {
    if let Some(value) = name.named(text) {
        return Ok(value);
    }
    let (low, high) = name.bounds();
    match text.parse::<u32>() {
        Ok(7) if name == FieldName::DayOfWeek => Err("7 is not a weekday here; Sunday is 0".to_owned()),
        Ok(value) if value < low => Err(format!("{value} is below {low}")),
        Ok(value) if value > high => Err(format!("{value} is above {high}")),
        Ok(value) => Ok(value),
        Err(_) if text.is_empty() => Err("a number is missing".to_owned()),
        Err(_) if is_quartz(text) => Err(format!(
            "`{text}` belongs to another cron dialect; Kubernetes has no L, W or #"
        )),
        Err(_) if text.contains(['*', '?']) => Err(format!("in `{text}` the star must stand alone")),
        Err(_) => Err(format!("`{text}` is not a value of this field")),
    }
}

/// `L`, `15W`, `LW`, `5L`, `mon#2`: the extensions of the Quartz scheduler, which people paste here.
fn is_quartz(text: &str) -> bool {
    let rest = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    text.contains('#')
        || ["L", "W", "LW"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: FieldName, text: &str, values: &[u32], star: bool) {
        let field = Field::parse(name, text).expect(text);
        assert_eq!(
            (field.values().collect::<Vec<_>>().as_slice(), field.star),
            (values, star),
            "{name} `{text}`"
        );
    }

    #[test]
    fn sets_and_stars() {
        use FieldName::{DayOfMonth, DayOfWeek, Hour, Minute, Month};
        let week = [0, 1, 2, 3, 4, 5, 6];
        check(DayOfWeek, "*", &week, true);
        check(DayOfWeek, "?", &week, true);
        check(DayOfWeek, "*/1", &week, true);
        check(DayOfWeek, "0-6", &week, false);
        check(DayOfWeek, "2,*", &week, true);
        check(DayOfWeek, "*/2", &[0, 2, 4, 6], false);
        check(DayOfWeek, "*/2,*", &week, true);
        check(DayOfWeek, "MON-Fri", &[1, 2, 3, 4, 5], false);
        check(DayOfWeek, "sat,sun", &[0, 6], false);
        check(Minute, "5/20", &[5, 25, 45], false);
        check(Minute, "10-20/5", &[10, 15, 20], false);
        check(Minute, "59/1", &[59], false);
        check(Minute, "*/100", &[0], false);
        check(Minute, ",1,,007,", &[1, 7], false);
        check(Hour, "22/1", &[22, 23], false);
        check(DayOfMonth, "*/10", &[1, 11, 21, 31], false);
        check(Month, "oct/1,jan", &[1, 10, 11, 12], false);
        check(Month, "DEC", &[12], false);
    }

    #[test]
    fn refusals_say_why() {
        use FieldName::{DayOfMonth, DayOfWeek, Hour, Minute, Month};
        for (name, text, expected) in [
            (
                DayOfWeek,
                "7",
                "day of week: 7 is not a weekday here; Sunday is 0; allowed are 0-6 (0 is Sunday)",
            ),
            (DayOfWeek, "0-7", "7 is not a weekday here"),
            (
                DayOfWeek,
                "sat-sun",
                "the range `sat-sun` runs backwards and ranges do not wrap; write `6-6,0-0`",
            ),
            (DayOfWeek, "5-1", "write `5-6,0-1`"),
            (DayOfWeek, "mon#2", "Kubernetes has no L, W or #"),
            (DayOfWeek, "5L", "Kubernetes has no L, W or #"),
            (DayOfWeek, "monday", "`monday` is not a value of this field"),
            (DayOfWeek, "jan", "`jan` is not a value of this field"),
            (
                DayOfMonth,
                "L",
                "day of month: `L` belongs to another cron dialect",
            ),
            (DayOfMonth, "15W", "`15W` belongs to another cron dialect"),
            (DayOfMonth, "0", "0 is below 1; allowed are 1-31"),
            (DayOfMonth, "32", "32 is above 31"),
            (Month, "13", "13 is above 12"),
            (Hour, "24", "24 is above 23"),
            (Minute, "60", "minute: 60 is above 59; allowed are 0-59"),
            (Minute, "-5", "a number is missing"),
            (Minute, "5-", "a number is missing"),
            (Minute, "/5", "a number is missing"),
            (Minute, "*/0", "the step in `*/0` must be at least 1"),
            (Minute, "*/x", "the step in `*/x` must be a whole number"),
            (Minute, "*/", "the step in `*/` must be a whole number"),
            (Minute, "*/-1", "the step in `*/-1` must be a whole number"),
            (Minute, "1/2/3", "`1/2/3` has more than one `/`"),
            (Minute, "1-2-3", "`1-2-3` has more than one `-`"),
            (Minute, "*-5", "in `*` the star must stand alone"),
            (Minute, "**", "in `**` the star must stand alone"),
            (Minute, ",", "`,` names no value"),
            (Minute, "1.5", "`1.5` is not a value of this field"),
            (Minute, "99999999999999999999", "is not a value of this field"),
            (Minute, "٣", "is not a value of this field"),
        ] {
            let message = Field::parse(name, text).expect_err(text).to_string();
            assert!(message.contains(expected), "{name} `{text}`: {message}");
        }
    }
}
