//! Owns what a list or a watch may be narrowed by, and the paging of lists.

use bosun_proto::{Kind, Object, api};

/// How many objects one page of a list asks for.
pub(crate) const PAGE: i64 = 500;

/// Which objects: a kind, and what narrows it.
#[derive(Clone, Debug)]
pub struct Query {
    /// The kind of the objects.
    pub kind: Kind,
    /// Their namespace; empty for all namespaces and for cluster-scoped kinds.
    pub namespace: String,
    /// For example `app=web,tier in (front,back)`; empty for all.
    pub label_selector: String,
    /// For example `metadata.name=x`; empty for all.
    pub field_selector: String,
}

impl Query {
    /// All objects of a kind in one namespace (or in all, when it is empty).
    pub fn new(kind: Kind, namespace: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            label_selector: String::new(),
            field_selector: String::new(),
        }
    }

    /// Narrowed by labels.
    #[must_use]
    pub fn labels(mut self, selector: &str) -> Self {
        selector.clone_into(&mut self.label_selector);
        self
    }

    /// Narrowed by fields.
    #[must_use]
    pub fn fields(mut self, selector: &str) -> Self {
        selector.clone_into(&mut self.field_selector);
        self
    }

    /// The one object of that name.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        let selector = format!("metadata.name={name}");
        self.fields(&selector)
    }

    pub(crate) fn list_request(&self, continue_token: &str) -> api::ListRequest {
        api::ListRequest {
            kind: api::Kind::from(self.kind).into(),
            namespace: self.namespace.clone(),
            label_selector: self.label_selector.clone(),
            field_selector: self.field_selector.clone(),
            limit: PAGE,
            r#continue: continue_token.to_owned(),
            resource_version: String::new(),
        }
    }

    pub(crate) fn watch_request(&self, resource_version: &str) -> api::WatchRequest {
        api::WatchRequest {
            kind: api::Kind::from(self.kind).into(),
            namespace: self.namespace.clone(),
            label_selector: self.label_selector.clone(),
            field_selector: self.field_selector.clone(),
            resource_version: resource_version.to_owned(),
            allow_bookmarks: true,
        }
    }
}

/// The answer to a list: all pages of one version of the state.
#[derive(Clone, Debug)]
pub struct List {
    /// The objects, in the order of their namespaces and names.
    pub items: Vec<Object>,
    /// The version the list shows; a watch from here misses nothing.
    pub resource_version: String,
}
