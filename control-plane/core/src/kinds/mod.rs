//! What is particular to each kind: defaults, validation, what may change, selectable fields, printed columns.
//!
//! One file per kind implements [`Rules`]; everything generic calls the functions of this module and knows no kind.

use std::sync::Arc;

use bosun_proto::meta_v1::{ObjectMeta, OwnerReference};
use bosun_proto::scalars::Time;
use bosun_proto::{Kind, Object, Resource};

use crate::refusal::FieldError;

pub mod age;
mod check;
pub mod cron_job;
mod difference;
pub mod event;
#[cfg(test)]
mod fixtures;
pub mod job;
pub mod metadata;
mod names;
pub mod namespace;
pub mod node;
pub mod pod;
pub mod replica_set;
mod selector;
mod unenforced;
mod workload;

/// The rules of one kind.
pub trait Rules: Resource {
    /// Fills in what the user left out. Idempotent.
    fn fill_defaults(&mut self) {}

    /// Sets what belongs to the system in a new object: an empty or initial status, generated selectors and labels. The
    /// metadata has uid, name and creationTimestamp already.
    fn prepare_create(&mut self, _now: Time) {}

    /// Everything wrong with a (defaulted) object, apart from its name and metadata, which are checked for all kinds alike.
    fn validate(&self) -> Vec<FieldError> {
        Vec::new()
    }

    /// Everything wrong with changing `old` into `self`, beyond [`Rules::validate`]: fields that may not change.
    fn validate_update(&self, _old: &Self) -> Vec<FieldError> {
        Vec::new()
    }

    /// Everything wrong with changing the status of `old` into that of `self`.
    fn validate_status_update(&self, _old: &Self) -> Vec<FieldError> {
        Vec::new()
    }

    /// What is accepted but will not have the effect its author may expect; each names the field.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// The paths a field selector may name, beside metadata.name and metadata.namespace.
    const SELECTABLE_FIELDS: &'static [&'static str] = &[];

    /// The value of one of [`Rules::SELECTABLE_FIELDS`].
    fn selectable_field(&self, _path: &str) -> String {
        String::new()
    }

    /// False for the kind whose rows begin with something more telling than their name (it then is a column of its own).
    const NAME_FIRST: bool = true;

    /// The printed columns after NAME (which is first, see [`Rules::NAME_FIRST`]).
    const COLUMNS: &'static [Column];

    /// The cells for [`Rules::COLUMNS`].
    fn cells(&self, now: Time) -> Vec<String>;
}

/// A printed column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its head, as kubectl prints it (`Age`, `Last Schedule`).
    pub name: &'static str,
    /// Printed with `-o wide` only.
    pub wide: bool,
}

impl Column {
    /// A column that is always printed.
    pub const fn new(name: &'static str) -> Self {
        Self { name, wide: false }
    }

    /// A column of the wide form.
    pub const fn wide(name: &'static str) -> Self {
        Self { name, wide: true }
    }
}

/// A cell; `<none>` when there is nothing to print.
fn or_none(text: &str) -> String {
    if text.is_empty() { "<none>" } else { text }.to_owned()
}

/// Calls a method of [`Rules`] on whatever kind `object` is.
macro_rules! dispatch {
    ($object:expr, $bound:ident => $body:expr) => {
        match $object {
            Object::Namespace($bound) => $body,
            Object::Node($bound) => $body,
            Object::Pod($bound) => $body,
            Object::ReplicaSet($bound) => $body,
            Object::Job($bound) => $body,
            Object::CronJob($bound) => $body,
            Object::Event($bound) => $body,
        }
    };
}

/// Uses the type of a kind.
macro_rules! for_kind {
    ($kind:expr, $R:ident => $body:expr) => {
        match $kind {
            Kind::Namespace => {
                type $R = bosun_proto::core_v1::Namespace;
                $body
            }
            Kind::Node => {
                type $R = bosun_proto::core_v1::Node;
                $body
            }
            Kind::Pod => {
                type $R = bosun_proto::core_v1::Pod;
                $body
            }
            Kind::ReplicaSet => {
                type $R = bosun_proto::apps_v1::ReplicaSet;
                $body
            }
            Kind::Job => {
                type $R = bosun_proto::batch_v1::Job;
                $body
            }
            Kind::CronJob => {
                type $R = bosun_proto::batch_v1::CronJob;
                $body
            }
            Kind::Event => {
                type $R = bosun_proto::core_v1::Event;
                $body
            }
        }
    };
}

/// [`Rules::fill_defaults`] of whatever kind it is.
pub fn fill_defaults(object: &mut Object) {
    dispatch!(object, object => Arc::make_mut(object).fill_defaults());
}

/// [`Rules::prepare_create`] of whatever kind it is.
pub fn prepare_create(object: &mut Object, now: Time) {
    dispatch!(object, object => Arc::make_mut(object).prepare_create(now));
}

/// [`Rules::validate`] of whatever kind it is.
pub fn validate(object: &Object) -> Vec<FieldError> {
    dispatch!(object, object => object.validate())
}

/// [`Rules::validate_update`]; both objects are of one kind.
pub fn validate_update(old: &Object, new: &Object) -> Vec<FieldError> {
    dispatch!(new, new => Resource::from_object(old).map_or_else(Vec::new, |old| new.validate_update(old)))
}

/// [`Rules::validate_status_update`]; both objects are of one kind.
pub fn validate_status_update(old: &Object, new: &Object) -> Vec<FieldError> {
    dispatch!(new, new => Resource::from_object(old).map_or_else(Vec::new, |old| new.validate_status_update(old)))
}

/// [`Rules::warnings`] of whatever kind it is.
pub fn warnings(object: &Object) -> Vec<String> {
    dispatch!(object, object => object.warnings())
}

/// The paths a field selector may name for a kind.
pub fn selectable_fields(kind: Kind) -> &'static [&'static str] {
    for_kind!(kind, R => R::SELECTABLE_FIELDS)
}

/// The value of a field that selectors may name; `None` for any other path.
pub fn selectable_field(object: &Object, path: &str) -> Option<String> {
    match path {
        "metadata.name" => Some(object.metadata().name.clone()),
        "metadata.namespace" => Some(object.metadata().namespace.clone()),
        _ if selectable_fields(object.kind()).contains(&path) => {
            Some(dispatch!(object, object => object.selectable_field(path)))
        }
        _ => None,
    }
}

/// The printed columns of a kind after NAME.
pub fn columns(kind: Kind) -> &'static [Column] {
    for_kind!(kind, R => R::COLUMNS)
}

/// Whether a kind's rows begin with the name, before [`columns`].
pub fn name_first(kind: Kind) -> bool {
    for_kind!(kind, R => R::NAME_FIRST)
}

/// The cells of an object's row, for [`columns`] in their order.
pub fn cells(object: &Object, now: Time) -> Vec<String> {
    dispatch!(object, object => object.cells(now))
}

/// The reference by which a dependent names the object that controls it.
pub fn controller_reference(owner: Kind, metadata: &ObjectMeta) -> OwnerReference {
    OwnerReference {
        api_version: owner.api_version().into(),
        kind: owner.info().kind.into(),
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The reference to the object that controls this one.
pub fn controller_of(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata
        .owner_references
        .iter()
        .find(|owner| owner.controller == Some(true))
}

#[cfg(test)]
mod cluster_kinds_tests;
