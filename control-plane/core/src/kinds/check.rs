//! Collects what is wrong with an object, and where. What the rules are is in the files of the kinds.

use bosun_proto::scalars::Quantity;

use crate::refusal::{FieldError, FieldErrorKind};

/// More errors than these do not help anybody; the rest is left out.
const ERRORS_MAX: usize = 50;

/// Walks down an object; knows the path of where it is.
pub(super) struct Check {
    path: String,
    errors: Vec<FieldError>,
}

impl Check {
    /// Everything that `rules` find wrong.
    pub(super) fn collect(rules: impl FnOnce(&mut Self)) -> Vec<FieldError> {
        let mut check = Self {
            path: String::new(),
            errors: Vec::new(),
        };
        rules(&mut check);
        check.errors
    }

    /// Checks what is below `field`, which may be several steps (`spec.template`).
    pub(super) fn at(&mut self, field: &str, rules: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        join(&mut self.path, field);
        rules(self);
        self.path.truncate(length);
    }

    /// Checks each element of a list.
    pub(super) fn each<T>(&mut self, field: &str, items: &[T], mut rules: impl FnMut(&mut Self, &T)) {
        for (index, item) in items.iter().enumerate() {
            if self.errors.len() == ERRORS_MAX {
                return;
            }
            self.at(field, |check| {
                check.at(&format!("[{index}]"), |check| rules(check, item));
            });
        }
    }

    /// Adds an error at `field`, or here when `field` is empty.
    pub(super) fn error(&mut self, kind: FieldErrorKind, field: &str, message: impl Into<String>) {
        if self.errors.len() < ERRORS_MAX {
            let mut path = self.path.clone();
            join(&mut path, field);
            self.errors.push(FieldError::new(kind, path, message));
        }
    }

    /// A malformed value, or one out of range.
    pub(super) fn invalid(&mut self, field: &str, message: impl Into<String>) {
        self.error(FieldErrorKind::Invalid, field, message);
    }

    /// A missing value.
    pub(super) fn required(&mut self, field: &str, message: impl Into<String>) {
        self.error(FieldErrorKind::Required, field, message);
    }

    /// A field that may not be set here, or not be changed.
    pub(super) fn forbidden(&mut self, field: &str, message: impl Into<String>) {
        self.error(FieldErrorKind::Forbidden, field, message);
    }

    /// A value that is there twice.
    pub(super) fn duplicate(&mut self, field: &str, message: impl Into<String>) {
        self.error(FieldErrorKind::Duplicate, field, message);
    }

    /// Takes over what a check of one value found wrong with it.
    pub(super) fn text(&mut self, field: &str, problem: Option<String>) {
        if let Some(problem) = problem {
            self.invalid(field, problem);
        }
    }

    /// The value must be one of `allowed`; the empty text is a missing value.
    pub(super) fn one_of(&mut self, field: &str, value: &str, allowed: &[&str]) {
        if value.is_empty() {
            self.required(field, format!("use one of: {}", allowed.join(", ")));
        } else if !allowed.contains(&value) {
            let error = FieldError::not_supported(field, value, allowed);
            self.error(error.kind, field, error.message);
        }
    }

    /// Like [`Check::one_of`], for a value that may be missing.
    pub(super) fn one_of_or_absent(&mut self, field: &str, value: &str, allowed: &[&str]) {
        if !value.is_empty() {
            self.one_of(field, value, allowed);
        }
    }

    /// The number must be 0 or more.
    pub(super) fn not_negative(&mut self, field: &str, number: impl Into<i64>) {
        self.at_least(field, number, 0);
    }

    /// The number must be `least` or more.
    pub(super) fn at_least(&mut self, field: &str, number: impl Into<i64>, least: i64) {
        let number = number.into();
        if number < least {
            self.invalid(field, format!("{number} is too small: must be {least} or more"));
        }
    }

    /// The number must be within both ends.
    pub(super) fn in_range(&mut self, field: &str, number: impl Into<i64>, first: i64, last: i64) {
        let number = number.into();
        if !(first..=last).contains(&number) {
            self.invalid(
                field,
                format!("{number} is out of range: must be from {first} to {last}"),
            );
        }
    }

    /// The amount must be readable and not negative.
    pub(super) fn amount(&mut self, field: &str, quantity: &Quantity) {
        match quantity.amount() {
            Err(error) => self.invalid(field, error.to_string()),
            Ok(amount) if amount.nanos() < 0 => {
                self.invalid(field, format!("{quantity} is negative: must be 0 or more"));
            }
            Ok(_) => {}
        }
    }

    /// The value may not differ from the stored one.
    pub(super) fn unchanged<T: PartialEq>(&mut self, field: &str, old: &T, new: &T, way_out: &str) {
        if old != new {
            self.forbidden(field, format!("may not be changed; {way_out}"));
        }
    }
}

fn join(path: &mut String, field: &str) {
    if !path.is_empty() && !field.is_empty() && !field.starts_with('[') {
        path.push('.');
    }
    path.push_str(field);
}
