//! Who may write what: the table behind docs/field-owners.md, checked for every plan that a test carries out.

use bosun_proto::{Kind, Object};
use serde_json::Value;

use crate::state::{Snapshot, Write};

/// What one component may do.
struct Rights {
    component: &'static str,
    /// Kinds it makes.
    creates: &'static [Kind],
    /// Kinds it removes; `None` for all.
    removes: Option<&'static [Kind]>,
    /// Fields it changes, by kind (`None` for all) and beginning of the path.
    changes: &'static [(Option<Kind>, &'static [&'static str])],
    counts: bool,
}

/// What beginning and completing a deletion changes.
const ENDING: &[&str] = &["metadata.deletion", "metadata.finalizers", "metadata.generation"];
const OWNERS: &[&str] = &["metadata.ownerReferences"];

const RIGHTS: &[Rights] = &[
    Rights {
        component: "job-controller",
        creates: &[Kind::Pod],
        removes: Some(&[Kind::Pod]),
        changes: &[
            (Some(Kind::Job), &["status"]),
            (Some(Kind::Pod), ENDING),
            (Some(Kind::Pod), OWNERS),
        ],
        counts: true,
    },
    Rights {
        component: "cronjob-controller",
        creates: &[Kind::Job],
        removes: Some(&[Kind::Job]),
        changes: &[
            (
                Some(Kind::CronJob),
                &["status", "metadata.annotations.bosun.dev/schedule-since"],
            ),
            (Some(Kind::Job), ENDING),
        ],
        counts: false,
    },
    Rights {
        component: "replicaset-controller",
        creates: &[Kind::Pod],
        removes: Some(&[Kind::Pod]),
        changes: &[
            (Some(Kind::ReplicaSet), &["status"]),
            (Some(Kind::Pod), ENDING),
            (Some(Kind::Pod), OWNERS),
        ],
        counts: false,
    },
    Rights {
        component: "ttl-controller",
        creates: &[],
        removes: Some(&[Kind::Job, Kind::Event]),
        changes: &[(Some(Kind::Job), ENDING), (Some(Kind::Event), ENDING)],
        counts: false,
    },
    Rights {
        component: "garbage-collector",
        creates: &[],
        removes: None,
        // Pods whose node does not exist have no one else who could say that they are lost.
        changes: &[(None, ENDING), (None, OWNERS), (Some(Kind::Pod), &["status"])],
        counts: true,
    },
    Rights {
        component: "namespace-controller",
        creates: &[Kind::Namespace],
        removes: None,
        changes: &[
            (None, ENDING),
            (Some(Kind::Namespace), &["status", "spec.finalizers"]),
        ],
        counts: false,
    },
    Rights {
        component: "node-controller",
        creates: &[],
        removes: Some(&[Kind::Pod]),
        changes: &[
            (
                Some(Kind::Node),
                &["status.conditions", "spec.taints", "metadata.generation"],
            ),
            (Some(Kind::Pod), &["status"]),
            (Some(Kind::Pod), ENDING),
        ],
        counts: true,
    },
    Rights {
        component: "default-scheduler",
        creates: &[],
        removes: Some(&[]),
        changes: &[(
            Some(Kind::Pod),
            &["status.conditions", "status.nominatedNodeName"],
        )],
        counts: false,
    },
];

/// Whether a component may do all of these writes.
///
/// # Errors
/// The first write that is not its to make.
pub(super) fn check(snapshot: &Snapshot, component: &str, writes: &[Write]) -> Result<(), String> {
    let rights = RIGHTS.iter().find(|rights| rights.component == component);
    let rights = rights.ok_or_else(|| format!("{component} is not in the table of testing/fields.rs"))?;
    writes.iter().try_for_each(|write| {
        let kind = write.key().kind;
        let allowed = match write {
            Write::Create(_) => rights.creates.contains(&kind),
            Write::Delete { .. } => rights.removes.is_none_or(|kinds| kinds.contains(&kind)),
            Write::Count(_) => rights.counts,
            Write::Progress(_) => component == "job-controller",
            Write::Bind { .. } => component == "default-scheduler",
            Write::Expect { .. } => true,
            Write::Replace { object, .. } => return may_change(rights, snapshot, object),
        };
        if allowed {
            Ok(())
        } else {
            Err(format!(
                "{component} may not do this to {}: {write:?}",
                write.key()
            ))
        }
    })
}

fn may_change(rights: &Rights, snapshot: &Snapshot, object: &Object) -> Result<(), String> {
    // Whoever is too late is told so by the write's precondition.
    let Some(stored) = snapshot.get(&object.key()) else {
        return Ok(());
    };
    if stored.metadata().resource_version != object.metadata().resource_version {
        return Ok(());
    }
    let mut changed = Vec::new();
    differences(&stored.to_json(), &object.to_json(), String::new(), &mut changed);
    let owned = |path: &String| {
        let fields = rights
            .changes
            .iter()
            .filter(|(kind, _)| kind.is_none_or(|kind| kind == object.kind()));
        fields
            .flat_map(|(_, fields)| *fields)
            .any(|field| path.starts_with(field))
    };
    match changed.iter().find(|path| !owned(path)) {
        None => Ok(()),
        Some(path) => Err(format!(
            "{} may not change {path} of {}",
            rights.component,
            object.key()
        )),
    }
}

/// The paths at which two objects differ; a list is one value.
fn differences(old: &Value, new: &Value, path: String, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let fields = old
                .keys()
                .chain(new.keys().filter(|field| !old.contains_key(*field)));
            for field in fields {
                let below = if path.is_empty() {
                    field.clone()
                } else {
                    format!("{path}.{field}")
                };
                let empty = Value::Object(serde_json::Map::new());
                let value = |of: &serde_json::Map<String, Value>, other: Option<&Value>| match of.get(field) {
                    Some(value) => value.clone(),
                    None if other.is_some_and(Value::is_object) => empty.clone(),
                    None => Value::Null,
                };
                differences(
                    &value(old, new.get(field)),
                    &value(new, old.get(field)),
                    below,
                    found,
                );
            }
        }
        (old, new) if old != new => found.push(path),
        _ => {}
    }
}
