//! Points in time. [`Time`] shows whole seconds in JSON, as Kubernetes does, but keeps fractions in the binary form, where our
//! own timers need them; [`MicroTime`] always shows six digits. Both are UTC.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{MicroTime, Time};
use crate::json::{ReadJson, SchemaError, implement_deserialize};

const NANOS_PER_SECOND: i32 = 1_000_000_000;
const NANOS_PER_MILLI: i32 = 1_000_000;
const NANOS_PER_MICRO: i32 = 1_000;

/// 0000-01-01T00:00:00Z and 9999-12-31T23:59:59Z: what RFC 3339 can write. Times beyond are shown as these.
const SECONDS_MIN: i64 = -62_167_219_200;
const SECONDS_MAX: i64 = 253_402_300_799;

/// The text is no RFC 3339 time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time; write it like 2026-01-31T08:00:00Z")]
pub struct TimeError(String);

impl Time {
    /// The point so many seconds after 1970-01-01T00:00:00Z.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// The point so many milliseconds after 1970-01-01T00:00:00Z.
    #[expect(clippy::cast_possible_truncation, reason = "a remainder below 1000")]
    pub const fn from_millis(millis: i64) -> Self {
        let nanos = millis.rem_euclid(1_000) as i32 * NANOS_PER_MILLI;
        Self {
            seconds: millis.div_euclid(1_000),
            nanos,
        }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, rounded down; saturating.
    pub const fn as_millis(self) -> i64 {
        self.seconds
            .saturating_mul(1_000)
            .saturating_add((self.nanos / NANOS_PER_MILLI) as i64)
    }

    /// The same point `seconds` later (earlier, when negative); saturating.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self {
            seconds: self.seconds.saturating_add(seconds),
            nanos: self.nanos,
        }
    }

    /// The same point `millis` later (earlier, when negative); saturating.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a remainder below 10^9")]
    pub const fn plus_millis(self, millis: i64) -> Self {
        let nanos = self.nanos as i64 + millis.rem_euclid(1_000) * NANOS_PER_MILLI as i64;
        let carry = nanos.div_euclid(NANOS_PER_SECOND as i64);
        Self {
            seconds: self
                .seconds
                .saturating_add(millis.div_euclid(1_000))
                .saturating_add(carry),
            nanos: nanos.rem_euclid(NANOS_PER_SECOND as i64) as i32,
        }
    }

    /// How long after `earlier` this is, in milliseconds; negative when it is before.
    pub const fn millis_since(self, earlier: Self) -> i64 {
        self.as_millis().saturating_sub(earlier.as_millis())
    }

    /// The same point without its fraction of a second: what remains of it in JSON.
    #[must_use]
    pub const fn whole_seconds(self) -> Self {
        Self {
            seconds: self.seconds,
            nanos: 0,
        }
    }
}

impl MicroTime {
    /// Milliseconds since 1970-01-01T00:00:00Z, rounded down; saturating.
    pub const fn as_millis(self) -> i64 {
        Time {
            seconds: self.seconds,
            nanos: self.nanos,
        }
        .as_millis()
    }
}

impl From<Time> for MicroTime {
    fn from(time: Time) -> Self {
        Self {
            seconds: time.seconds,
            nanos: time.nanos,
        }
    }
}

impl From<MicroTime> for Time {
    fn from(time: MicroTime) -> Self {
        Self {
            seconds: time.seconds,
            nanos: time.nanos,
        }
    }
}

impl From<DateTime<Utc>> for Time {
    fn from(time: DateTime<Utc>) -> Self {
        // chrono marks a leap second by a fraction above one second; the point after it is close enough.
        let nanos = i32::try_from(time.timestamp_subsec_nanos())
            .unwrap_or(0)
            .min(NANOS_PER_SECOND - 1);
        Self {
            seconds: time.timestamp(),
            nanos,
        }
    }
}

impl From<Time> for DateTime<Utc> {
    /// Times outside of the years 0 to 9999 become the first or last of them.
    fn from(time: Time) -> Self {
        let seconds = time.seconds.clamp(SECONDS_MIN, SECONDS_MAX);
        let nanos = u32::try_from(time.nanos.clamp(0, NANOS_PER_SECOND - 1)).unwrap_or(0);
        Self::from_timestamp(seconds, nanos).unwrap_or(Self::UNIX_EPOCH)
    }
}

impl FromStr for Time {
    type Err = TimeError;

    /// RFC 3339, with its fraction; an offset is turned into UTC.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| TimeError(text.to_owned()))?;
        Ok(time.with_timezone(&Utc).into())
    }
}

impl FromStr for MicroTime {
    type Err = TimeError;

    /// RFC 3339, cut to microseconds.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let time: Time = text.parse()?;
        Ok(Self {
            seconds: time.seconds,
            nanos: time.nanos - time.nanos % NANOS_PER_MICRO,
        })
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}",
            DateTime::<Utc>::from(*self).format("%Y-%m-%dT%H:%M:%SZ")
        )
    }
}

impl fmt::Display for MicroTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::<Utc>::from(Time::from(*self));
        write!(formatter, "{}", time.format("%Y-%m-%dT%H:%M:%S%.6fZ"))
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for MicroTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl ReadJson for Time {
    fn read(value: Value, _unknown: &mut Vec<String>) -> Result<Self, SchemaError> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::String(text) => read_text(&text).map(Self::whole_seconds),
            other => Err(SchemaError::mismatch("a time", &other)),
        }
    }
}

impl ReadJson for MicroTime {
    fn read(value: Value, _unknown: &mut Vec<String>) -> Result<Self, SchemaError> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::String(text) => read_text(&text),
            other => Err(SchemaError::mismatch("a time", &other)),
        }
    }
}

fn read_text<T: FromStr<Err = TimeError>>(text: &str) -> Result<T, SchemaError> {
    text.parse()
        .map_err(|error: TimeError| SchemaError::new(error.to_string()))
}

implement_deserialize!(Time);
implement_deserialize!(MicroTime);

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn text_and_back() {
        assert_eq!(time("1970-01-01T00:00:01Z"), Time::from_seconds(1));
        assert_eq!(
            time("2026-03-01T10:00:00.25+02:00"),
            time("2026-03-01T08:00:00.25Z")
        );
        assert_eq!(
            time("2026-03-01T10:00:00.75Z").to_string(),
            "2026-03-01T10:00:00Z"
        );
        assert_eq!(
            Time {
                seconds: i64::MAX,
                nanos: -4
            }
            .to_string(),
            "9999-12-31T23:59:59Z"
        );
        let micro: MicroTime = "2026-03-01T10:00:00.1234567Z".parse().unwrap();
        assert_eq!(micro.to_string(), "2026-03-01T10:00:00.123456Z");
        for wrong in ["", "2026-03-01", "10:00", "2026-02-30T00:00:00Z", "now"] {
            assert!(wrong.parse::<Time>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn arithmetic_carries() {
        let start = Time::from_millis(-1);
        assert_eq!(
            start,
            Time {
                seconds: -1,
                nanos: 999_000_000
            }
        );
        assert_eq!(start.as_millis(), -1);
        assert_eq!(start.plus_millis(2), Time::from_millis(1));
        assert_eq!(start.plus_millis(-1_000), Time::from_millis(-1_001));
        assert_eq!(
            Time::from_millis(2_500).millis_since(Time::from_millis(3_000)),
            -500
        );
        assert_eq!(
            Time::from_seconds(i64::MAX)
                .plus_seconds(1)
                .plus_millis(1)
                .as_millis(),
            i64::MAX
        );
        assert!(Time::from_millis(1_999) < Time::from_millis(2_000));
    }

    #[test]
    fn json_has_whole_seconds() {
        let read: Time = serde_json::from_str("\"2026-03-01T10:00:00.75Z\"").unwrap();
        assert_eq!(read, time("2026-03-01T10:00:00Z"));
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"2026-03-01T10:00:00Z\"");
        assert!(serde_json::from_str::<Time>("\"\"").is_err());
        let micro: MicroTime = serde_json::from_str("\"2026-03-01T10:00:00Z\"").unwrap();
        assert_eq!(
            serde_json::to_string(&micro).unwrap(),
            "\"2026-03-01T10:00:00.000000Z\""
        );
    }
}
