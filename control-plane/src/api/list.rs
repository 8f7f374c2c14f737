//! Lists: a page of one snapshot, filtered.

use bosun_core::kinds;
use bosun_core::refusal::Refusal;
use bosun_core::state::Snapshot;
use bosun_proto::selector::{FieldSelector, LabelSelector};
use bosun_proto::{Key, Kind, Object};

/// Which objects are meant.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    /// Of this kind.
    pub(crate) kind: Kind,
    /// Of this namespace; `None` for all.
    pub(crate) namespace: Option<String>,
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    /// Parses the texts of a request; empty texts select everything.
    pub(crate) fn parse(kind: Kind, namespace: &str, labels: &str, fields: &str) -> Result<Self, Refusal> {
        let labels: LabelSelector = labels
            .parse()
            .map_err(|error| Refusal::BadRequest(format!("label selector \"{labels}\": {error}")))?;
        let fields: FieldSelector = fields
            .parse()
            .map_err(|error| Refusal::BadRequest(format!("field selector \"{fields}\": {error}")))?;
        let known = kinds::selectable_fields(kind);
        for path in fields.terms.iter().map(|term| term.path.as_str()) {
            if !known.contains(&path) && path != "metadata.name" && path != "metadata.namespace" {
                let mut names = vec!["metadata.name", "metadata.namespace"];
                names.extend(known);
                let message = format!(
                    "field selector: \"{path}\" cannot be selected on for {}; use one of: {}",
                    kind.info().plural,
                    names.join(", ")
                );
                return Err(Refusal::BadRequest(message));
            }
        }
        let namespace = (!namespace.is_empty() && kind.info().namespaced).then(|| namespace.to_owned());
        Ok(Self {
            kind,
            namespace,
            labels,
            fields,
        })
    }

    /// Whether an object is meant.
    pub(crate) fn matches(&self, object: &Object) -> bool {
        let metadata = object.metadata();
        object.kind() == self.kind
            && self
                .namespace
                .as_ref()
                .is_none_or(|namespace| *namespace == metadata.namespace)
            && self.labels.matches(&metadata.labels)
            && self.fields.matches(|path| kinds::selectable_field(object, path))
    }
}

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    /// The objects.
    pub(crate) items: Vec<Object>,
    /// The version of the first page: a watch from it misses nothing that the pages show or leave out.
    pub(crate) version: u64,
    /// How to get the next page; empty when there is none.
    pub(crate) continue_token: String,
    /// How many objects are left after this page.
    pub(crate) remaining: usize,
}

/// The page after `continue_token` (empty: the first) with at most `limit` objects (0: all).
pub(crate) fn page(
    snapshot: &Snapshot,
    selection: &Selection,
    limit: usize,
    continue_token: &str,
) -> Result<Page, Refusal> {
    let (version, objects): (u64, Box<dyn Iterator<Item = &Object>>) = if continue_token.is_empty() {
        (
            snapshot.version(),
            Box::new(snapshot.list(selection.kind, selection.namespace.as_deref())),
        )
    } else {
        let (version, after) = parse_token(selection.kind, continue_token)?;
        (version, Box::new(snapshot.list_after(&after)))
    };
    let mut matching = objects.filter(|object| selection.matches(object));
    let limit = if limit == 0 { usize::MAX } else { limit };
    let items: Vec<Object> = matching.by_ref().take(limit).cloned().collect();
    let remaining = matching.count();
    let continue_token = match items.last() {
        Some(last) if remaining > 0 => format!("{version}:{}/{}", last.key().namespace, last.key().name),
        _ => String::new(),
    };
    Ok(Page {
        items,
        version,
        continue_token,
        remaining,
    })
}

fn parse_token(kind: Kind, token: &str) -> Result<(u64, Key), Refusal> {
    let parts = token.split_once(':').and_then(|(version, key)| {
        let (namespace, name) = key.split_once('/')?;
        Some((version.parse().ok()?, Key::new(kind, namespace, name)))
    });
    parts.ok_or_else(|| {
        Refusal::BadRequest(format!(
            "continue token \"{token}\" is not one of this server's: list again without it"
        ))
    })
}
