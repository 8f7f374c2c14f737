//! Label selectors: `app=web,tier in (front,back),!legacy`, or a spec's matchLabels and matchExpressions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::SelectorError;
use crate::meta_v1;

/// Requirements that must all hold. Without any, everything is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    /// In the order given.
    pub requirements: Vec<Requirement>,
}

/// What the value of one label must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// The condition on its value.
    pub operator: Operator,
}

/// A condition on a label's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// There is a value and it is one of these.
    In(BTreeSet<String>),
    /// There is no value, or it is none of these.
    NotIn(BTreeSet<String>),
    /// There is a value.
    Exists,
    /// There is none.
    DoesNotExist,
    /// The value is a whole number and more than this.
    GreaterThan(i64),
    /// The value is a whole number and less than this.
    LessThan(i64),
}

impl Requirement {
    /// Whether labels are as required.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.contains(value)),
            Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan(bound) => number().is_some_and(|number| number > *bound),
            Operator::LessThan(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

impl LabelSelector {
    /// Whether labels meet all requirements.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.matches(labels))
    }

    /// Whether everything is chosen.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

impl TryFrom<&meta_v1::LabelSelector> for LabelSelector {
    type Error = SelectorError;

    /// Errors name the field within the selector.
    fn try_from(selector: &meta_v1::LabelSelector) -> Result<Self, SelectorError> {
        let equal = |(key, value): (&String, &String)| Requirement {
            key: key.clone(),
            operator: Operator::In(BTreeSet::from([value.clone()])),
        };
        let mut requirements: Vec<Requirement> = selector.match_labels.iter().map(equal).collect();
        for (index, expression) in selector.match_expressions.iter().enumerate() {
            let operator = expression_operator(expression)
                .map_err(|wrong| SelectorError(format!("matchExpressions[{index}].{wrong}")))?;
            requirements.push(Requirement {
                key: expression.key.clone(),
                operator,
            });
        }
        Ok(Self { requirements })
    }
}

fn expression_operator(expression: &meta_v1::LabelSelectorRequirement) -> Result<Operator, String> {
    let values: BTreeSet<String> = expression.values.iter().cloned().collect();
    let operator = match expression.operator.as_str() {
        "In" if values.is_empty() => return Err("values: In needs at least one value".to_owned()),
        "NotIn" if values.is_empty() => return Err("values: NotIn needs at least one value".to_owned()),
        "In" => Operator::In(values),
        "NotIn" => Operator::NotIn(values),
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            return Err(format!("values: {} takes no values", expression.operator));
        }
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        other => {
            return Err(format!(
                "operator: {other:?} is none of In, NotIn, Exists, DoesNotExist"
            ));
        }
    };
    Ok(operator)
}

impl FromStr for LabelSelector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let parse = |term| {
            parse_requirement(term)
                .map_err(|wrong| SelectorError(format!("label selector term {term:?}: {wrong}")))
        };
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        Ok(Self {
            requirements: split_terms(text).map(parse).collect::<Result<_, _>>()?,
        })
    }
}

/// The terms between the commas that are not in brackets.
fn split_terms(text: &str) -> impl Iterator<Item = &str> {
    let mut open = false;
    text.split(move |letter| {
        match letter {
            '(' => open = true,
            ')' => open = false,
            _ => {}
        }
        letter == ',' && !open
    })
    .map(str::trim)
}

fn parse_requirement(term: &str) -> Result<Requirement, &'static str> {
    if let Some(key) = term.strip_prefix('!') {
        return Ok(Requirement {
            key: parse_key(key)?,
            operator: Operator::DoesNotExist,
        });
    }
    if let Some((left, right)) = term.split_once('(') {
        let list = right
            .trim_end()
            .strip_suffix(')')
            .ok_or("the list of values does not end with a bracket")?;
        let (key, word) = left
            .trim()
            .rsplit_once(char::is_whitespace)
            .ok_or("write it like: key in (value, value)")?;
        let values = list
            .split(',')
            .map(|value| parse_value(value))
            .collect::<Result<_, _>>()?;
        let operator = match word {
            "in" => Operator::In(values),
            "notin" => Operator::NotIn(values),
            _ => return Err("only in and notin take a list of values"),
        };
        return Ok(Requirement {
            key: parse_key(key)?,
            operator,
        });
    }
    let Some(at) = term.find(['=', '!', '<', '>']) else {
        return Ok(Requirement {
            key: parse_key(term)?,
            operator: Operator::Exists,
        });
    };
    let (key, rest) = term.split_at(at);
    let one = |text: &str| parse_value(text).map(|value| BTreeSet::from([value]));
    let bound = |text: &str| {
        text.trim()
            .parse()
            .map_err(|_| "only a whole number can be compared with < and >")
    };
    let operator = match rest.split_at(1) {
        ("=", value) => Operator::In(one(value.strip_prefix('=').unwrap_or(value))?),
        (">", value) => Operator::GreaterThan(bound(value)?),
        ("<", value) => Operator::LessThan(bound(value)?),
        (_, value) => Operator::NotIn(one(value.strip_prefix('=').ok_or("write != for not equal")?)?),
    };
    Ok(Requirement {
        key: parse_key(key)?,
        operator,
    })
}

/// A label's name: an optional DNS prefix and a slash, then at most 63 letters, digits, `-`, `_`, `.`.
fn parse_key(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let (prefix, name) = text.split_once('/').unwrap_or(("dns", text));
    let in_prefix =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter);
    let prefix_fits = !prefix.is_empty() && prefix.len() <= 253 && prefix.chars().all(in_prefix);
    if prefix_fits && !name.is_empty() && is_label_text(name) {
        Ok(text.to_owned())
    } else {
        Err("the key is no label name; those look like app or example.com/app")
    }
}

/// A label's value: empty, or like a name.
fn parse_value(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if is_label_text(text) {
        Ok(text.to_owned())
    } else {
        Err(
            "the value is no label value; those are at most 63 letters, digits, '-', '_' and '.', first and last a letter or digit",
        )
    }
}

fn is_label_text(text: &str) -> bool {
    let inner = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let ends = [text.chars().next(), text.chars().next_back()];
    text.len() <= 63 && text.chars().all(inner) && ends.iter().flatten().all(char::is_ascii_alphanumeric)
}

impl fmt::Display for LabelSelector {
    /// The text form; parses to an equal selector.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms: Vec<String> = self.requirements.iter().map(ToString::to_string).collect();
        formatter.write_str(&terms.join(","))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let list =
            |values: &BTreeSet<String>| values.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        match &self.operator {
            Operator::In(values) if values.len() == 1 => write!(formatter, "{key}={}", list(values)),
            Operator::NotIn(values) if values.len() == 1 => write!(formatter, "{key}!={}", list(values)),
            Operator::In(values) => write!(formatter, "{key} in ({})", list(values)),
            Operator::NotIn(values) => write!(formatter, "{key} notin ({})", list(values)),
            Operator::Exists => formatter.write_str(key),
            Operator::DoesNotExist => write!(formatter, "!{key}"),
            Operator::GreaterThan(bound) => write!(formatter, "{key}>{bound}"),
            Operator::LessThan(bound) => write!(formatter, "{key}<{bound}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> BTreeMap<String, String> {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn text_there_and_back() {
        for (text, shown) in [
            ("", ""),
            ("a=b", "a=b"),
            (" a == b , c != d ", "a=b,c!=d"),
            ("e in (y, x),f notin (z),g,!h", "e in (x,y),f!=z,g,!h"),
            ("f notin(z,y),x in (a)", "f notin (y,z),x=a"),
            ("example.com/app=", "example.com/app="),
            ("a in (,b)", "a in (,b)"),
            ("n>1,m<-5", "n>1,m<-5"),
        ] {
            let selector: LabelSelector = text.parse().unwrap();
            assert_eq!(selector.to_string(), shown, "{text}");
            assert_eq!(shown.parse(), Ok(selector), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        for wrong in [
            ",",
            "a,",
            "a=b=c",
            "a=b c",
            "a b",
            "!",
            "=b",
            "a in x",
            "a in (x",
            "a off (x)",
            "a!b",
            "a>x",
            "a=-",
            "/a",
            "a/",
            "a/b/c",
            "Ä=1",
            "A/b=1",
            "in (x)",
            "a in (b))",
        ] {
            let error = wrong.parse::<LabelSelector>().unwrap_err().to_string();
            assert!(error.starts_with("label selector term"), "{wrong}: {error}");
        }
    }

    #[test]
    fn requirements_hold_or_not() {
        for (selector, text, expected) in [
            ("", "", true),
            ("a=b", "a=b,c=d", true),
            ("a=b", "a=c", false),
            ("a=b", "", false),
            ("a!=b", "", true),
            ("a!=b", "a=b", false),
            ("a in (b,c)", "a=c", true),
            ("a notin (b,c)", "a=c", false),
            ("a notin (b,c)", "", true),
            ("a", "a=", true),
            ("!a", "a=", false),
            ("a>3", "a=4", true),
            ("a>3", "a=3", false),
            ("a<3", "a=x", false),
            ("a=b,c=d", "a=b", false),
        ] {
            let parsed: LabelSelector = selector.parse().unwrap();
            assert_eq!(parsed.matches(&labels(text)), expected, "{selector} on {text}");
        }
    }

    #[test]
    fn selectors_of_specs() {
        let expression = |operator: &str, values: &[&str]| meta_v1::LabelSelectorRequirement {
            key: "tier".to_owned(),
            operator: operator.to_owned(),
            values: values.iter().map(|&value| value.to_owned()).collect(),
        };
        let selector = |expressions: Vec<meta_v1::LabelSelectorRequirement>| meta_v1::LabelSelector {
            match_labels: labels("app=web"),
            match_expressions: expressions,
        };
        let fine = selector(vec![
            expression("NotIn", &["back", "db"]),
            expression("Exists", &[]),
        ]);
        assert_eq!(
            LabelSelector::try_from(&fine).unwrap().to_string(),
            "app=web,tier notin (back,db),tier"
        );
        for (operator, values, said) in [
            ("In", &[][..], "matchExpressions[0].values: In needs"),
            (
                "Exists",
                &["x"][..],
                "matchExpressions[0].values: Exists takes no",
            ),
            (
                "Gt",
                &["1"][..],
                "matchExpressions[0].operator: \"Gt\" is none of",
            ),
        ] {
            let error = LabelSelector::try_from(&selector(vec![expression(operator, values)])).unwrap_err();
            assert!(error.to_string().starts_with(said), "{error}");
        }
    }
}
