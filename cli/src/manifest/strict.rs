//! Owns the strict reading of documents as objects: every field must be known and of its type, every object must have a
//! name, no two the same. Goes on after a mistake, so that one run tells them all.

use super::Namespace;
use super::hint::Schema;
use super::json_text;
use super::source::Text;
use super::tree::{Content, Node};
use super::yaml;
use crate::target::reference;
use bosun_proto::{Key, Kind, Object};
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

/// Where a document stands.
#[derive(Clone, Debug)]
struct Place {
    source: String,
    /// The number of the document in its file, from 1; absent when the file has one only.
    document: Option<usize>,
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.source, self.line)?;
        self.document
            .map_or(Ok(()), |number| write!(formatter, " (document {number})"))
    }
}

/// Something that must be mended before anything is sent.
#[derive(Clone, Debug)]
pub(super) struct Mistake {
    place: Place,
    message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

/// One object of a manifest.
#[derive(Clone, Debug)]
pub(crate) struct ManifestObject {
    /// The object, its namespace filled in.
    pub(crate) object: Object,
    /// The same as it was written, for the annotation and the merge of apply.
    pub(crate) json: Value,
    /// The same with its lines.
    tree: Node,
    place: Place,
}

impl ManifestObject {
    /// `job.batch/x`.
    pub(crate) fn reference(&self) -> String {
        let metadata = self.object.metadata();
        let name = if metadata.name.is_empty() {
            &metadata.generate_name
        } else {
            &metadata.name
        };
        reference(self.object.kind(), name)
    }

    /// File and line of one of its fields.
    pub(super) fn place_of(&self, path: &str) -> String {
        let line = self.tree.line_of(path);
        Place {
            line,
            ..self.place.clone()
        }
        .to_string()
    }

    /// File, line and name, to put in front of what went wrong with it.
    pub(crate) fn place(&self) -> String {
        format!("{}: {}", self.place, self.reference())
    }
}

/// Reads all documents of all texts.
pub(super) fn read(texts: &[Text], namespace: Namespace<'_>) -> (Vec<ManifestObject>, Vec<Mistake>) {
    let mut reader = Reader {
        namespace,
        schema: Schema::load(),
        objects: Vec::new(),
        mistakes: Vec::new(),
        seen: BTreeMap::new(),
    };
    for text in texts {
        match yaml::documents(&json_text::readable(&text.text)) {
            Ok(documents) => {
                let several = documents.len() > 1;
                for (index, document) in documents.iter().enumerate() {
                    let number = several.then_some(index + 1);
                    let place = Place {
                        source: text.source.clone(),
                        document: number,
                        line: document.line,
                    };
                    reader.document(document, &place);
                }
            }
            Err(error) => {
                let place = Place {
                    source: text.source.clone(),
                    document: None,
                    line: error.line,
                };
                reader.mistakes.push(Mistake {
                    place,
                    message: error.message,
                });
            }
        }
    }
    (reader.objects, reader.mistakes)
}

struct Reader<'a> {
    namespace: Namespace<'a>,
    schema: Schema,
    objects: Vec<ManifestObject>,
    mistakes: Vec<Mistake>,
    seen: BTreeMap<Key, Place>,
}

impl Reader<'_> {
    fn mistake(&mut self, place: &Place, line: usize, message: impl Into<String>) {
        let place = Place {
            line,
            ..place.clone()
        };
        self.mistakes.push(Mistake {
            place,
            message: message.into(),
        });
    }

    /// One document: an object, or a List of them.
    fn document(&mut self, node: &Node, place: &Place) {
        if !matches!(node.content, Content::Mapping(_)) {
            let message = "expected an object with apiVersion, kind and metadata; is this a manifest?";
            return self.mistake(place, node.line, message);
        }
        let kind = node.field("kind").and_then(Node::text).unwrap_or_default();
        let is_list = kind == "List"
            || kind
                .strip_suffix("List")
                .is_some_and(|item| Kind::parse_word(item).is_some());
        if !is_list {
            return self.object(node, place);
        }
        match node.field("items").map(|items| &items.content) {
            Some(Content::Sequence(items)) => {
                for item in items {
                    self.document(
                        item,
                        &Place {
                            line: item.line,
                            ..place.clone()
                        },
                    );
                }
            }
            Some(Content::Null) | None => self.mistake(place, node.line, format!("the {kind} has no items")),
            Some(Content::Bool(_) | Content::Number(_) | Content::Text(_) | Content::Mapping(_)) => {
                self.mistake(place, node.line_of("items"), "items: expected a list of objects");
            }
        }
    }

    fn object(&mut self, node: &Node, place: &Place) {
        let mut json = node.to_json();
        let (mut object, unknown) = match Object::from_json(json.clone()) {
            Ok(read) => read,
            Err(error) => return self.mistake(place, node.line_of(&error.path), error.to_string()),
        };
        let before = self.mistakes.len();
        for path in unknown {
            let hint = self.schema.suggest(object.kind(), &path);
            let hint = hint.map_or_else(String::new, |hint| format!("; did you mean {hint:?}?"));
            self.mistake(place, node.line_of(&path), format!("{path}: unknown field{hint}"));
        }
        if let Err((path, message)) = self.place_in_namespace(&mut object, &mut json) {
            self.mistake(place, node.line_of(path), message);
        }
        let metadata = object.metadata();
        if metadata.name.is_empty() && metadata.generate_name.is_empty() {
            let message = format!("metadata.name: missing; every {} needs a name", object.kind());
            self.mistake(place, node.line_of("metadata"), message);
        } else if !metadata.name.is_empty() {
            self.remember(object.key(), node, place);
        }
        if self.mistakes.len() == before {
            self.objects.push(ManifestObject {
                object,
                json,
                tree: node.clone(),
                place: place.clone(),
            });
        }
    }

    /// Fills in the namespace an object is meant for; refuses one that contradicts the command line.
    fn place_in_namespace(
        &self,
        object: &mut Object,
        json: &mut Value,
    ) -> Result<(), (&'static str, String)> {
        if !object.kind().info().namespaced {
            return Ok(());
        }
        let written = object.metadata().namespace.clone();
        if written.is_empty() {
            self.namespace
                .name
                .clone_into(&mut object.metadata_mut().namespace);
            if let Some(metadata) = json.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.insert("namespace".to_owned(), self.namespace.name.into());
            }
            return Ok(());
        }
        if self.namespace.explicit && written != self.namespace.name {
            let message = format!(
                "metadata.namespace: is {written:?}, but the command says --namespace {}; change one of them",
                self.namespace.name
            );
            return Err(("metadata.namespace", message));
        }
        Ok(())
    }

    /// Two objects of one name would overwrite each other.
    fn remember(&mut self, key: Key, node: &Node, place: &Place) {
        let line = node.line_of("metadata.name");
        match self.seen.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(Place {
                    line,
                    ..place.clone()
                });
            }
            Entry::Occupied(entry) => {
                let message = format!(
                    "metadata.name: a second {}; the first stands at {}; rename or remove one",
                    entry.key(),
                    entry.get()
                );
                self.mistakes.push(Mistake {
                    place: Place {
                        line,
                        ..place.clone()
                    },
                    message,
                });
            }
        }
    }
}
