//! Owns the guess at which field an unknown one was meant to be, from the schema's descriptors.

use crate::nearest::nearest;
use bosun_proto::{FILE_DESCRIPTOR_SET, Kind};
use prost::Message as _;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use std::collections::BTreeMap;

/// The messages of the schema by full name, with a dot in front, as fields name their types.
pub(crate) struct Schema(BTreeMap<String, DescriptorProto>);

impl Schema {
    /// Reads the descriptors compiled into the program.
    pub(crate) fn load() -> Self {
        // They were written by our own build; without them there are no hints, and that is all.
        let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET)
            .unwrap_or_default()
            .file;
        let named = files.into_iter().flat_map(|file| {
            let package = file.package.unwrap_or_default();
            let named = move |message: DescriptorProto| (format!(".{package}.{}", message.name()), message);
            file.message_type.into_iter().map(named)
        });
        Self(named.collect())
    }

    /// The field that the last name of `path` was probably meant to be, in an object of that kind.
    pub(crate) fn suggest(&self, kind: Kind, path: &str) -> Option<String> {
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        let mut message = self.message_of(kind)?;
        for step in parent.split('.').filter(|step| !step.is_empty()) {
            let field_name = step.split('[').next().unwrap_or(step);
            let field = self
                .fields(message)
                .into_iter()
                .find(|field| field.name() == field_name)?;
            message = self.0.get(field.type_name())?;
        }
        let fields = self.fields(message);
        let top = ["apiVersion", "kind"].into_iter().filter(|_| parent.is_empty());
        let known = fields.iter().map(|field| field.name()).chain(top);
        nearest(name, known).map(str::to_owned)
    }

    fn message_of(&self, kind: Kind) -> Option<&DescriptorProto> {
        let info = kind.info();
        let group = if info.group.is_empty() { "core" } else { info.group };
        self.0
            .get(&format!(".k8s.io.api.{group}.{}.{}", info.version, info.kind))
    }

    /// The fields of a message, and those of the messages that stand inline in it.
    fn fields<'a>(&'a self, message: &'a DescriptorProto) -> Vec<&'a FieldDescriptorProto> {
        let inline = |field: &&FieldDescriptorProto| INLINE.contains(&field.name());
        let inner = message
            .field
            .iter()
            .filter(inline)
            .filter_map(|field| self.0.get(field.type_name()));
        let inner = inner.flat_map(|message| &message.field);
        message
            .field
            .iter()
            .filter(|field| !inline(field))
            .chain(inner)
            .collect()
    }
}

/// The fields whose own fields stand in their place in JSON (the schema marks them with the option `inline`).
const INLINE: &[&str] = &[
    "handler",
    "volumeSource",
    "ephemeralContainerCommon",
    "localObjectReference",
];

#[cfg(test)]
mod tests {
    use super::Schema;
    use bosun_proto::Kind;

    #[test]
    fn suggestions_know_where_they_are() {
        let schema = Schema::load();
        let suggest = |kind, path| schema.suggest(kind, path).unwrap_or_default();
        assert_eq!(
            suggest(Kind::Job, "spec.template.spec.containers[0].imagee"),
            "image"
        );
        assert_eq!(suggest(Kind::Job, "spec.completion"), "completions");
        assert_eq!(
            suggest(Kind::CronJob, "spec.jobTemplate.spec.paralelism"),
            "parallelism"
        );
        assert_eq!(suggest(Kind::Pod, "spec.volumes[3].emptydir"), "emptyDir");
        assert_eq!(suggest(Kind::Pod, "metdata"), "metadata");
        assert_eq!(suggest(Kind::Pod, "apiversion"), "apiVersion");
        assert_eq!(suggest(Kind::Pod, "metadata.label"), "labels");
        assert_eq!(suggest(Kind::Pod, "spec.somethingElse"), "");
        assert_eq!(suggest(Kind::Pod, "spec.nowhere.x"), "");
    }
}
