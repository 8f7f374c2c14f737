//! Kubernetes' CronJob schedule dialect: what a `spec.schedule` and a `spec.timeZone` mean.
//!
//! Owns the grammar, the next firing after an instant, the most recent firing in a span, and what clock changes do to
//! them. Leaves to others what a CronJob does with a firing: deadlines, concurrency and history belong to the cron_job
//! controller. Nothing here reads a clock.
//!
//! The grammar is that of the robfig/cron v3 standard parser, which Kubernetes uses. The `cron` crate does the calendar
//! arithmetic, but it speaks another dialect (seconds, weekdays from 1, AND of the two day fields), so no user text
//! ever reaches it: the five fields are parsed here into sets, and the crate gets explicit lists.

mod calendar;
mod descriptor;
mod duration;
mod error;
mod field;
mod missed;
mod zone;

#[cfg(test)]
mod firings_tests;
#[cfg(test)]
mod oracle_tests;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use calendar::Calendar;
pub use error::{FieldName, ScheduleError};
pub use missed::{Missed, missed};
pub use zone::{Zone, ZoneError};

/// A parsed `spec.schedule`.
#[derive(Clone, Debug)]
pub struct Schedule {
    rule: Rule,
}

#[derive(Clone, Debug)]
enum Rule {
    /// `@every`: a fixed distance in whole seconds, counted from the previous firing and not from the clock.
    Every(TimeDelta),
    /// Five fields, written out or as a macro.
    Calendar(Box<Calendar>),
}

impl Schedule {
    /// Reads a schedule as Kubernetes would: five fields, or one of the `@` descriptors.
    ///
    /// # Errors
    /// Names the field that is wrong and says what it may hold.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        if text.contains("TZ") {
            return Err(ScheduleError::ZoneInText);
        }
        let rule = match text.strip_prefix('@') {
            Some(_) => descriptor::parse(text)?,
            None => Rule::Calendar(Box::new(Calendar::parse(text)?)),
        };
        Ok(Self { rule })
    }

    /// The first firing strictly later than `after`, whose fraction of a second is cut off first.
    ///
    /// `None` when nothing fires until the end of the fifth calendar year after `after`'s, where Kubernetes gives up
    /// too, or after the year 2100, where the `cron` crate's calendar ends.
    pub fn next_after(&self, after: DateTime<Utc>, zone: &Zone) -> Option<DateTime<Utc>> {
        let after = after.trunc_subsecs(0);
        match &self.rule {
            Rule::Every(period) => after.checked_add_signed(*period),
            Rule::Calendar(calendar) => calendar.next_after(after, *zone),
        }
    }

    /// True when no year has a day that the schedule names, such as 30 February.
    pub fn never_fires(&self) -> bool {
        match &self.rule {
            Rule::Every(_) => false,
            Rule::Calendar(calendar) => calendar.never_fires(),
        }
    }
}
