//! Owns the reading of YAML (and JSON, which is nearly a subset) into trees with lines, one per document, within limits.
//!
//! The parser crate delivers events; the tree is built here, because only so are duplicate keys, depth, aliases and the
//! meaning of scalars ours to decide. No recursion on the way in, so no input can exhaust the stack.

use super::scalar;
use super::tree::{Content, Field, Node};
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use std::collections::{BTreeMap, BTreeSet};

/// How deep mappings and lists may be nested. The deepest Kubernetes field lies at about 20.
const DEPTH_MAX: usize = 64;
/// How many values one file may hold after aliases are expanded.
const VALUES_MAX: usize = 1_000_000;

/// Why text is not a readable document, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct YamlError {
    /// The line, from 1.
    pub(crate) line: usize,
    /// What is wrong and what to do.
    pub(crate) message: String,
}

/// A mapping or list that has begun and not ended.
struct Open {
    anchor: usize,
    line: usize,
    kind: OpenKind,
}

enum OpenKind {
    Sequence(Vec<Node>),
    Mapping {
        fields: Vec<Field>,
        names: BTreeSet<String>,
        key: Option<(String, usize)>,
        merges: Vec<Node>,
    },
}

/// The documents under construction.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, (Node, usize)>,
    documents: Vec<Node>,
    values: usize,
}

/// Reads all documents of `text`. Empty documents are left out.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub(crate) fn documents(text: &str) -> Result<Vec<Node>, YamlError> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| syntax_error(text, error.marker().line(), error.info()))?;
        let line = span.start.line();
        builder
            .event(event, line)
            .map_err(|message| YamlError { line, message })?;
    }
    builder
        .documents
        .retain(|document| !matches!(document.content, Content::Null));
    Ok(builder.documents)
}

fn syntax_error(text: &str, line: usize, info: &str) -> YamlError {
    // The parser has a bound of its own on brackets, above ours.
    let message = if info.contains("recursion limit") {
        too_deep()
    } else {
        format!("not valid YAML: {info}{}", syntax_hint(text, line))
    };
    YamlError { line, message }
}

fn too_deep() -> String {
    format!("nested deeper than {DEPTH_MAX} levels; no Kubernetes object is")
}

/// The commonest causes of a syntax error, said in plain words.
fn syntax_hint(text: &str, line: usize) -> &'static str {
    let around = text.lines().skip(line.saturating_sub(2)).take(2);
    if around
        .into_iter()
        .any(|shown| shown.trim_start_matches(' ').starts_with('\t'))
    {
        " (the line is indented with a tab; YAML wants spaces)"
    } else {
        " (look at the indentation, quotes and colons of this line and the one before)"
    }
}

impl Builder {
    fn event(&mut self, event: Event<'_>, line: usize) -> Result<(), String> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                // An alias may only name an anchor of its own document.
                self.anchors.clear();
                Ok(())
            }
            Event::Alias(anchor) => {
                let Some(size) = self.anchors.get(&anchor).map(|(_, size)| *size) else {
                    return Err(
                        "an alias (*name) stands inside the value it names; write the value out".to_owned(),
                    );
                };
                // Counted before it is copied, so that the copy is bounded too.
                self.count(size)?;
                let content = self
                    .anchors
                    .get(&anchor)
                    .map_or(Content::Null, |(node, _)| node.content.clone());
                self.value(Node { line, content }, 0)
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1)?;
                let content = scalar_content(&text, style, tag.as_deref())?;
                self.value(Node { line, content }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), "seq")?;
                self.begin(Open {
                    anchor,
                    line,
                    kind: OpenKind::Sequence(Vec::new()),
                })
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), "map")?;
                let kind = OpenKind::Mapping {
                    fields: Vec::new(),
                    names: BTreeSet::new(),
                    key: None,
                    merges: Vec::new(),
                };
                self.begin(Open { anchor, line, kind })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn count(&mut self, values: usize) -> Result<(), String> {
        self.values = self.values.saturating_add(values);
        if self.values > VALUES_MAX {
            return Err(format!(
                "the file holds more than {VALUES_MAX} values once its aliases (*name) are expanded; split the file or write the values out"
            ));
        }
        Ok(())
    }

    fn begin(&mut self, open: Open) -> Result<(), String> {
        self.count(1)?;
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep());
        }
        if let Some(Open {
            kind: OpenKind::Mapping { key: None, .. },
            ..
        }) = self.open.last()
        {
            return Err("a field name must be text, not a list or a mapping".to_owned());
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let open = self
            .open
            .pop()
            .ok_or("a list or mapping ends that did not begin")?;
        let content = match open.kind {
            OpenKind::Sequence(items) => Content::Sequence(items),
            OpenKind::Mapping {
                mut fields,
                mut names,
                merges,
                ..
            } => {
                for field in merges.iter().flat_map(Node::fields) {
                    if names.insert(field.name.clone()) {
                        fields.push(field.clone());
                    }
                }
                Content::Mapping(fields)
            }
        };
        self.value(
            Node {
                line: open.line,
                content,
            },
            open.anchor,
        )
    }

    /// Puts a finished value where it belongs: a key, a field, a list item or the document itself.
    fn value(&mut self, node: Node, anchor: usize) -> Result<(), String> {
        if anchor != 0 {
            let size = size(&node);
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let depth = self.open.len() + depth(&node);
        if depth > DEPTH_MAX {
            return Err(format!(
                "nested deeper than {DEPTH_MAX} levels once aliases (*name) are expanded"
            ));
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        match &mut open.kind {
            OpenKind::Sequence(items) => items.push(node),
            OpenKind::Mapping {
                fields,
                names,
                key,
                merges,
            } => match key.take() {
                None => *key = Some((key_text(&node)?, node.line)),
                Some((name, _)) if name == "<<" => merges.extend(merge_sources(node)?),
                Some((name, line)) => {
                    if !names.insert(name.clone()) {
                        return Err(format!(
                            "the field {name:?} is given twice (also before line {line}); remove one"
                        ));
                    }
                    fields.push(Field {
                        name,
                        line,
                        value: node,
                    });
                }
            },
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    match &node.content {
        Content::Sequence(items) => 1 + items.iter().map(size).sum::<usize>(),
        Content::Mapping(fields) => 1 + fields.iter().map(|field| 1 + size(&field.value)).sum::<usize>(),
        Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) => 1,
    }
}

/// How many levels of lists and mappings a value has; bounded, because the parts were checked before.
fn depth(node: &Node) -> usize {
    match &node.content {
        Content::Sequence(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Content::Mapping(fields) => 1 + fields.iter().map(|field| depth(&field.value)).max().unwrap_or(0),
        Content::Null | Content::Bool(_) | Content::Number(_) | Content::Text(_) => 0,
    }
}

fn scalar_content(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Content, String> {
    match tag {
        None if style == ScalarStyle::Plain => scalar::plain(text),
        None => Ok(Content::Text(text.to_owned())),
        Some(tag) if tag.is_yaml_core_schema() => match tag.suffix.as_str() {
            "str" => Ok(Content::Text(text.to_owned())),
            "int" | "float" | "bool" | "null" => scalar::plain(text),
            _ => Err(unknown_tag(tag)),
        },
        // A lone `!` means: take it as written.
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Ok(Content::Text(text.to_owned())),
        Some(tag) => Err(unknown_tag(tag)),
    }
}

fn check_tag(tag: Option<&Tag>, expected: &str) -> Result<(), String> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == expected) => Err(unknown_tag(tag)),
        Some(_) | None => Ok(()),
    }
}

fn unknown_tag(tag: &Tag) -> String {
    format!("the YAML tag {tag} has no meaning in a manifest; remove it")
}

fn key_text(node: &Node) -> Result<String, String> {
    match &node.content {
        Content::Text(text) => Ok(text.clone()),
        Content::Number(number) => Ok(number.to_string()),
        Content::Bool(value) => Ok(value.to_string()),
        Content::Null => Err("a field has no name before its colon".to_owned()),
        Content::Sequence(_) | Content::Mapping(_) => {
            Err("a field name must be text, not a list or a mapping".to_owned())
        }
    }
}

/// What a merge key (`<<`) takes fields from: one mapping or a list of them.
fn merge_sources(node: Node) -> Result<Vec<Node>, String> {
    let sources = match node.content {
        Content::Sequence(items) => items,
        content => vec![Node {
            line: node.line,
            content,
        }],
    };
    if sources
        .iter()
        .all(|source| matches!(source.content, Content::Mapping(_)))
    {
        Ok(sources)
    } else {
        Err("the merge key << needs a mapping or a list of mappings".to_owned())
    }
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
