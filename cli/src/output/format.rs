//! Owns the choice of `-o`: table, YAML, JSON, names, or single values.

use super::terminal::{print_bytes, print_line};
use super::yaml;
use crate::json_path::Template;
use crate::target::reference;
use anyhow::Result;
use bosun_proto::Object;
use serde_json::{Value, json};

/// How objects are shown.
#[derive(Clone, Debug, Default)]
pub(crate) enum Format {
    /// One row each.
    #[default]
    Table,
    /// One row each, with more columns.
    Wide,
    /// The whole objects.
    Yaml,
    /// The whole objects.
    Json,
    /// KIND/NAME, one a line.
    Name,
    /// What a template finds in each.
    Values(Template),
}

/// Reads `-o`. For clap's `value_parser`.
pub(crate) fn parse(text: &str) -> Result<Format, String> {
    match text.split_once('=') {
        Some(("jsonpath", template)) => Template::parse(template).map(Format::Values),
        Some(_) => Err("write wide, yaml, json, name or jsonpath=TEMPLATE".to_owned()),
        None => match text {
            "wide" => Ok(Format::Wide),
            "yaml" => Ok(Format::Yaml),
            "json" => Ok(Format::Json),
            "name" => Ok(Format::Name),
            _ => Err("write wide, yaml, json, name or jsonpath=TEMPLATE".to_owned()),
        },
    }
}

impl Format {
    /// Whether rows are shown, and not whole objects or names.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self, Self::Table | Self::Wide)
    }

    /// Prints objects in any form but rows. `single` objects are shown bare, several as a List.
    pub(crate) fn print(&self, objects: &[Object], single: bool) -> Result<()> {
        match self {
            Self::Table | Self::Wide => {}
            Self::Name => {
                for object in objects {
                    print_line(&reference(object.kind(), &object.metadata().name))?;
                }
            }
            Self::Yaml => print_bytes(yaml::write(&document(objects, single)).as_bytes())?,
            Self::Json => print_line(&format!("{:#}", document(objects, single)))?,
            Self::Values(template) => {
                let text = template.fill(&document(objects, single));
                print_bytes(text.as_bytes())?;
                if !text.ends_with('\n') {
                    print_line("")?;
                }
            }
        }
        Ok(())
    }
}

fn document(objects: &[Object], single: bool) -> Value {
    match objects {
        [object] if single => readable(object),
        _ => json!({
            "apiVersion": "v1",
            "items": objects.iter().map(readable).collect::<Vec<_>>(),
            "kind": "List",
            "metadata": {"resourceVersion": ""},
        }),
    }
}

/// An object's JSON without the bookkeeping that nobody wants to read.
pub(crate) fn readable(object: &Object) -> Value {
    let mut value = object.to_json();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    value
}

#[cfg(test)]
mod tests {
    use super::{Format, parse};

    #[test]
    fn forms() {
        assert!(parse("wide").unwrap().is_table());
        assert!(matches!(parse("jsonpath={.a}").unwrap(), Format::Values(_)));
        for wrong in ["xml", "jsonpath={.a", "custom-columns=A:.b"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
