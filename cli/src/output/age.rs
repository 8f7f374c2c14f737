//! Owns how spans of time are written: two units at most, coarser as they grow, as kubectl users expect.

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// A span of whole seconds: `5s`, `3m12s`, `4h`, `2d`.
pub(crate) fn short(seconds: i64) -> String {
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(seconds, MINUTE, 'm', 1, 's'),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => two(seconds, HOUR, 'h', MINUTE, 'm'),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => two(seconds, DAY, 'd', HOUR, 'h'),
        691_200..63_072_000 => format!("{}d", seconds / DAY),
        63_072_000..252_288_000 => two(seconds, YEAR, 'y', DAY, 'd'),
        _ => format!("{}y", seconds / YEAR),
    }
}

fn two(seconds: i64, large: i64, large_name: char, small: i64, small_name: char) -> String {
    let (whole, rest) = (seconds / large, seconds % large / small);
    if rest == 0 {
        format!("{whole}{large_name}")
    } else {
        format!("{whole}{large_name}{rest}{small_name}")
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY, HOUR, MINUTE, YEAR, short};

    #[test]
    fn spans() {
        let cases = [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (5, "5s"),
            (119, "119s"),
            (120, "2m"),
            (3 * MINUTE + 12, "3m12s"),
            (10 * MINUTE + 5, "10m"),
            (179 * MINUTE, "179m"),
            (4 * HOUR, "4h"),
            (4 * HOUR + 30 * MINUTE + 9, "4h30m"),
            (9 * HOUR + 30 * MINUTE, "9h"),
            (47 * HOUR, "47h"),
            (2 * DAY, "2d"),
            (2 * DAY + 3 * HOUR, "2d3h"),
            (9 * DAY + 3 * HOUR, "9d"),
            (3 * YEAR, "3y"),
            (3 * YEAR + 10 * DAY, "3y10d"),
            (9 * YEAR + 10 * DAY, "9y"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(short(seconds), expected, "{seconds}");
        }
    }
}
