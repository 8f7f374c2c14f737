//! Owns what JSON allows and YAML does not: a character written as two escapes (`\ud83d\ude00`). Everything else of JSON is
//! YAML too.

use std::borrow::Cow;

/// JSON text with such pairs written as the character they mean; any other text as it is. Lines stay where they are.
pub(super) fn readable(text: &str) -> Cow<'_, str> {
    let is_json = text.trim_start().starts_with(['{', '[']);
    if !is_json || !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        replaced.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(char) = pair(rest) {
            replaced.push(char);
            rest = &rest[PAIR_BYTES..];
        } else {
            // The backslash and what it escapes, so that `\\u` is not taken for the beginning of a pair.
            let escape = rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end);
            replaced.push_str(&rest[..escape]);
            rest = &rest[escape..];
        }
    }
    replaced.push_str(rest);
    Cow::Owned(replaced)
}

/// The length of `\ud83d\ude00`.
const PAIR_BYTES: usize = 12;

/// The character that a text begins with, when it is written as a pair.
fn pair(text: &str) -> Option<char> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let units = [unit(0)?, unit(6)?];
    let mut chars = char::decode_utf16(units);
    match (chars.next(), chars.next()) {
        (Some(Ok(char)), None) => Some(char),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn pairs_become_characters_in_json_only() {
        let cases = [
            (r#"{"a":"\ud83d\ude00"}"#, "{\"a\":\"\u{1f600}\"}"),
            (r#"["\u00e9\u00e8"]"#, r#"["\u00e9\u00e8"]"#),
            (r#"{"a":"\\ud83d\ude00"}"#, r#"{"a":"\\ud83d\ude00"}"#),
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ud83d"}"#),
            (r#"{"a":"\u00"}"#, r#"{"a":"\u00"}"#),
            (r#"{"a":"é\é\u"#, r#"{"a":"é\é\u"#),
            (r"a: '\ud83d\ude00'", r"a: '\ud83d\ude00'"),
        ];
        for (text, expected) in cases {
            assert_eq!(readable(text), expected, "{text}");
        }
    }
}
