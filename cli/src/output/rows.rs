//! Owns the rows of objects: which columns a call shows, around the cells that each kind in bosun-core gives.

use super::table::Table;
use crate::target::reference;
use bosun_core::kinds;
use bosun_proto::core_v1::Event;
use bosun_proto::{Kind, Object, Resource as _, Time};

/// Which columns to show.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Columns {
    /// Also those of `-o wide`.
    pub(crate) wide: bool,
    /// The namespace in front.
    pub(crate) namespaces: bool,
    /// The labels at the end.
    pub(crate) labels: bool,
    /// The kind before each name, where several kinds are shown.
    pub(crate) kinds: bool,
}

impl Columns {
    /// A table with the headings of a kind.
    pub(crate) fn table(self, kind: Kind) -> Table {
        let own = kinds::columns(kind)
            .iter()
            .filter(|column| self.wide || !column.wide);
        let namespace = self.shows_namespace(kind).then_some("Namespace");
        let labels = self.labels.then_some("Labels");
        let name = Some("Name").filter(|_| kind != Kind::Event);
        Table::new(
            namespace
                .into_iter()
                .chain(name)
                .chain(own.map(|column| column.name))
                .chain(labels),
        )
    }

    /// The row of an object.
    pub(crate) fn row(self, object: &Object, now: Time) -> Vec<String> {
        let kind = object.kind();
        let metadata = object.metadata();
        let mut row = Vec::new();
        if self.shows_namespace(kind) {
            row.push(metadata.namespace.clone());
        }
        // An event's name says nothing to people; its own columns begin with what does.
        if kind != Kind::Event {
            row.push(if self.kinds {
                reference(kind, &metadata.name)
            } else {
                metadata.name.clone()
            });
        }
        let own = kinds::columns(kind).iter().zip(kinds::cells(object, now));
        row.extend(
            own.filter(|(column, _)| self.wide || !column.wide)
                .map(|(_, cell)| cell),
        );
        if self.labels {
            let labels: Vec<String> = metadata
                .labels
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            row.push(if labels.is_empty() {
                "<none>".to_owned()
            } else {
                labels.join(",")
            });
        }
        row
    }

    fn shows_namespace(self, kind: Kind) -> bool {
        self.namespaces && kind.info().namespaced
    }
}

/// When an event happened last.
pub(crate) fn last_seen(event: &Event) -> Option<Time> {
    let of_series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time)
        .map(Time::from);
    of_series
        .or(event.last_timestamp)
        .or_else(|| event.event_time.map(Time::from))
        .or(event.metadata().creation_timestamp)
}
