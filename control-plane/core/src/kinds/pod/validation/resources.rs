//! The rules for what a container asks for and is limited to.

use std::collections::BTreeMap;

use bosun_proto::core_v1::ResourceRequirements;
use bosun_proto::scalars::Quantity;

use crate::kinds::check::Check;
use crate::kinds::names;

/// The resources that need no domain in front of their name.
const BUILT_IN: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
const HUGE_PAGES: &str = "hugepages-";

pub(super) fn check_requirements(check: &mut Check, requirements: &ResourceRequirements) {
    check_amounts(check, "limits", &requirements.limits);
    check_amounts(check, "requests", &requirements.requests);
    check.at("requests", |check| {
        for (name, request) in &requirements.requests {
            check_within_limit(check, name, request, requirements.limits.get(name));
        }
    });
}

/// Names and amounts of resources.
pub(super) fn check_amounts(check: &mut Check, field: &str, amounts: &BTreeMap<String, Quantity>) {
    check.at(field, |check| {
        for (name, amount) in amounts {
            let place = format!("[{name}]");
            check.text(&place, unknown_resource(name));
            check.amount(&place, amount);
        }
    });
}

fn unknown_resource(name: &str) -> Option<String> {
    let fine = BUILT_IN.contains(&name)
        || name.starts_with(HUGE_PAGES)
        || name.contains('/') && names::qualified_name(name).is_none();
    (!fine).then(|| {
        let name = names::quoted(name);
        format!(
            "{name} is not a resource; use one of: {}, or a name with a domain, as in example.com/gpu",
            BUILT_IN.join(", ")
        )
    })
}

fn check_within_limit(check: &mut Check, name: &str, request: &Quantity, limit: Option<&Quantity>) {
    let place = format!("[{name}]");
    if unknown_resource(name).is_some() {
        return;
    }
    let may_be_shared = BUILT_IN.contains(&name);
    let Some(limit) = limit else {
        if !may_be_shared {
            check.required(&place, "cannot be shared: give the same amount as a limit");
        }
        return;
    };
    let (Ok(asked), Ok(allowed)) = (request.amount(), limit.amount()) else {
        return;
    };
    if asked > allowed {
        check.invalid(
            &place,
            format!("{request} is more than the limit {limit}: lower it or raise the limit"),
        );
    } else if asked != allowed && !may_be_shared {
        check.invalid(
            &place,
            format!("{request} cannot be shared: must be the same as the limit {limit}"),
        );
    }
}
