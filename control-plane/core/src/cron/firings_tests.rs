//! Tables of expression, zone, start and the next firings. The expectations were worked out from the calendar and from
//! the published rules of each zone, not taken from the code.

use chrono::{DateTime, Utc};

use super::{Schedule, Zone};

/// Compares the next firings after `after` with `expected`: local times with offset, parted by `;`, where a time that
/// begins with its month is of the same year as the one before.
fn check(schedule: &str, zone: &str, after: &str, expected: &str) {
    let zone = Zone::parse(Some(zone)).expect(zone);
    let rule = Schedule::parse(schedule).expect(schedule);
    let mut at: DateTime<Utc> = after.parse().expect(after);
    let mut found = Vec::new();
    let expected: Vec<&str> = expected.split(';').map(str::trim).collect();
    for expected in &expected {
        let Some(next) = rule.next_after(at, &zone) else {
            break;
        };
        let local = next.with_timezone(&zone.offset_at(next));
        let whole = local.format("%Y-%m-%d %H:%M %:z").to_string();
        found.push(if expected.starts_with("20") {
            whole
        } else {
            whole[5..].to_owned()
        });
        at = next;
    }
    assert_eq!(found, expected, "`{schedule}` in {} after {after}", zone.name());
}

#[test]
fn plain_days_in_utc() {
    // 1 January 2026 is a Thursday.
    let check = |schedule, expected: &str| {
        let expected = expected.split(';').map(|time| format!("{} +00:00", time.trim()));
        check(
            schedule,
            "UTC",
            "2026-01-01T00:00:30.999Z",
            &expected.collect::<Vec<_>>().join(";"),
        );
    };
    check(
        "*/15 * * * *",
        "01-01 00:15; 01-01 00:30; 01-01 00:45; 01-01 01:00; 01-01 01:15; 01-01 01:30; 01-01 01:45; 01-01 02:00",
    );
    check(
        "*/1 * * * ?",
        "01-01 00:01; 01-01 00:02; 01-01 00:03; 01-01 00:04; 01-01 00:05; 01-01 00:06; 01-01 00:07; 01-01 00:08",
    );
    check(
        "5/20 9-17/4 * jan,JUL Mon-Fri",
        "01-01 09:05; 01-01 09:25; 01-01 09:45; 01-01 13:05; 01-01 13:25; 01-01 13:45; 01-01 17:05; 01-01 17:25",
    );
    check(
        "@hourly",
        "01-01 01:00; 01-01 02:00; 01-01 03:00; 01-01 04:00; 01-01 05:00; 01-01 06:00; 01-01 07:00; 01-01 08:00",
    );
    for daily in ["@daily", "@midnight", "0 0 * * *"] {
        check(
            daily,
            "01-02 00:00; 01-03 00:00; 01-04 00:00; 01-05 00:00; 01-06 00:00; 01-07 00:00; 01-08 00:00; 01-09 00:00",
        );
    }
    for sundays in ["@weekly", "0 0 * * 0", "0 0 ? * SUN", "0 0 */1 * sun"] {
        check(
            sundays,
            "01-04 00:00; 01-11 00:00; 01-18 00:00; 01-25 00:00; 02-01 00:00; 02-08 00:00; 02-15 00:00; 02-22 00:00",
        );
    }
    check(
        "@monthly",
        "02-01 00:00; 03-01 00:00; 04-01 00:00; 05-01 00:00; 06-01 00:00; 07-01 00:00; 08-01 00:00; 09-01 00:00",
    );
    check(
        "0 0 31 * *",
        "01-31 00:00; 03-31 00:00; 05-31 00:00; 07-31 00:00; 08-31 00:00; 10-31 00:00; 12-31 00:00; 2027-01-31 00:00",
    );
    for yearly in ["@yearly", "@annually"] {
        check(
            yearly,
            "2027-01-01 00:00; 2028-01-01 00:00; 2029-01-01 00:00; 2030-01-01 00:00; 2031-01-01 00:00; \
             2032-01-01 00:00; 2033-01-01 00:00; 2034-01-01 00:00",
        );
    }
    check(
        "59 23 29 2 *",
        "2028-02-29 23:59; 2032-02-29 23:59; 2036-02-29 23:59; 2040-02-29 23:59; 2044-02-29 23:59; 2048-02-29 23:59; \
         2052-02-29 23:59; 2056-02-29 23:59",
    );
}

#[test]
fn two_restricted_day_fields_are_an_or() {
    let check = |schedule, expected: &str| {
        let expected = expected
            .split(';')
            .map(|day| format!("{} 00:00 +00:00", day.trim()));
        check(
            schedule,
            "UTC",
            "2026-01-01T00:00:00Z",
            &expected.collect::<Vec<_>>().join(";"),
        );
    };
    // Fridays and the thirteenth.
    check(
        "0 0 13 * 5",
        "01-02; 01-09; 01-13; 01-16; 01-23; 01-30; 02-06; 02-13",
    );
    // A step takes the star away: odd days or Mondays (the 5th is both, the 12th only a Monday).
    check(
        "0 0 */2 * 1",
        "01-03; 01-05; 01-07; 01-09; 01-11; 01-12; 01-13; 01-15",
    );
    // With a star in either day field both must hold.
    check(
        "0 0 */1 * 1",
        "01-05; 01-12; 01-19; 01-26; 02-02; 02-09; 02-16; 02-23",
    );
    check(
        "0 0 13 * *",
        "01-13; 02-13; 03-13; 04-13; 05-13; 06-13; 07-13; 08-13",
    );
    check(
        "0 0 13 * 5,?",
        "01-13; 02-13; 03-13; 04-13; 05-13; 06-13; 07-13; 08-13",
    );
    // Every weekday written out is no star: each day fires.
    check(
        "0 0 13 * 0-6",
        "01-02; 01-03; 01-04; 01-05; 01-06; 01-07; 01-08; 01-09",
    );
    // The month holds for both.
    check(
        "0 0 30 2 1",
        "02-02; 02-09; 02-16; 02-23; 2027-02-01; 2027-02-08; 2027-02-15; 2027-02-22",
    );
}

/// New York goes from -05:00 to -04:00 on 8 March 2026 at 02:00 and back on 1 November at 02:00.
#[test]
fn new_york() {
    let zone = "America/New_York";
    check(
        "30 2 * * *",
        zone,
        "2026-03-06T12:00:00Z",
        "03-07 02:30 -05:00; 03-09 02:30 -04:00; 03-10 02:30 -04:00; 03-11 02:30 -04:00; 03-12 02:30 -04:00; \
         03-13 02:30 -04:00; 03-14 02:30 -04:00; 03-15 02:30 -04:00",
    );
    check(
        "*/30 * * * *",
        zone,
        "2026-03-08T05:40:00Z",
        "03-08 01:00 -05:00; 03-08 01:30 -05:00; 03-08 03:00 -04:00; 03-08 03:30 -04:00; 03-08 04:00 -04:00; \
         03-08 04:30 -04:00; 03-08 05:00 -04:00; 03-08 05:30 -04:00",
    );
    check(
        "0 2 * * sun",
        zone,
        "2026-02-20T00:00:00Z",
        "02-22 02:00 -05:00; 03-01 02:00 -05:00; 03-15 02:00 -04:00; 03-22 02:00 -04:00; 03-29 02:00 -04:00; \
         04-05 02:00 -04:00; 04-12 02:00 -04:00; 04-19 02:00 -04:00",
    );
    // The very second of the change fires, also when the search begins right before it.
    check(
        "0 3 8 3 *",
        zone,
        "2026-03-08T06:59:59Z",
        "03-08 03:00 -04:00; 2027-03-08 03:00 -05:00",
    );
    check(
        "*/30 * * * *",
        zone,
        "2026-11-01T04:40:00Z",
        "11-01 01:00 -04:00; 11-01 01:30 -04:00; 11-01 01:00 -05:00; 11-01 01:30 -05:00; 11-01 02:00 -05:00; \
         11-01 02:30 -05:00; 11-01 03:00 -05:00; 11-01 03:30 -05:00",
    );
    check(
        "30 1 * * *",
        zone,
        "2026-10-30T12:00:00Z",
        "10-31 01:30 -04:00; 11-01 01:30 -04:00; 11-01 01:30 -05:00; 11-02 01:30 -05:00; 11-03 01:30 -05:00; \
         11-04 01:30 -05:00; 11-05 01:30 -05:00; 11-06 01:30 -05:00",
    );
    // Two o'clock comes once on that night: the clock reads 01:59:59 before it goes back to 01:00.
    check(
        "0 2 * * *",
        zone,
        "2026-10-30T12:00:00Z",
        "10-31 02:00 -04:00; 11-01 02:00 -05:00; 11-02 02:00 -05:00; 11-03 02:00 -05:00; 11-04 02:00 -05:00; \
         11-05 02:00 -05:00; 11-06 02:00 -05:00; 11-07 02:00 -05:00",
    );
    // The eighth of March is the day of the change in 2026 only.
    check(
        "30 2 8 3 *",
        zone,
        "2024-06-01T00:00:00Z",
        "2025-03-08 02:30 -05:00; 2027-03-08 02:30 -05:00; 2028-03-08 02:30 -05:00; 2029-03-08 02:30 -05:00; \
         2030-03-08 02:30 -05:00; 2031-03-08 02:30 -05:00; 2032-03-08 02:30 -05:00; 2033-03-08 02:30 -05:00",
    );
}

/// London goes from +00:00 to +01:00 on 29 March 2026 at 01:00 and back on 25 October at 02:00.
#[test]
fn london() {
    let zone = "Europe/London";
    check(
        "15,45 1 * * *",
        zone,
        "2026-03-27T20:00:00Z",
        "03-28 01:15 +00:00; 03-28 01:45 +00:00; 03-30 01:15 +01:00; 03-30 01:45 +01:00; 03-31 01:15 +01:00; \
         03-31 01:45 +01:00; 04-01 01:15 +01:00; 04-01 01:45 +01:00",
    );
    check(
        "0 0-2 * * *",
        zone,
        "2026-10-24T20:00:00Z",
        "10-25 00:00 +01:00; 10-25 01:00 +01:00; 10-25 01:00 +00:00; 10-25 02:00 +00:00; 10-26 00:00 +00:00; \
         10-26 01:00 +00:00; 10-26 02:00 +00:00; 10-27 00:00 +00:00",
    );
}

/// Lord Howe Island moves by half an hour: from +11:00 to +10:30 on 5 April 2026 at 02:00, back on 4 October at 02:00.
#[test]
fn lord_howe() {
    let zone = "Australia/Lord_Howe";
    check(
        "*/15 1-2 * * *",
        zone,
        "2026-04-04T14:20:00Z",
        "04-05 01:30 +11:00; 04-05 01:45 +11:00; 04-05 01:30 +10:30; 04-05 01:45 +10:30; 04-05 02:00 +10:30; \
         04-05 02:15 +10:30; 04-05 02:30 +10:30; 04-05 02:45 +10:30",
    );
    check(
        "*/15 * * * *",
        zone,
        "2026-10-03T15:00:00Z",
        "10-04 01:45 +10:30; 10-04 02:30 +11:00; 10-04 02:45 +11:00; 10-04 03:00 +11:00; 10-04 03:15 +11:00; \
         10-04 03:30 +11:00; 10-04 03:45 +11:00; 10-04 04:00 +11:00",
    );
    check(
        "0 2 * * *",
        zone,
        "2026-10-02T12:00:00Z",
        "10-03 02:00 +10:30; 10-05 02:00 +11:00; 10-06 02:00 +11:00; 10-07 02:00 +11:00; 10-08 02:00 +11:00; \
         10-09 02:00 +11:00; 10-10 02:00 +11:00; 10-11 02:00 +11:00",
    );
}

/// Havana changes at midnight: 8 March 2026 begins at 01:00, and 1 November begins twice.
#[test]
fn a_change_at_midnight() {
    let zone = "America/Havana";
    check(
        "@daily",
        zone,
        "2026-03-06T12:00:00Z",
        "03-07 00:00 -05:00; 03-09 00:00 -04:00; 03-10 00:00 -04:00; 03-11 00:00 -04:00; 03-12 00:00 -04:00; \
         03-13 00:00 -04:00; 03-14 00:00 -04:00; 03-15 00:00 -04:00",
    );
    check(
        "@daily",
        zone,
        "2026-10-30T12:00:00Z",
        "10-31 00:00 -04:00; 11-01 00:00 -04:00; 11-01 00:00 -05:00; 11-02 00:00 -05:00; 11-03 00:00 -05:00; \
         11-04 00:00 -05:00; 11-05 00:00 -05:00; 11-06 00:00 -05:00",
    );
}

/// Samoa left out 30 December 2011 when it crossed the date line.
#[test]
fn a_missing_day_and_odd_offsets() {
    check(
        "0 12 * * *",
        "Pacific/Apia",
        "2011-12-28T00:00:00Z",
        "12-28 12:00 -10:00; 12-29 12:00 -10:00; 12-31 12:00 +14:00; 2012-01-01 12:00 +14:00; 01-02 12:00 +14:00; \
         01-03 12:00 +14:00; 01-04 12:00 +14:00; 01-05 12:00 +14:00",
    );
    check(
        "0 0 1 * *",
        "Asia/Kathmandu",
        "2026-01-31T18:15:00Z",
        "03-01 00:00 +05:45; 04-01 00:00 +05:45; 05-01 00:00 +05:45; 06-01 00:00 +05:45; 07-01 00:00 +05:45; \
         08-01 00:00 +05:45; 09-01 00:00 +05:45; 10-01 00:00 +05:45",
    );
}

#[test]
fn every_counts_from_the_previous_firing() {
    for (schedule, after, expected) in [
        (
            "@every 90s",
            "2026-01-01T00:00:10.7Z",
            ["2026-01-01T00:01:40Z", "2026-01-01T00:03:10Z"],
        ),
        (
            "@every 1h30m",
            "2026-01-01T00:00:00Z",
            ["2026-01-01T01:30:00Z", "2026-01-01T03:00:00Z"],
        ),
        (
            "@every 1.9s",
            "2026-01-01T00:00:00.999Z",
            ["2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"],
        ),
        (
            "@every 10ms",
            "2026-01-01T00:00:00Z",
            ["2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"],
        ),
        (
            "@every 48h",
            "2026-03-07T12:00:00Z",
            ["2026-03-09T12:00:00Z", "2026-03-11T12:00:00Z"],
        ),
    ] {
        let rule = Schedule::parse(schedule).expect(schedule);
        let zone = Zone::parse(Some("America/New_York")).expect("a zone");
        let mut at: DateTime<Utc> = after.parse().expect(after);
        for expected in expected {
            at = rule.next_after(at, &zone).expect(schedule);
            assert_eq!(
                at.to_rfc3339(),
                expected.replace('Z', "+00:00"),
                "{schedule} after {after}"
            );
        }
    }
}

#[test]
fn the_search_ends() {
    let at: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().expect("an instant");
    let never = Schedule::parse("0 0 30 2 *").expect("a schedule");
    assert_eq!(never.next_after(at, &Zone::UTC), None);
    // Beyond the calendar of the crate, and beyond what a date can hold.
    let daily = Schedule::parse("@daily").expect("a schedule");
    let year_2200: DateTime<Utc> = "2200-01-01T00:00:00Z".parse().expect("an instant");
    for late in [year_2200, DateTime::<Utc>::MAX_UTC] {
        assert_eq!(daily.next_after(late, &Zone::UTC), None);
    }
    let every = Schedule::parse("@every 1h").expect("a schedule");
    assert_eq!(every.next_after(DateTime::<Utc>::MAX_UTC, &Zone::UTC), None);
}
