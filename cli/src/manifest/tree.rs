//! Owns the tree a manifest is read into: plain JSON data in which every value still knows its line. Turning text into this
//! tree is `yaml`'s part, giving it a meaning is `strict`'s.

use serde_json::{Map, Number, Value};

/// A value and the line it began on.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The line in the file, from 1.
    pub(crate) line: usize,
    /// What stands there.
    pub(crate) content: Content,
}

/// The data of a node.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Nothing: `null`, `~` or no text.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole or fractional number.
    Number(Number),
    /// Text.
    Text(String),
    /// A list.
    Sequence(Vec<Node>),
    /// Named fields in the order written; names are unique.
    Mapping(Vec<Field>),
}

/// One named field of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// The field's name.
    pub(crate) name: String,
    /// The line the name stands on, from 1.
    pub(crate) line: usize,
    /// The field's value.
    pub(crate) value: Node,
}

impl Node {
    /// The value of a field, when this is a mapping that has it.
    pub(crate) fn field(&self, name: &str) -> Option<&Node> {
        self.fields()
            .iter()
            .find(|field| field.name == name)
            .map(|field| &field.value)
    }

    /// The fields of a mapping; none for anything else.
    pub(crate) fn fields(&self) -> &[Field] {
        match &self.content {
            Content::Mapping(fields) => fields,
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Text(_)
            | Content::Sequence(_) => &[],
        }
    }

    /// The text, when this is text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Null
            | Content::Bool(_)
            | Content::Number(_)
            | Content::Sequence(_)
            | Content::Mapping(_) => None,
        }
    }

    /// The same data without lines.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Number(number) => Value::Number(number.clone()),
            Content::Text(text) => Value::String(text.clone()),
            Content::Sequence(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Content::Mapping(fields) => {
                let fields = fields
                    .iter()
                    .map(|field| (field.name.clone(), field.value.to_json()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// The line of the field at `path` (`spec.template.spec.containers[0].image`), or of its nearest enclosing value that
    /// exists. A map key that contains dots (a label) is found too, because each step takes the longest name that fits.
    pub(crate) fn line_of(&self, path: &str) -> usize {
        let mut node = self;
        let mut line = self.line;
        let mut rest = path.trim_start_matches('.');
        while !rest.is_empty() {
            let Some((next_line, next, after)) = node.step(rest) else {
                break;
            };
            line = next_line;
            node = next;
            rest = after.trim_start_matches('.');
        }
        line
    }

    /// Follows the first step of `path`: the line of what it leads to, its value, and the path that remains.
    fn step<'tree, 'path>(&'tree self, path: &'path str) -> Option<(usize, &'tree Node, &'path str)> {
        match &self.content {
            Content::Sequence(items) => {
                let (inside, after) = path.strip_prefix('[')?.split_once(']')?;
                let item = items.get(inside.parse::<usize>().ok()?)?;
                Some((item.line, item, after))
            }
            Content::Mapping(fields) => {
                let bracketed = path.strip_prefix('[').and_then(|inside| inside.split_once(']'));
                let fitting = fields.iter().filter_map(|field| {
                    if let Some((inside, after)) = bracketed {
                        return (inside.trim_matches(['"', '\'']) == field.name).then_some((field, after));
                    }
                    let after = path.strip_prefix(field.name.as_str())?;
                    (after.is_empty() || after.starts_with(['.', '['])).then_some((field, after))
                });
                let (field, after) = fitting.max_by_key(|(field, _)| field.name.len())?;
                Some((field.line, &field.value, after))
            }
            Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) => None,
        }
    }
}
