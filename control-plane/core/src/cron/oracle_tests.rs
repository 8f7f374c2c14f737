//! Random schedules against an oracle that looks at every minute (or every day) of a window and asks each field's text
//! whether it names that value. It shares no code with the module: no sets, no crate, no search for clock changes.

use chrono::{DateTime, Datelike, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

use super::{Schedule, Zone, missed};

const MINUTES_PER_WINDOW: i64 = 9 * 24 * 60;

/// A small seeded generator (SplitMix64), so that a failure repeats.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from `low` to `high`, both included.
    fn between(&mut self, low: u32, high: u32) -> u32 {
        low + u32::try_from(self.next() % u64::from(high - low + 1)).expect("smaller than a u32")
    }

    fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        let place = self.between(0, u32::try_from(choices.len()).expect("few choices") - 1);
        &choices[usize::try_from(place).expect("small")]
    }
}

/// One list item as the oracle sees it: where it starts, where it ends, by how much it goes on, and whether it is a star.
#[derive(Clone, Copy)]
struct Item {
    first: u32,
    last: u32,
    step: u32,
    star: bool,
}

type Items = Vec<Item>;

fn names(items: &[Item], value: u32) -> bool {
    items.iter().any(|item| {
        item.first <= value && value <= item.last && (value - item.first).is_multiple_of(item.step)
    })
}

fn starred(items: &[Item]) -> bool {
    items.iter().any(|item| item.star)
}

/// A random field: its text and what the text means.
fn random_field(dice: &mut Dice, (low, high): (u32, u32), star_in_ten: u32) -> (String, Items) {
    if dice.between(1, 10) <= star_in_ten {
        let text = *dice.pick(&["*", "?", "*/1", "?/1"]);
        return (
            text.to_owned(),
            vec![Item {
                first: low,
                last: high,
                step: 1,
                star: true,
            }],
        );
    }
    let mut texts = Vec::new();
    let mut items = Items::new();
    for _ in 0..dice.between(1, 3) {
        let (one, other) = (dice.between(low, high), dice.between(low, high));
        let (first, last) = (one.min(other), one.max(other));
        let step = dice.between(1, (high - low) / 2 + 1);
        let (text, item) = match dice.between(0, 5) {
            0 | 1 => (
                format!("{one}"),
                Item {
                    first: one,
                    last: one,
                    step: 1,
                    star: false,
                },
            ),
            2 => (
                format!("{first}-{last}"),
                Item {
                    first,
                    last,
                    step: 1,
                    star: false,
                },
            ),
            3 => (
                format!("{first}-{last}/{step}"),
                Item {
                    first,
                    last,
                    step,
                    star: false,
                },
            ),
            4 => (
                format!("{one}/{step}"),
                Item {
                    first: one,
                    last: high,
                    step,
                    star: false,
                },
            ),
            _ => (
                format!("*/{step}"),
                Item {
                    first: low,
                    last: high,
                    step,
                    star: step == 1,
                },
            ),
        };
        texts.push(text);
        items.push(item);
    }
    (texts.join(","), items)
}

/// A random schedule: its text and its five fields.
fn random_schedule(dice: &mut Dice, exact_time: bool) -> (String, [Items; 5]) {
    let time_star = if exact_time { 0 } else { 3 };
    let fields = [
        random_field(dice, (0, 59), time_star),
        random_field(dice, (0, 23), time_star),
        random_field(dice, (1, 31), 5),
        random_field(dice, (1, 12), 7),
        random_field(dice, (0, 6), 5),
    ];
    let text = fields
        .iter()
        .map(|(text, _)| text.as_str())
        .collect::<Vec<_>>()
        .join(" ");
    (text, fields.map(|(_, items)| items))
}

/// The rule itself, for one local day.
fn day_matches(fields: &[Items; 5], month: u32, day: u32, weekday: u32) -> bool {
    let [_, _, day_of_month, months, day_of_week] = fields;
    let (by_day, by_weekday) = (names(day_of_month, day), names(day_of_week, weekday));
    let day_is_right = if starred(day_of_month) || starred(day_of_week) {
        by_day && by_weekday
    } else {
        by_day || by_weekday
    };
    names(months, month) && day_is_right
}

/// The begin of one minute of a window, in UTC and as a clock on the wall shows it.
struct Moment {
    utc: DateTime<Utc>,
    minute: u32,
    hour: u32,
    day: u32,
    month: u32,
    weekday: u32,
}

fn random_window(dice: &mut Dice, tz: Tz) -> Vec<Moment> {
    // Every second window lies where most zones change their clocks.
    let month = if dice.between(0, 1) == 0 {
        dice.between(1, 12)
    } else {
        *dice.pick(&[3, 4, 9, 10, 11])
    };
    let year = i32::try_from(dice.between(1990, 2037)).expect("a year");
    let start = Utc
        .with_ymd_and_hms(
            year,
            month,
            dice.between(1, 28),
            dice.between(0, 23),
            dice.between(0, 59),
            0,
        )
        .single()
        .expect("a date");
    let minutes = (0..MINUTES_PER_WINDOW).map(|minutes| {
        let utc = start + TimeDelta::minutes(minutes);
        let local = tz.from_utc_datetime(&utc.naive_utc());
        Moment {
            utc,
            minute: local.minute(),
            hour: local.hour(),
            day: local.day(),
            month: local.month(),
            weekday: local.weekday().num_days_from_sunday(),
        }
    });
    minutes.collect()
}

#[test]
fn every_minute_of_random_windows() {
    let zones = [
        "UTC",
        "America/New_York",
        "Europe/London",
        "Australia/Lord_Howe",
        "America/Havana",
        "America/Sao_Paulo",
        "America/St_Johns",
        "Africa/Casablanca",
        "Africa/Cairo",
        "Asia/Gaza",
        "Asia/Beirut",
        "Asia/Tehran",
        "Antarctica/Troll",
        "Pacific/Chatham",
        "Pacific/Apia",
    ];
    let mut firings = 0;
    for seed in 0..120 {
        let dice = &mut Dice(seed);
        let name = *dice.pick(&zones);
        let zone = Zone::parse(Some(name)).expect(name);
        let window = random_window(dice, name.parse().expect(name));
        let (start, end) = (
            window[0].utc - TimeDelta::seconds(1),
            window[window.len() - 1].utc,
        );
        for _ in 0..20 {
            let (text, fields) = random_schedule(dice, false);
            let expected: Vec<_> = window
                .iter()
                .filter(|at| {
                    names(&fields[0], at.minute)
                        && names(&fields[1], at.hour)
                        && day_matches(&fields, at.month, at.day, at.weekday)
                })
                .map(|at| at.utc)
                .collect();
            let schedule = Schedule::parse(&text).expect(&text);
            // The first hundred and, through `missed`, the last: a debug build is slow.
            let mut at = start;
            for expected in expected.iter().take(100) {
                at = schedule.next_after(at, &zone).unwrap_or(start);
                assert_eq!(at, *expected, "seed {seed}: `{text}` in {name}");
                firings += 1;
            }
            if expected.len() <= 100 {
                let beyond = schedule.next_after(at, &zone);
                assert!(
                    beyond.is_none_or(|beyond| beyond > end),
                    "seed {seed}: `{text}` in {name}: {beyond:?}"
                );
            }
            let found = missed(&schedule, &zone, start, end);
            assert_eq!(
                found.latest,
                expected.last().copied(),
                "seed {seed}: `{text}` in {name}"
            );
            if expected.len() <= 1 {
                let count = u64::try_from(expected.len()).expect("small");
                assert_eq!(found.estimate_of_count, count, "seed {seed}: `{text}` in {name}");
            }
        }
    }
    assert!(firings > 20_000, "the windows must not be empty: {firings}");
}

#[test]
fn every_day_of_many_years() {
    let mut never = 0;
    for seed in 0..1200 {
        let dice = &mut Dice(seed);
        let (mut text, mut fields) = random_schedule(dice, true);
        if seed % 10 == 0 {
            let one = |value| {
                vec![Item {
                    first: value,
                    last: value,
                    step: 1,
                    star: false,
                }]
            };
            let (day, month) = (dice.between(29, 31), dice.between(1, 12));
            text = format!("0 0 {day} {month} *");
            fields = [
                one(0),
                one(0),
                one(day),
                one(month),
                vec![Item {
                    first: 0,
                    last: 6,
                    step: 1,
                    star: true,
                }],
            ];
        }
        let year = i32::try_from(dice.between(1990, 2080)).expect("a year");
        let start = Utc
            .with_ymd_and_hms(year, dice.between(1, 12), 15, 12, 0, 0)
            .single()
            .expect("a date");
        let schedule = Schedule::parse(&text).expect(&text);

        let day = |days: i64| start + TimeDelta::days(days);
        let matching = (1..5 * 365)
            .map(day)
            .find(|at| day_matches(&fields, at.month(), at.day(), at.weekday().num_days_from_sunday()));
        // From noon on, so that the day of the start can fire as well: search from its end.
        let found = schedule.next_after(day(1) - TimeDelta::hours(12) - TimeDelta::seconds(1), &Zone::UTC);
        assert_eq!(
            found.map(|at| at.date_naive()),
            matching.map(|at| at.date_naive()),
            "seed {seed}: `{text}`"
        );
        assert_eq!(
            schedule.never_fires(),
            matching.is_none(),
            "seed {seed}: `{text}`"
        );
        never += u32::from(matching.is_none());
    }
    assert!(
        never > 0,
        "some of the schedules must name days that do not exist"
    );
}
