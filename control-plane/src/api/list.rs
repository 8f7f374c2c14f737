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

/// Where a page other than the first begins.
#[derive(Debug)]
pub(crate) struct Start {
    /// The version of the first page.
    pub(crate) version: u64,
    after: Key,
}

impl Start {
    /// Reads a continue token; `None` for the empty one, which asks for the first page. It says only where to go on, so any
    /// server takes one that another gave.
    pub(crate) fn parse(kind: Kind, token: &str) -> Result<Option<Self>, Refusal> {
        if token.is_empty() {
            return Ok(None);
        }
        let start = token.split_once(':').and_then(|(version, key)| {
            let (namespace, name) = key.split_once('/')?;
            Some(Self {
                version: version.parse().ok()?,
                after: Key::new(kind, namespace, name),
            })
        });
        start.map(Some).ok_or_else(|| {
            Refusal::BadRequest(format!(
                "continue token \"{token}\" was not given by a list: list again without it"
            ))
        })
    }

    fn token(version: u64, last: &Object) -> String {
        let key = last.key();
        format!("{version}:{}/{}", key.namespace, key.name)
    }
}

/// The page from `start` (`None`: the first) with at most `limit` objects (0: all).
pub(crate) fn page(snapshot: &Snapshot, selection: &Selection, limit: usize, start: Option<&Start>) -> Page {
    let (version, objects): (u64, Box<dyn Iterator<Item = &Object>>) = match start {
        None => (
            snapshot.version(),
            Box::new(snapshot.list(selection.kind, selection.namespace.as_deref())),
        ),
        Some(start) => (start.version, Box::new(snapshot.list_after(&start.after))),
    };
    let mut matching = objects.filter(|object| selection.matches(object));
    let limit = if limit == 0 { usize::MAX } else { limit };
    let items: Vec<Object> = matching.by_ref().take(limit).cloned().collect();
    let remaining = matching.count();
    let continue_token = match items.last() {
        Some(last) if remaining > 0 => Start::token(version, last),
        _ => String::new(),
    };
    Page {
        items,
        version,
        continue_token,
        remaining,
    }
}
