//! Owns spans of time on the command line: `30s`, `5m`, `1h30m`, `500ms`.

use std::time::Duration;

/// Reads a span; a bare number means seconds. For clap's `value_parser`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a span of time; write it like 30s, 5m, 1h30m or 500ms");
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|char: char| !char.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let units = [
            ("ms", 1),
            ("s", 1_000),
            ("m", 60_000),
            ("h", 3_600_000),
            ("d", 86_400_000),
        ];
        let after = &rest[digits..];
        let (unit, millis) = units
            .into_iter()
            .find(|(unit, _)| after.starts_with(unit))
            .ok_or_else(wrong)?;
        let part = number
            .checked_mul(millis)
            .map(Duration::from_millis)
            .ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = &after[unit.len()..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn spans() {
        for (text, millis) in [
            ("30s", 30_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("7", 7_000),
            ("0", 0),
            ("1d", 86_400_000),
        ] {
            assert_eq!(parse(text).unwrap().as_millis(), millis, "{text}");
        }
        for text in [
            "",
            "s",
            "5x",
            "1h30",
            "-5s",
            "1.5s",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(parse(text).unwrap_err().contains("write it like"), "{text}");
        }
    }
}
