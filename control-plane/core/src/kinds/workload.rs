//! What the kinds that make pods from a template have in common in their rows.

use bosun_proto::core_v1::PodTemplateSpec;
use bosun_proto::meta_v1::LabelSelector;

use super::or_none;

/// The cells Containers, Images, Selector.
pub(super) fn cells(template: Option<&PodTemplateSpec>, selector: Option<&LabelSelector>) -> [String; 3] {
    let containers = template
        .and_then(|template| template.spec.as_ref())
        .map(|spec| spec.containers.as_slice())
        .unwrap_or_default();
    let names: Vec<&str> = containers
        .iter()
        .map(|container| container.name.as_str())
        .collect();
    let images: Vec<&str> = containers
        .iter()
        .map(|container| container.image.as_str())
        .collect();
    [
        or_none(&names.join(",")),
        or_none(&images.join(",")),
        or_none(&selector.map(describe).unwrap_or_default()),
    ]
}

/// A selector in the form that `-l` takes: `app=web,tier in (back,front),!old`.
fn describe(selector: &LabelSelector) -> String {
    bosun_proto::selector::LabelSelector::try_from(selector)
        .map(|selector| selector.to_string())
        .unwrap_or_default()
}
