//! The rules for environment variables and where their values come from.

use bosun_proto::core_v1::{
    Container, EnvFromSource, EnvVar, EnvVarSource, LocalObjectReference, ObjectFieldSelector,
    ResourceFieldSelector,
};

use crate::kinds::check::Check;
use crate::kinds::names;

/// The fields of the pod that a variable may show.
const VARIABLE_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// The fields of the pod that a file may show.
const FILE_FIELDS: [&str; 5] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "metadata.labels",
    "metadata.annotations",
];
/// What one container may learn about its resources.
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
];

pub(super) fn check_environment(check: &mut Check, container: &Container) {
    check.each("env", &container.env, check_variable);
    check.each("envFrom", &container.env_from, check_all_of);
}

fn check_variable(check: &mut Check, variable: &EnvVar) {
    if variable.name.is_empty() {
        check.required("name", "name the variable");
    } else {
        check.text("name", names::environment_name(&variable.name));
    }
    let Some(source) = &variable.value_from else {
        return;
    };
    if !variable.value.is_empty() {
        check.invalid("valueFrom", "cannot be combined with value: choose one");
    }
    check.at("valueFrom", |check| check_source(check, source));
}

fn check_source(check: &mut Check, source: &EnvVarSource) {
    let given = [
        source.field_ref.is_some(),
        source.resource_field_ref.is_some(),
        source.config_map_key_ref.is_some(),
        source.secret_key_ref.is_some(),
        source.file_key_ref.is_some(),
    ];
    if given.into_iter().filter(|given| *given).count() != 1 {
        check.invalid(
            "",
            "give exactly one of fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef",
        );
    }
    if let Some(field) = &source.field_ref {
        check.at("fieldRef", |check| check_field(check, field, &VARIABLE_FIELDS));
    }
    if let Some(resource) = &source.resource_field_ref {
        check.at("resourceFieldRef", |check| check_resource(check, resource));
    }
    if let Some(key) = &source.config_map_key_ref {
        check.at("configMapKeyRef", |check| {
            check_key(check, key.local_object_reference.as_ref(), &key.key);
        });
    }
    if let Some(key) = &source.secret_key_ref {
        check.at("secretKeyRef", |check| {
            check_key(check, key.local_object_reference.as_ref(), &key.key);
        });
    }
}

/// A field of the pod, as a file shows it.
pub(super) fn check_file_field(check: &mut Check, selector: &ObjectFieldSelector) {
    check_field(check, selector, &FILE_FIELDS);
}

fn check_field(check: &mut Check, selector: &ObjectFieldSelector, allowed: &[&str]) {
    check.one_of_or_absent("apiVersion", &selector.api_version, &["v1"]);
    let key_of = |map: &str| {
        selector
            .field_path
            .strip_prefix(map)?
            .strip_prefix("['")?
            .strip_suffix("']")
    };
    match key_of("metadata.labels").or_else(|| key_of("metadata.annotations")) {
        Some(key) => check.text("fieldPath", names::qualified_name(&key.to_lowercase())),
        None if allowed.contains(&selector.field_path.as_str()) => {}
        None => {
            let message = format!(
                "{} cannot be shown to a container; use one of: {}, metadata.labels['key'], metadata.annotations['key']",
                names::quoted(&selector.field_path),
                allowed.join(", ")
            );
            check.invalid("fieldPath", message);
        }
    }
}

/// An amount that the container asks for or is limited to.
pub(super) fn check_resource(check: &mut Check, selector: &ResourceFieldSelector) {
    let resource = selector.resource.as_str();
    let huge_pages = ["limits.hugepages-", "requests.hugepages-"];
    if !huge_pages.iter().any(|prefix| resource.starts_with(prefix)) {
        check.one_of("resource", resource, &RESOURCES);
    }
    if let Some(divisor) = &selector.divisor {
        check.amount("divisor", divisor);
    }
}

fn check_key(check: &mut Check, object: Option<&LocalObjectReference>, key: &str) {
    check_object_name(check, object);
    if key.is_empty() {
        check.required("key", "say which of its entries is meant");
    }
}

fn check_object_name(check: &mut Check, object: Option<&LocalObjectReference>) {
    if object.is_none_or(|object| object.name.is_empty()) {
        check.required("name", "say which object is meant");
    }
}

fn check_all_of(check: &mut Check, source: &EnvFromSource) {
    if !source.prefix.is_empty() {
        check.text("prefix", names::environment_name(&source.prefix));
    }
    if let Some(config_map) = &source.config_map_ref {
        check.at("configMapRef", |check| {
            check_object_name(check, config_map.local_object_reference.as_ref());
        });
    }
    if let Some(secret) = &source.secret_ref {
        check.at("secretRef", |check| {
            check_object_name(check, secret.local_object_reference.as_ref());
        });
    }
    if source.config_map_ref.is_some() == source.secret_ref.is_some() {
        check.invalid("", "give exactly one of configMapRef, secretRef");
    }
}
