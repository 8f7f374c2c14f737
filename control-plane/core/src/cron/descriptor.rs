//! The `@` words: macros for five fields, and `@every`.

use super::calendar::Calendar;
use super::{Rule, ScheduleError, duration};

/// Reads a text that begins with `@`. The words are matched exactly, as Kubernetes does.
pub(super) fn parse(text: &str) -> Result<Rule, ScheduleError> {
    let fields = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            let Some(period) = text.strip_prefix("@every ") else {
                return Err(unknown(text));
            };
            let period = duration::parse(period).map_err(|why| ScheduleError::Every { why })?;
            return duration::whole_seconds(period)
                .map(Rule::Every)
                .map_err(|why| ScheduleError::Every { why });
        }
    };
    Ok(Rule::Calendar(Box::new(Calendar::parse(fields)?)))
}

fn unknown(text: &str) -> ScheduleError {
    let hint = match text {
        "@reboot" => "; a cluster has no reboot, use a Job for what must run once",
        "@every" => "; @every needs a duration, such as `@every 90s`",
        _ if text.chars().any(|letter| letter.is_ascii_uppercase()) => "; they are in lower case",
        _ if text.trim() != text => "; nothing may follow the word, not even a space",
        _ => "",
    };
    ScheduleError::Descriptor {
        text: text.to_owned(),
        hint,
    }
}

#[cfg(test)]
mod tests {
    use crate::cron::Schedule;

    #[test]
    fn refusals_say_what_is_known() {
        for (text, expected) in [
            ("@reboot", "`@reboot` is not known; allowed are @yearly"),
            ("@reboot", "use a Job for what must run once"),
            ("@Daily", "they are in lower case"),
            ("@daily ", "not even a space"),
            ("@", "`@` is not known"),
            ("@every", "needs a duration"),
            ("@every5m", "is not known"),
            ("@every ", "@every: a duration is missing; write it like `1h30m`"),
            ("@every 5", "@every: `5` has no unit"),
            ("@every -5m", "@every: `-5m` is negative"),
            ("@every 5 m", "@every: "),
        ] {
            let message = Schedule::parse(text).expect_err(text).to_string();
            assert!(message.contains(expected), "`{text}`: {message}");
        }
    }
}
