//! Owns the small part of JSONPath that commands use: `{.status.phase}`, `.metadata.labels['a.b/c']`, `{.items[*].name}`,
//! `{.conditions[?(@.type=="Ready")].status}`, and templates of text around such paths, with `{range PATH}` and `{end}`.

use serde_json::Value;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(i64),
    All,
    Where(String, String),
}

/// A path into an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

/// Text with paths in it, as in `-o jsonpath='{.metadata.name}: {.status.phase}'`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Path(Path),
    /// What is between `{range PATH}` and `{end}`, filled once for each value of the path.
    Range(Path, Template),
}

impl Path {
    /// Reads a path, with or without braces, with or without the first dot.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} is not a path ({why}); write it like {{.status.phase}}");
        let inner = text.trim();
        let inner = inner.strip_prefix('{').map_or(Ok(inner), |inner| {
            inner.strip_suffix('}').ok_or_else(|| wrong("} is missing"))
        });
        let mut rest = inner?.trim();
        rest = rest.strip_prefix(['$', '@']).unwrap_or(rest);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('[') {
                let end = closing_bracket(after).ok_or_else(|| wrong("] is missing"))?;
                steps.push(bracketed(after[..end].trim()).ok_or_else(|| wrong("between [ and ]"))?);
                rest = &after[end + 1..];
                continue;
            }
            let (name, after) = field(rest.strip_prefix('.').unwrap_or(rest));
            if name.is_empty() {
                return Err(wrong("a field's name is missing"));
            }
            if name.contains(char::is_whitespace) {
                return Err(wrong("there is a blank in it"));
            }
            steps.push(if name == "*" { Step::All } else { Step::Field(name) });
            rest = after;
        }
        Ok(Self(steps))
    }

    /// What the path leads to in a value, in order; nothing where it leads nowhere.
    pub(crate) fn find<'value>(&self, value: &'value Value) -> Vec<&'value Value> {
        self.0.iter().fold(vec![value], |found, step| {
            found.into_iter().flat_map(|value| step.from(value)).collect()
        })
    }
}

impl Step {
    fn from<'value>(&self, value: &'value Value) -> Vec<&'value Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => item(value, *index).into_iter().collect(),
            Self::All => match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(fields) => fields.values().collect(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
            },
            Self::Where(field, wanted) => {
                let items = value.as_array().map_or(&[][..], Vec::as_slice);
                let fits = |item: &&Value| item.get(field).is_some_and(|value| text(value) == *wanted);
                items.iter().filter(fits).collect()
            }
        }
    }
}

fn item(value: &Value, index: i64) -> Option<&Value> {
    let items = value.as_array()?;
    let length = i64::try_from(items.len()).ok()?;
    let index = if index < 0 {
        length.checked_add(index)?
    } else {
        index
    };
    items.get(usize::try_from(index).ok()?)
}

/// The name up to the next `.` or `[`; `\.` stands for a dot inside the name.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            '.' | '[' => return (name, &text[at..]),
            other => name.push(other),
        }
    }
    (name, "")
}

/// Where the bracket closes, not counting those inside quotes.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, char) in text.char_indices() {
        match (quote, char) {
            (None, ']') => return Some(at),
            (None, '\'' | '"') => quote = Some(char),
            (Some(open), char) if open == char => quote = None,
            _ => {}
        }
    }
    None
}

fn bracketed(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::All);
    }
    if let Some(filter) = text
        .strip_prefix("?(@.")
        .and_then(|filter| filter.strip_suffix(')'))
    {
        let (field, wanted) = filter.split_once("==")?;
        return Some(Step::Where(
            field.trim().to_owned(),
            unquoted(wanted.trim()).to_owned(),
        ));
    }
    let name = unquoted(text);
    if name.len() < text.len() {
        Some(Step::Field(name.to_owned()))
    } else {
        text.parse().ok().map(Step::Index)
    }
}

fn unquoted(text: &str) -> &str {
    let inside = |quote: char| {
        text.strip_prefix(quote)
            .and_then(|inner| inner.strip_suffix(quote))
    };
    inside('\'').or_else(|| inside('"')).unwrap_or(text)
}

/// A value as it is printed and compared: text without quotes, everything else as JSON.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

impl Template {
    /// Reads a template; a lone path needs no braces. `\n` and `\t` inside braces' quotes (`{"\n"}`) are understood.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if !text.contains('{') {
            return Ok(Self(vec![Part::Path(Path::parse(text)?)]));
        }
        let mut parts = Vec::new();
        // Ranges that are open: the path, and the parts before the range.
        let mut open: Vec<(Path, Vec<Part>)> = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let (inside, left) = after
                .split_once('}')
                .ok_or_else(|| format!("{text:?}: a {{ is not closed by a }}"))?;
            let inside = inside.trim();
            let quoted = unquoted(inside);
            if quoted.len() < inside.len() {
                parts.push(Part::Text(quoted.replace("\\n", "\n").replace("\\t", "\t")));
            } else if let Some(path) = inside.strip_prefix("range ") {
                open.push((Path::parse(path)?, std::mem::take(&mut parts)));
            } else if inside == "end" {
                let (path, before) = open
                    .pop()
                    .ok_or_else(|| format!("{text:?}: {{end}} without {{range}}"))?;
                let within = Self(std::mem::replace(&mut parts, before));
                parts.push(Part::Range(path, within));
            } else {
                parts.push(Part::Path(Path::parse(inside)?));
            }
            rest = left;
        }
        if !open.is_empty() {
            return Err(format!("{text:?}: a {{range}} has no {{end}}"));
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The text for one object; several values of one path are separated by spaces.
    pub(crate) fn fill(&self, value: &Value) -> String {
        let filled = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Path(path) => path
                .find(value)
                .into_iter()
                .map(text)
                .collect::<Vec<_>>()
                .join(" "),
            Part::Range(path, within) => path
                .find(value)
                .into_iter()
                .map(|item| within.fill(item))
                .collect(),
        });
        filled.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Path, Template};
    use serde_json::json;

    #[test]
    fn paths() {
        let value = json!({
            "a": {"b": [1, {"c": "x"}], "d.e/f": true},
            "conditions": [{"type": "A", "status": "False"}, {"type": "B", "status": "True"}],
        });
        let cases = [
            ("{.a.b[0]}", "1"),
            (".a.b[1].c", "x"),
            ("a.b[-1].c", "x"),
            ("$.a.b[*]", r#"1 {"c":"x"}"#),
            ("{.a['d.e/f']}", "true"),
            (r"{.a.d\.e/f}", "true"),
            (r#"{.conditions[?(@.type=="B")].status}"#, "True"),
            ("{.conditions[*].type}", "A B"),
            ("{.a.nothing.here}", ""),
            ("{.a.b[9]}", ""),
            ("{.a.b[-9]}", ""),
        ];
        for (path, expected) in cases {
            assert_eq!(Template::parse(path).unwrap().fill(&value), expected, "{path}");
        }
    }

    #[test]
    fn templates() {
        let value = json!({"metadata": {"name": "x"}, "status": {"phase": "Running"}});
        let template = Template::parse(r#"{.metadata.name}: {.status.phase}{"\n"}"#).unwrap();
        assert_eq!(template.fill(&value), "x: Running\n");
    }

    #[test]
    fn ranges() {
        let value = json!({"items": [{"n": "a", "c": [1, 2]}, {"n": "b", "c": []}]});
        let template =
            Template::parse(r#"<{range .items[*]}{.n}:{range .c[*]}{"\t"}{@}{end}{"\n"}{end}>"#).unwrap();
        assert_eq!(template.fill(&value), "<a:\t1\t2\nb:\n>");
        for (text, reason) in [
            ("{range .items[*]}{.n}", "no {end}"),
            ("{.n}{end}", "without {range}"),
            ("{rang .items[*]}", "blank"),
        ] {
            assert!(Template::parse(text).unwrap_err().contains(reason), "{text}");
        }
    }

    #[test]
    fn wrong_paths_say_why() {
        for text in ["{.a", "{.a[}", "{..a}", "{.a[x]}", "{.a[?(b)]}"] {
            assert!(Path::parse(text).unwrap_err().contains("not a path"), "{text}");
        }
    }
}
