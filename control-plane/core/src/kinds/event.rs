//! Events: checks, columns. What becomes an Event is decided in [`crate::event`].

use bosun_proto::Resource;
use bosun_proto::core_v1::{Event, EventSource, ObjectReference};
use bosun_proto::scalars::Time;

use super::check::Check;
use super::{Column, Rules, age};
use crate::refusal::FieldError;

/// Where the Events about objects that live in no namespace are.
const NAMESPACE_OF_CLUSTER_EVENTS: [&str; 2] = ["default", "kube-system"];

impl Rules for Event {
    fn validate(&self) -> Vec<FieldError> {
        Check::collect(|check| {
            let about = about(self);
            let namespace = &self.metadata().namespace;
            let fits = if about.namespace.is_empty() {
                NAMESPACE_OF_CLUSTER_EVENTS.contains(&namespace.as_str())
            } else {
                about.namespace == *namespace
            };
            if !fits {
                let message = format!("must be the namespace of the event, which is {namespace:?}");
                check.invalid("involvedObject.namespace", message);
            }
            check.one_of_or_absent("type", &self.r#type, &["Normal", "Warning"]);
            check.not_negative("count", self.count);
        })
    }

    const SELECTABLE_FIELDS: &'static [&'static str] = &[
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ];

    fn selectable_field(&self, path: &str) -> String {
        let about = about(self);
        let component = self
            .source
            .as_ref()
            .map(|source| source.component.clone())
            .unwrap_or_default();
        match path {
            "involvedObject.kind" => about.kind,
            "involvedObject.namespace" => about.namespace,
            "involvedObject.name" => about.name,
            "involvedObject.uid" => about.uid,
            "involvedObject.apiVersion" => about.api_version,
            "involvedObject.resourceVersion" => about.resource_version,
            "involvedObject.fieldPath" => about.field_path,
            "reason" => self.reason.clone(),
            "reportingComponent" => self.reporting_component.clone(),
            "source" if component.is_empty() => self.reporting_component.clone(),
            "source" => component,
            "type" => self.r#type.clone(),
            _ => String::new(),
        }
    }

    const NAME_FIRST: bool = false;

    const COLUMNS: &'static [Column] = &[
        Column::new("Last Seen"),
        Column::new("Type"),
        Column::new("Reason"),
        Column::new("Object"),
        Column::new("Message"),
        Column::wide("Subobject"),
        Column::wide("Source"),
        Column::wide("First Seen"),
        Column::wide("Count"),
        Column::wide("Name"),
    ];

    fn cells(&self, now: Time) -> Vec<String> {
        let about = about(self);
        let first = self.first_timestamp.or_else(|| self.event_time.map(Time::from));
        let series = self.series.as_ref();
        let last = series
            .and_then(|series| series.last_observed_time)
            .map(Time::from)
            .or(self.last_timestamp)
            .or(first);
        let count = series.map_or(self.count, |series| series.count).max(1);
        vec![
            age::since(last, now),
            self.r#type.clone(),
            self.reason.clone(),
            format!("{}/{}", about.kind.to_lowercase(), about.name),
            self.message.trim().to_owned(),
            about.field_path,
            source(self),
            age::since(first, now),
            count.to_string(),
            self.metadata().name.clone(),
        ]
    }
}

fn about(event: &Event) -> ObjectReference {
    event.involved_object.clone().unwrap_or_default()
}

fn source(event: &Event) -> String {
    let EventSource { component, host } = event.source.clone().unwrap_or_default();
    let component = if component.is_empty() {
        event.reporting_component.clone()
    } else {
        component
    };
    if host.is_empty() {
        component
    } else {
        format!("{component}, {host}")
    }
}
