//! Five fields against the calendar of one zone, clock changes included.

use std::fmt::Write as _;
use std::str::FromStr as _;

use chrono::{DateTime, Datelike as _, FixedOffset, TimeDelta, TimeZone as _, Utc};

use super::error::{FieldName, ScheduleError};
use super::field::Field;
use super::zone::Zone;

/// Kubernetes gives up after this many calendar years without a firing.
const YEARS_SEARCHED_MAX: i32 = 5;
const SECOND: TimeDelta = TimeDelta::seconds(1);

/// Five parsed fields.
#[derive(Clone, Debug)]
pub(super) struct Calendar {
    /// The firings are those of any of these. One when a day field is a star (the crate's AND is right then), else two:
    /// one for each day field, since two restricted day fields mean OR.
    any_of: Vec<cron::Schedule>,
    never_fires: bool,
}

impl Calendar {
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let texts: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day_of_month, month, day_of_week] = texts.as_slice() else {
            return Err(wrong_count(texts.len()));
        };
        let parse = |name, text: &str| Field::parse(name, text);
        let minute = parse(FieldName::Minute, minute)?;
        let hour = parse(FieldName::Hour, hour)?;
        let day_of_month = parse(FieldName::DayOfMonth, day_of_month)?;
        let month = parse(FieldName::Month, month)?;
        let day_of_week = parse(FieldName::DayOfWeek, day_of_week)?;

        let either_day = !day_of_month.star && !day_of_week.star;
        let days = if either_day {
            vec![(Some(day_of_month), None), (None, Some(day_of_week))]
        } else {
            vec![(Some(day_of_month), Some(day_of_week))]
        };
        let any_of = days
            .into_iter()
            .map(|(day_of_month, day_of_week)| for_crate(minute, hour, day_of_month, month, day_of_week))
            .collect();
        let never_fires = !either_day && !some_month_has_a_day(day_of_month, month);
        Ok(Self { any_of, never_fires })
    }

    /// True when no month of the schedule has a day of the schedule.
    pub(super) fn never_fires(&self) -> bool {
        self.never_fires
    }

    /// The first firing later than `after`, which is a whole second.
    ///
    /// The crate skips the hour that a clock change repeats. So it is asked with the offset in force as if that stayed
    /// for ever, and asked again from the change on when the offset changes before the time it found. By that a local
    /// time in a repeated hour fires twice, and one that the change jumps over does not fire.
    pub(super) fn next_after(&self, after: DateTime<Utc>, zone: Zone) -> Option<DateTime<Utc>> {
        if self.never_fires {
            return None;
        }
        let mut start = after.checked_add_signed(SECOND)?;
        let mut offset = zone.offset_at(start);
        let give_up = end_of_search(start, offset)?;
        loop {
            let found = self.next_at_fixed_offset(start, offset);
            let reach = found.map_or(give_up, |found| found.min(give_up));
            match zone.first_change(start, reach) {
                Some(change) => {
                    start = change;
                    offset = zone.offset_at(change);
                }
                None => return found.filter(|found| *found < give_up),
            }
        }
    }

    /// The first firing at or after `start`, if clocks never changed.
    fn next_at_fixed_offset(&self, start: DateTime<Utc>, offset: FixedOffset) -> Option<DateTime<Utc>> {
        let just_before = (start - SECOND).with_timezone(&offset);
        let firings = self
            .any_of
            .iter()
            .filter_map(|schedule| schedule.after(&just_before).next());
        firings.min().map(|found| found.with_timezone(&Utc))
    }
}

/// Midnight after the last local year that is searched.
fn end_of_search(start: DateTime<Utc>, offset: FixedOffset) -> Option<DateTime<Utc>> {
    let year = start.with_timezone(&offset).year() + YEARS_SEARCHED_MAX + 1;
    offset
        .with_ymd_and_hms(year, 1, 1, 0, 0, 0)
        .single()
        .map(|end| end.with_timezone(&Utc))
}

/// The schedule in the crate's own dialect: a field for seconds in front, and weekdays from 1.
fn for_crate(
    minute: Field,
    hour: Field,
    day_of_month: Option<Field>,
    month: Field,
    day_of_week: Option<Field>,
) -> cron::Schedule {
    let mut text = "0".to_owned();
    for (field, shift) in [
        (Some(minute), 0),
        (Some(hour), 0),
        (day_of_month, 0),
        (Some(month), 0),
        (day_of_week, 1),
    ] {
        text.push(' ');
        match field {
            None => text.push('*'),
            Some(field) if field.star => text.push('*'),
            Some(field) => {
                for (place, value) in field.values().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(text, "{comma}{}", value + shift).expect("a String takes all text");
                }
            }
        }
    }
    cron::Schedule::from_str(&text).expect("lists of values within their bounds are in the crate's grammar")
}

fn some_month_has_a_day(day_of_month: Field, month: Field) -> bool {
    let first_day = day_of_month.values().next().unwrap_or(u32::MAX);
    month.values().any(|month| first_day <= longest(month))
}

/// Days of a month in the year in which it has the most.
fn longest(month: u32) -> u32 {
    match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn wrong_count(found: usize) -> ScheduleError {
    let hint = match found {
        0 => " (it is empty)",
        6 | 7 => " (there is no field for seconds or for a year)",
        _ => "",
    };
    ScheduleError::FieldCount { found, hint }
}

#[cfg(test)]
mod tests {
    use crate::cron::Schedule;

    #[test]
    fn the_number_of_fields_is_checked() {
        for (text, expected) in [
            ("", "has 0 (it is empty)"),
            ("   ", "has 0 (it is empty)"),
            ("*", "but this one has 1;"),
            ("* * * *", "but this one has 4;"),
            ("0 */5 * * * *", "has 6 (there is no field for seconds"),
            ("0 0 1 1 * 2030 ", "has 6"),
            (" @daily", "but this one has 1;"),
            ("TZ=Asia/Tokyo 0 4 * * *", "put the zone into spec.timeZone"),
            ("CRON_TZ=Asia/Tokyo 0 4 * * *", "put the zone into spec.timeZone"),
        ] {
            let message = Schedule::parse(text).expect_err(text).to_string();
            assert!(message.contains(expected), "`{text}`: {message}");
        }
        Schedule::parse("\t*/5  * * *\u{a0}* ").expect("any white space parts fields");
    }

    #[test]
    fn days_that_do_not_exist() {
        for (text, never) in [
            ("0 0 30 2 *", true),
            ("0 0 31 2,4,6,9,11 *", true),
            ("0 0 31 4 ?", true),
            ("0 0 31 4 */1", true),
            ("0 0 29 2 *", false),
            ("0 0 31 2-3 *", false),
            ("0 0 30 2 1", false),
            ("0 0 30 2 */2", false),
            ("0 0 * 2 *", false),
            ("@every 1h", false),
        ] {
            assert_eq!(Schedule::parse(text).expect(text).never_fires(), never, "{text}");
        }
    }
}
