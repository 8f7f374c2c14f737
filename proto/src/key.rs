//! What identifies an object among all that exist at one moment. (Its uid identifies it for ever.)

use std::fmt;
use std::sync::Arc;

use crate::kinds::Kind;

/// Kind, namespace and name. Ordered in that way, so that a kind and a namespace are ranges.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The kind.
    pub kind: Kind,
    /// The namespace; empty for kinds that live in none.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl Key {
    /// The key of that name. For a kind that lives in no namespace, `namespace` is not looked at.
    pub fn new(kind: Kind, namespace: impl AsRef<str>, name: impl AsRef<str>) -> Self {
        let namespace = if kind.info().namespaced {
            namespace.as_ref()
        } else {
            ""
        };
        Self {
            kind,
            namespace: namespace.into(),
            name: name.as_ref().into(),
        }
    }
}

impl fmt::Display for Key {
    /// `Job default/hello`, `Node n1`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            namespace,
            name,
        } = self;
        if namespace.is_empty() {
            write!(formatter, "{kind} {name}")
        } else {
            write!(formatter, "{kind} {namespace}/{name}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_and_ordered() {
        assert_eq!(Key::new(Kind::Job, "default", "x").to_string(), "Job default/x");
        assert_eq!(Key::new(Kind::Node, "default", "n1").to_string(), "Node n1");
        assert!(Key::new(Kind::Pod, "z", "z") < Key::new(Kind::Job, "a", "a"));
        assert!(Key::new(Kind::Pod, "a", "z") < Key::new(Kind::Pod, "b", "a"));
    }
}
