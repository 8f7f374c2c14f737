//! The rules for selectors: of labels, and of nodes.

use std::collections::BTreeMap;

use bosun_proto::core_v1::{NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};
use bosun_proto::meta_v1::LabelSelector;

use super::check::Check;
use super::{metadata, names};

/// Whether labels are what a selector asks for; false also for a selector that makes no sense.
pub(super) fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    bosun_proto::selector::LabelSelector::try_from(selector).is_ok_and(|selector| selector.matches(labels))
}

/// Keys, operators and values of a label selector, at the place where `check` is.
pub(super) fn check_label_selector(check: &mut Check, selector: &LabelSelector) {
    metadata::check_labels(check, "matchLabels", &selector.match_labels);
    check.each(
        "matchExpressions",
        &selector.match_expressions,
        |check, expression| {
            check.text("key", names::qualified_name(&expression.key));
            check.one_of(
                "operator",
                &expression.operator,
                &["In", "NotIn", "Exists", "DoesNotExist"],
            );
            check_value_count(check, &expression.operator, &expression.values);
            check.each("values", &expression.values, |check, value| {
                check.text("", names::label_value(value));
            });
        },
    );
}

/// Terms and requirements of a node selector, at the place where `check` is.
pub(super) fn check_node_selector(check: &mut Check, selector: &NodeSelector) {
    if selector.node_selector_terms.is_empty() {
        check.required(
            "nodeSelectorTerms",
            "give at least one term; without one no node would fit",
        );
    }
    check.each(
        "nodeSelectorTerms",
        &selector.node_selector_terms,
        check_node_term,
    );
}

/// One term of a node selector.
pub(super) fn check_node_term(check: &mut Check, term: &NodeSelectorTerm) {
    check.each(
        "matchExpressions",
        &term.match_expressions,
        |check, requirement| {
            check.text("key", names::qualified_name(&requirement.key));
            check_node_requirement(check, requirement);
        },
    );
    check.each("matchFields", &term.match_fields, |check, requirement| {
        check.one_of("key", &requirement.key, &["metadata.name"]);
        check.one_of("operator", &requirement.operator, &["In", "NotIn"]);
        if requirement.values.len() != 1 {
            check.required("values", "give exactly one name");
        }
    });
}

fn check_node_requirement(check: &mut Check, requirement: &NodeSelectorRequirement) {
    let NodeSelectorRequirement { operator, values, .. } = requirement;
    check.one_of(
        "operator",
        operator,
        &["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"],
    );
    if operator == "Gt" || operator == "Lt" {
        if !matches!(values.as_slice(), [value] if value.parse::<i64>().is_ok()) {
            check.required(
                "values",
                format!("{operator} compares with exactly one whole number"),
            );
        }
    } else {
        check_value_count(check, operator, values);
        check.each("values", values, |check, value| {
            check.text("", names::label_value(value));
        });
    }
}

fn check_value_count(check: &mut Check, operator: &str, values: &[String]) {
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            check.required("values", format!("{operator} needs at least one value"));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            check.forbidden("values", format!("{operator} takes no values: leave them out"));
        }
        _ => {}
    }
}
