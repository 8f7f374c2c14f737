//! Durations as Go's standard library writes them, since `@every` takes one: `1h30m`, `1.5h`, `90s`, `500ms`.

use chrono::TimeDelta;

const NANOSECONDS_PER_SECOND: i128 = 1_000_000_000;

/// Units with their length in nanoseconds. The micro sign has two code points and Go takes both.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", NANOSECONDS_PER_SECOND),
    ("m", 60 * NANOSECONDS_PER_SECOND),
    ("h", 3_600 * NANOSECONDS_PER_SECOND),
];

/// Nanoseconds of a duration text: one or more decimal numbers, each with its unit, or a bare `0`.
///
/// A negative one is refused. Go would read it and robfig would raise it to one second, but nobody who writes `-5m`
/// wants a Job every second.
pub(super) fn parse(text: &str) -> Result<i128, String> {
    if text.starts_with('-') {
        return Err(format!("`{text}` is negative"));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err("a duration is missing".to_owned());
    }
    let mut total = 0;
    while !rest.is_empty() {
        let unit_at = rest
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(unit_at);
        let unit_end = tail
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        total += one_part(number, unit)?;
        // Go keeps a duration in 64 bits, which ends near 292 years.
        if total > i128::from(i64::MAX) {
            return Err(format!("`{text}` is too long"));
        }
        rest = tail;
    }
    Ok(total)
}

/// Nanoseconds of one number with its unit.
fn one_part(number: &str, unit: &str) -> Result<i128, String> {
    let wrong_number = || format!("`{number}{unit}` does not begin with a number");
    if unit.is_empty() {
        return Err(format!("`{number}` has no unit"));
    }
    let Some((_, length)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("`{unit}` is not a unit of time"));
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return Err(wrong_number());
    }
    // Sixteen digits reach further than 64 bits of nanoseconds do in any unit above ns; nineteen cover ns as well.
    if whole.len() > 19 {
        return Err(format!("`{number}{unit}` is too long"));
    }
    let whole: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| wrong_number())?
    };
    let mut nanoseconds = whole * length;
    let mut place = *length;
    for digit in fraction.chars().filter_map(|digit| digit.to_digit(10)) {
        place /= 10;
        nanoseconds += i128::from(digit) * place;
    }
    Ok(nanoseconds)
}

/// The period of an `@every`: rounded down to whole seconds, at least one.
pub(super) fn whole_seconds(nanoseconds: i128) -> Result<TimeDelta, String> {
    let seconds = (nanoseconds / NANOSECONDS_PER_SECOND).max(1);
    i64::try_from(seconds)
        .ok()
        .and_then(TimeDelta::try_seconds)
        .ok_or_else(|| "the duration is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, seconds) in [
            ("0", 1),
            ("1ns", 1),
            ("999ms", 1),
            ("1s", 1),
            ("1.999s", 1),
            ("+90s", 90),
            ("1h30m", 5400),
            ("1.5h", 5400),
            (".5m", 30),
            ("1.h", 3600),
            ("30m1h", 5400),
            ("0.1h", 360),
            ("2000000µs", 2),
            ("2000000μs", 2),
            ("8760h", 31_536_000),
        ] {
            let period = parse(text).and_then(whole_seconds).expect(text);
            assert_eq!(period.num_seconds(), seconds, "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for (text, expected) in [
            ("", "a duration is missing"),
            ("5", "`5` has no unit"),
            ("1h5", "`5` has no unit"),
            ("5d", "`d` is not a unit of time"),
            ("h", "does not begin with a number"),
            (".s", "does not begin with a number"),
            ("1.2.3s", "does not begin with a number"),
            ("-1s", "is negative"),
            ("1h -5m", "is not a unit of time"),
            ("2562048h", "is too long"),
            ("99999999999999999999999s", "is too long"),
        ] {
            let why = parse(text).expect_err(text);
            assert!(why.contains(expected), "`{text}`: {why}");
        }
    }
}
