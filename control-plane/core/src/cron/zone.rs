//! The zone in which a schedule's fields are read.

use chrono::{DateTime, FixedOffset, Offset as _, SecondsFormat, TimeDelta, TimeZone as _, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use thiserror::Error;

/// No zone changes its offset twice within a day, so this stride misses no change.
const STRIDE: TimeDelta = TimeDelta::days(1);

/// A `spec.timeZone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    tz: Tz,
}

/// Why a `spec.timeZone` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ZoneError {
    /// The field is there and empty.
    #[error("timeZone is empty; leave the field out for UTC, or name a zone such as Europe/Berlin")]
    Empty,
    /// `Local`, which would mean another thing on each server.
    #[error(
        "timeZone `{0}` would depend on the server's own clock setting; name a zone such as Europe/Berlin"
    )]
    Local(String),
    /// Not a name of the IANA time zone database.
    #[error("timeZone `{text}` is not in the IANA time zone database{hint}")]
    Unknown {
        /// The text as given.
        text: String,
        /// What may have been meant.
        hint: String,
    },
}

impl Zone {
    /// Coordinated universal time, what a CronJob without `timeZone` uses.
    pub const UTC: Self = Self { tz: Tz::UTC };

    /// Reads a `spec.timeZone`; `None` is UTC, on whatever machine the leader runs.
    ///
    /// # Errors
    /// The empty text, `Local` in any case, and names that the zone database does not have.
    pub fn parse(text: Option<&str>) -> Result<Self, ZoneError> {
        match text {
            None => Ok(Self::UTC),
            Some("") => Err(ZoneError::Empty),
            Some(local) if local.eq_ignore_ascii_case("local") => Err(ZoneError::Local(local.to_owned())),
            Some(text) => match text.parse() {
                Ok(tz) => Ok(Self { tz }),
                Err(_) => Err(ZoneError::Unknown {
                    text: text.to_owned(),
                    hint: hint(text),
                }),
            },
        }
    }

    /// The name in the zone database.
    pub fn name(&self) -> &'static str {
        self.tz.name()
    }

    /// `instant` as RFC 3339 in this zone's local time, whole seconds, `Z` for no offset: the form of the annotation
    /// `batch.kubernetes.io/cronjob-scheduled-timestamp`.
    pub fn render(&self, instant: DateTime<Utc>) -> String {
        let local = instant.with_timezone(&self.offset_at(instant));
        local.to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// What is added to UTC at `instant`.
    pub(super) fn offset_at(self, instant: DateTime<Utc>) -> FixedOffset {
        self.tz.offset_from_utc_datetime(&instant.naive_utc()).fix()
    }

    /// The first instant later than `start`, and no later than `until`, at which the offset is another than at `start`.
    /// Whole seconds in, whole seconds out.
    pub(super) fn first_change(self, start: DateTime<Utc>, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let offset = self.offset_at(start);
        let mut same = start;
        while same < until {
            let probe = same.checked_add_signed(STRIDE)?.min(until);
            if self.offset_at(probe) != offset {
                return Some(self.change_between(same, probe));
            }
            same = probe;
        }
        None
    }

    /// Halves the span until `other` is the first second with the new offset.
    fn change_between(self, mut same: DateTime<Utc>, mut other: DateTime<Utc>) -> DateTime<Utc> {
        let offset = self.offset_at(same);
        while other - same > TimeDelta::seconds(1) {
            let middle = same + TimeDelta::seconds((other - same).num_seconds() / 2);
            if self.offset_at(middle) == offset {
                same = middle;
            } else {
                other = middle;
            }
        }
        other
    }
}

fn hint(text: &str) -> String {
    match TZ_VARIANTS
        .iter()
        .find(|known| known.name().eq_ignore_ascii_case(text.trim()))
    {
        Some(known) => format!("; did you mean {}?", known.name()),
        None => "; names look like Europe/Berlin or Etc/UTC".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(Zone::parse(None), Ok(Zone::UTC));
        for name in [
            "UTC",
            "Etc/UTC",
            "Europe/Berlin",
            "America/Argentina/Ushuaia",
            "US/Eastern",
            "EST5EDT",
        ] {
            assert_eq!(Zone::parse(Some(name)).expect(name).name(), name);
        }
        for (text, expected) in [
            ("", "timeZone is empty; leave the field out for UTC"),
            ("Local", "`Local` would depend on the server's own clock"),
            ("LOCAL", "`LOCAL` would depend"),
            ("europe/berlin", "did you mean Europe/Berlin?"),
            (" Asia/Tokyo", "did you mean Asia/Tokyo?"),
            (
                "Mars/Olympus",
                "`Mars/Olympus` is not in the IANA time zone database; names look like",
            ),
            ("+02:00", "is not in the IANA time zone database"),
            ("../etc/passwd", "is not in the IANA time zone database"),
        ] {
            let message = Zone::parse(Some(text)).expect_err(text).to_string();
            assert!(message.contains(expected), "`{text}`: {message}");
        }
    }

    #[test]
    fn renders_local_time() {
        let instant: DateTime<Utc> = "2026-07-01T12:00:00.9Z".parse().expect("an instant");
        for (name, expected) in [
            ("UTC", "2026-07-01T12:00:00Z"),
            ("Europe/Berlin", "2026-07-01T14:00:00+02:00"),
            ("Asia/Kathmandu", "2026-07-01T17:45:00+05:45"),
        ] {
            assert_eq!(Zone::parse(Some(name)).expect(name).render(instant), expected);
        }
    }

    #[test]
    fn finds_the_second_of_a_change() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect(text);
        let new_york = Zone::parse(Some("America/New_York")).expect("a zone");
        let change = Some(at("2026-03-08T07:00:00Z"));
        assert_eq!(
            new_york.first_change(at("2025-12-01T00:00:07Z"), at("2026-12-01T00:00:00Z")),
            change
        );
        assert_eq!(
            new_york.first_change(at("2026-03-08T06:59:59Z"), at("2026-03-08T07:00:00Z")),
            change
        );
        assert_eq!(
            new_york.first_change(at("2026-03-08T06:59:58Z"), at("2026-03-08T06:59:59Z")),
            None
        );
        assert_eq!(
            new_york.first_change(at("2026-03-08T07:00:00Z"), at("2026-03-09T00:00:00Z")),
            None
        );
        assert_eq!(
            Zone::UTC.first_change(at("2026-01-01T00:00:00Z"), at("2031-01-01T00:00:00Z")),
            None
        );
    }
}
