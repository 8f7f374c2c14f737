//! Field selectors: `status.phase!=Failed,spec.nodeName=n1`.

use std::fmt;
use std::str::FromStr;

use super::SelectorError;

/// Terms that must all hold. Without any, everything is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    /// In the order given.
    pub terms: Vec<FieldTerm>,
}

/// One field's value, wanted or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    /// The path of the field: `metadata.name`.
    pub path: String,
    /// The value, as text.
    pub value: String,
    /// Whether the field must have the value; otherwise it must not.
    pub equal: bool,
}

impl FieldSelector {
    /// Whether an object meets all terms, given its fields' values as text. A field that `value_of` does not know counts as
    /// empty; whether the kind has it must be asked before.
    pub fn matches(&self, value_of: impl Fn(&str) -> Option<String>) -> bool {
        let holds = |term: &FieldTerm| (value_of(&term.path).unwrap_or_default() == term.value) == term.equal;
        self.terms.iter().all(holds)
    }

    /// Whether everything is chosen.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that a field must have, if a term says so: what a list can be narrowed by before it is filtered.
    pub fn required_value(&self, path: &str) -> Option<&str> {
        self.terms
            .iter()
            .find(|term| term.equal && term.path == path)
            .map(|term| term.value.as_str())
    }
}

impl FromStr for FieldSelector {
    type Err = SelectorError;

    /// A backslash takes the meaning from a comma, an equals sign or a backslash in a value.
    fn from_str(text: &str) -> Result<Self, SelectorError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        Ok(Self {
            terms: split_terms(text)
                .into_iter()
                .map(parse_term)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The terms between the commas without a backslash before them.
fn split_terms(text: &str) -> Vec<&str> {
    let (mut terms, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        if letter == ',' && !escaped {
            terms.push(&text[start..at]);
            start = at + 1;
        }
        escaped = letter == '\\' && !escaped;
    }
    terms.push(&text[start..]);
    terms
}

fn parse_term(term: &str) -> Result<FieldTerm, SelectorError> {
    let wrong = |why: &str| SelectorError(format!("field selector term {term:?}: {why}"));
    let at = term
        .find('=')
        .ok_or_else(|| wrong("write it like status.phase=Running or status.phase!=Running"))?;
    let (left, right) = (&term[..at], &term[at + 1..]);
    let (path, equal) = left.strip_suffix('!').map_or((left, true), |path| (path, false));
    let value = if equal {
        right.strip_prefix('=').unwrap_or(right)
    } else {
        right
    };
    let path = path.trim();
    if path.is_empty() || path.contains(['!', '\\']) {
        return Err(wrong(
            "the field's path is missing or wrong; it looks like metadata.name",
        ));
    }
    let value = unescape(value).ok_or_else(|| wrong("write \\, \\= or \\\\ for these letters in a value"))?;
    Ok(FieldTerm {
        path: path.to_owned(),
        value,
        equal,
    })
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => plain.push(letters.next().filter(|next| ",=\\".contains(*next))?),
            '=' => return None,
            _ => plain.push(letter),
        }
    }
    Some(plain)
}

impl fmt::Display for FieldSelector {
    /// The text form; parses to an equal selector.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms: Vec<String> = self.terms.iter().map(ToString::to_string).collect();
        formatter.write_str(&terms.join(","))
    }
}

impl fmt::Display for FieldTerm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = self
            .value
            .replace('\\', "\\\\")
            .replace(',', "\\,")
            .replace('=', "\\=");
        write!(
            formatter,
            "{}{}{escaped}",
            self.path,
            if self.equal { "=" } else { "!=" }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_there_and_back() {
        for (text, shown) in [
            ("", ""),
            ("metadata.name=x", "metadata.name=x"),
            (
                " status.phase == Running , spec.nodeName!=",
                "status.phase= Running ,spec.nodeName!=",
            ),
            ("a=b\\,c\\=\\\\,d!=e", "a=b\\,c\\=\\\\,d!=e"),
        ] {
            let selector: FieldSelector = text.parse().unwrap();
            assert_eq!(selector.to_string(), shown, "{text}");
            assert_eq!(shown.parse(), Ok(selector), "{text}");
        }
        for wrong in ["a", ",", "a=b,", "=b", "!=b", "a=b=c", "a=\\x", "a\\=b"] {
            assert!(wrong.parse::<FieldSelector>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn terms_hold_or_not() {
        let value_of = |path: &str| (path == "status.phase").then(|| "Running".to_owned());
        for (text, expected) in [
            ("", true),
            ("status.phase=Running", true),
            ("status.phase!=Running", false),
            ("spec.nodeName=", true),
            ("spec.nodeName!=n1,status.phase=Running", true),
            ("spec.nodeName=n1", false),
        ] {
            assert_eq!(
                text.parse::<FieldSelector>().unwrap().matches(value_of),
                expected,
                "{text}"
            );
        }
        let selector: FieldSelector = "a!=x,b=y".parse().unwrap();
        assert_eq!(
            (selector.required_value("a"), selector.required_value("b")),
            (None, Some("y"))
        );
    }
}
