//! Why a schedule was refused, in words that name the field and the way out.

use std::fmt;

use thiserror::Error;

/// Why a `spec.schedule` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// The text holds `TZ`; the zone belongs into its own field (Kubernetes refuses it on create since 1.22).
    #[error("a schedule cannot hold TZ= or CRON_TZ=; put the zone into spec.timeZone instead")]
    ZoneInText,
    /// Not five fields.
    #[error(
        "a schedule has five fields (minute, hour, day of month, month, day of week) but this one has {found}{hint}; \
         for example `30 4 * * 1-5` is half past four from Monday to Friday"
    )]
    FieldCount {
        /// How many fields the text has.
        found: usize,
        /// What may have been meant, empty when there is no good guess.
        hint: &'static str,
    },
    /// An `@` word that is not in the dialect.
    #[error(
        "`{text}` is not known; allowed are @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly and \
         `@every <duration>`{hint}"
    )]
    Descriptor {
        /// The text as given.
        text: String,
        /// What may have been meant, empty when there is no good guess.
        hint: &'static str,
    },
    /// The duration of an `@every` cannot be read.
    #[error("@every: {why}; write it like `1h30m` or `45s`, with the units h, m and s")]
    Every {
        /// What is wrong with the duration.
        why: String,
    },
    /// One of the five fields cannot be read.
    #[error("{field}: {why}; allowed are {}", field.allowed())]
    Field {
        /// Which of the five.
        field: FieldName,
        /// What is wrong with it.
        why: String,
    },
}

/// The five fields of a schedule, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldName {
    /// 0-59.
    Minute,
    /// 0-23.
    Hour,
    /// 1-31.
    DayOfMonth,
    /// 1-12 or three letters.
    Month,
    /// 0-6 from Sunday, or three letters.
    DayOfWeek,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl FieldName {
    /// Smallest and largest value.
    pub(super) fn bounds(self) -> (u32, u32) {
        match self {
            Self::Minute => (0, 59),
            Self::Hour => (0, 23),
            Self::DayOfMonth => (1, 31),
            Self::Month => (1, 12),
            Self::DayOfWeek => (0, 6),
        }
    }

    /// The value of a three-letter name in any case, in the fields that have names.
    pub(super) fn named(self, name: &str) -> Option<u32> {
        let names: &[&str] = match self {
            Self::Month => &MONTHS,
            Self::DayOfWeek => &WEEKDAYS,
            Self::Minute | Self::Hour | Self::DayOfMonth => &[],
        };
        let place = names.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        Some(self.bounds().0 + u32::try_from(place).ok()?)
    }

    /// What the field may hold, as the tail of a message.
    fn allowed(self) -> &'static str {
        match self {
            Self::Minute => "0-59, *, lists such as 0,30, ranges such as 10-20, and steps such as */15",
            Self::Hour => "0-23, *, lists such as 6,18, ranges such as 9-17, and steps such as */2",
            Self::DayOfMonth => "1-31, *, lists such as 1,15, ranges such as 1-7, and steps such as */2",
            Self::Month => "1-12 or jan-dec, *, lists, ranges such as jun-aug, and steps such as */3",
            Self::DayOfWeek => "0-6 (0 is Sunday) or sun-sat, *, lists, ranges such as mon-fri, and steps",
        }
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::DayOfWeek => "day of week",
        })
    }
}
