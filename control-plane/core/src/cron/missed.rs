//! What was due in a span of time: the question a CronJob asks after an outage, a resume, or simply at its due time.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

use super::{Rule, Schedule, Zone};

/// What was due in a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The most recent due time, the only one that Kubernetes still runs.
    pub latest: Option<DateTime<Utc>>,
    /// About how many were due: exact for none, one and an even spacing, else what the distance of the first two
    /// suggests. Kubernetes warns with `TooManyMissedTimes` above 100 and runs the latest all the same.
    pub estimate_of_count: u64,
}

impl Missed {
    const NONE: Self = Self {
        latest: None,
        estimate_of_count: 0,
    };
}

/// What was due later than `from` and no later than `until`.
///
/// The cost grows with the logarithm of the span and not with the number of due times, so a CronJob of every minute that
/// was suspended for years costs no more than a daily one.
pub fn missed(schedule: &Schedule, zone: &Zone, from: DateTime<Utc>, until: DateTime<Utc>) -> Missed {
    let due = |after| schedule.next_after(after, zone).filter(|firing| *firing <= until);
    let Some(first) = due(from) else {
        return Missed::NONE;
    };
    let Some(second) = due(first) else {
        return Missed {
            latest: Some(first),
            estimate_of_count: 1,
        };
    };
    // Two firings are at least a second apart.
    let elapsed_seconds = (until - first).num_seconds();
    let period_seconds = (second - first).num_seconds().max(1);
    let latest = match &schedule.rule {
        // The phase depends on the previous firing, so the span must not be entered in its middle.
        Rule::Every(_) => first + TimeDelta::seconds(elapsed_seconds - elapsed_seconds % period_seconds),
        Rule::Calendar(_) => latest_of(second, until, due),
    };
    let estimate_of_count = u64::try_from(elapsed_seconds / period_seconds).unwrap_or(0) + 1;
    Missed {
        latest: Some(latest),
        estimate_of_count,
    }
}

/// The last firing no later than `until`, given that `known` is one.
///
/// Halves the span: every instant before the last firing still has one ahead, no later instant does.
fn latest_of(
    known: DateTime<Utc>,
    until: DateTime<Utc>,
    due: impl Fn(DateTime<Utc>) -> Option<DateTime<Utc>>,
) -> DateTime<Utc> {
    let mut latest = known;
    let mut none_after = until.trunc_subsecs(0);
    while latest < none_after {
        let middle = latest + TimeDelta::seconds((none_after - latest).num_seconds() / 2);
        match due(middle) {
            Some(firing) => latest = firing,
            None => none_after = middle,
        }
    }
    latest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schedule: &str, zone: &str, span: (&str, &str), latest: Option<&str>, estimate_of_count: u64) {
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect(text);
        let zone = Zone::parse(Some(zone)).expect(zone);
        let found = missed(
            &Schedule::parse(schedule).expect(schedule),
            &zone,
            at(span.0),
            at(span.1),
        );
        assert_eq!(
            found,
            Missed {
                latest: latest.map(at),
                estimate_of_count
            },
            "{schedule} {span:?}"
        );
    }

    #[test]
    fn the_span_is_open_at_its_start_and_closed_at_its_end() {
        let hourly = |from, until, latest, count| check("0 * * * *", "UTC", (from, until), latest, count);
        hourly("2026-01-01T01:00:00Z", "2026-01-01T01:59:59.9Z", None, 0);
        hourly(
            "2026-01-01T01:00:00Z",
            "2026-01-01T02:00:00Z",
            Some("2026-01-01T02:00:00Z"),
            1,
        );
        hourly(
            "2026-01-01T00:59:59.9Z",
            "2026-01-01T01:00:00Z",
            Some("2026-01-01T01:00:00Z"),
            1,
        );
        hourly(
            "2026-01-01T01:00:00Z",
            "2026-01-01T03:00:00.1Z",
            Some("2026-01-01T03:00:00Z"),
            2,
        );
        hourly("2026-01-01T01:00:00Z", "2026-01-01T01:00:00Z", None, 0);
        hourly("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", None, 0);
    }

    #[test]
    fn years_of_minutes_are_not_walked_through() {
        let span = ("1996-01-01T00:00:30Z", "2026-01-01T00:00:30Z");
        // 30 years of 365 days with 8 leap days (1996 to 2024).
        check(
            "* * * * *",
            "UTC",
            span,
            Some("2026-01-01T00:00:00Z"),
            (30 * 365 + 8) * 1440,
        );
        check(
            "@every 1s",
            "UTC",
            span,
            Some("2026-01-01T00:00:30Z"),
            (30 * 365 + 8) * 86_400,
        );
        check("0 0 29 2 *", "UTC", span, Some("2024-02-29T00:00:00Z"), 8);
        check("0 0 30 2 *", "UTC", span, None, 0);
    }

    #[test]
    fn every_keeps_its_phase() {
        let span = ("2026-01-01T00:00:10.5Z", "2026-01-01T00:05:00Z");
        // Due at 00:01:40, 00:03:10 and 00:04:40.
        check("@every 90s", "UTC", span, Some("2026-01-01T00:04:40Z"), 3);
    }

    #[test]
    fn an_uneven_schedule_finds_the_latest_though_the_count_is_rough() {
        // Weekdays at nine: Friday, then Monday to Wednesday. The first distance is three days.
        let span = ("2026-01-02T00:00:00Z", "2026-01-07T12:00:00Z");
        check("0 9 * * mon-fri", "UTC", span, Some("2026-01-07T09:00:00Z"), 2);
        // Half past one comes twice on this night.
        let night = ("2026-10-31T12:00:00Z", "2026-11-01T12:00:00Z");
        check(
            "30 1 * * *",
            "America/New_York",
            night,
            Some("2026-11-01T06:30:00Z"),
            7,
        );
    }
}
