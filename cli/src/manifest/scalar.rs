//! Owns the meaning of YAML scalars written without quotes: the core schema of YAML 1.2, with one older rule kept because
//! every Kubernetes tool keeps it (a whole number with a leading zero is octal: `defaultMode: 0644`). `yes`, `no`, `on` and
//! `off` are text.

use super::tree::Content;
use serde_json::Number;

/// What a plain (unquoted) scalar stands for.
///
/// # Errors
/// A sentence about a number that JSON cannot hold.
pub(crate) fn plain(text: &str) -> Result<Content, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Content::Null),
        "true" | "True" | "TRUE" => return Ok(Content::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Content::Bool(false)),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Err(format!(
            "{text} is a number that JSON cannot hold; put it in quotes if it is meant as text"
        ));
    }
    if !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return Ok(Content::Text(text.to_owned()));
    }
    if let Some((digits, radix)) = whole_number(unsigned) {
        return whole(text, digits, radix);
    }
    if !is_fraction(unsigned) {
        return Ok(Content::Text(text.to_owned()));
    }
    let fraction = text.parse::<f64>().ok().and_then(Number::from_f64);
    fraction.map(Content::Number).ok_or_else(|| too_large(text))
}

/// The digits and the base, when the text is a whole number without a sign.
fn whole_number(unsigned: &str) -> Option<(&str, u32)> {
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2), ("0", 8), ("", 10)];
    prefixed.into_iter().find_map(|(prefix, radix)| {
        let digits = unsigned.strip_prefix(prefix)?;
        let fits = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
        // 089 is no octal number, and nobody means eighty-nine by it either: it stays text.
        let decimal_with_zero = radix == 10 && unsigned.len() > 1 && unsigned.starts_with('0');
        (fits && !decimal_with_zero).then_some((digits, radix))
    })
}

fn whole(text: &str, digits: &str, radix: u32) -> Result<Content, String> {
    let number = if text.starts_with('-') {
        i64::from_str_radix(&format!("-{digits}"), radix)
            .ok()
            .map(Number::from)
    } else {
        u64::from_str_radix(digits, radix).ok().map(Number::from)
    };
    number.map(Content::Number).ok_or_else(|| too_large(text))
}

/// Digits with a point or an exponent, as in `1.5`, `.5`, `2e3`, `1.5E-3`.
fn is_fraction(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let has_point = mantissa.contains('.');
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.chars().all(|digit| digit.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    (has_point || exponent.is_some())
        && (!whole.is_empty() || !part.is_empty())
        && all_digits(whole)
        && all_digits(part)
        && exponent_fits
}

fn too_large(text: &str) -> String {
    let mut shown: String = text.chars().take(40).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    format!("the number {shown} is too large; put it in quotes if it is meant as text")
}

#[cfg(test)]
mod tests {
    use super::plain;
    use serde_json::{Value, json};

    fn json_of(text: &str) -> Value {
        let content = plain(text).unwrap();
        super::super::tree::Node { line: 1, content }.to_json()
    }

    #[test]
    fn scalars_without_quotes() {
        let cases = [
            ("", json!(null)),
            ("~", json!(null)),
            ("NULL", json!(null)),
            ("true", json!(true)),
            ("False", json!(false)),
            ("yes", json!("yes")),
            ("off", json!("off")),
            ("0", json!(0)),
            ("7", json!(7)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("9007199254740993", json!(9_007_199_254_740_993_u64)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("0644", json!(420)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("089", json!("089")),
            ("1_000", json!("1_000")),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("2e3", json!(2000.0)),
            ("1.5E-3", json!(0.0015)),
            ("1e", json!("1e")),
            (".", json!(".")),
            ("1.2.3", json!("1.2.3")),
            ("100m", json!("100m")),
            ("2026-01-31", json!("2026-01-31")),
            ("10:30", json!("10:30")),
            ("*/1 * * * *", json!("*/1 * * * *")),
        ];
        for (text, expected) in cases {
            assert_eq!(json_of(text), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_json_cannot_hold_are_refused() {
        for text in [
            ".inf",
            "-.INF",
            ".nan",
            "99999999999999999999",
            "-9223372036854775809",
            "1e999",
        ] {
            assert!(plain(text).unwrap_err().contains("in quotes"), "{text:?}");
        }
    }
}
