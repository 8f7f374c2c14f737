//! Terms over the labels and the name of a node.

use bosun_proto::Resource;
use bosun_proto::core_v1::{Node, NodeSelectorRequirement, NodeSelectorTerm};

/// True when all requirements of the term hold. A term without any matches nothing. Source: Kubernetes' node selector terms.
pub(in crate::scheduler) fn term_matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    let metadata = node.metadata();
    let labels =
        |requirement: &NodeSelectorRequirement| metadata.labels.get(&requirement.key).map(String::as_str);
    let fields = |requirement: &NodeSelectorRequirement| {
        (requirement.key == "metadata.name").then_some(metadata.name.as_str())
    };
    let is_empty = term.match_expressions.is_empty() && term.match_fields.is_empty();
    !is_empty
        && term
            .match_expressions
            .iter()
            .all(|requirement| holds(requirement, labels(requirement)))
        && term
            .match_fields
            .iter()
            .all(|requirement| holds(requirement, fields(requirement)))
}

/// An unknown operator matches nothing; validation lets none in.
fn holds(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let listed = || value.is_some_and(|value| requirement.values.iter().any(|wanted| wanted == value));
    match requirement.operator.as_str() {
        "In" => listed(),
        "NotIn" => !listed(),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers(requirement, value).is_some_and(|(value, bound)| value > bound),
        "Lt" => numbers(requirement, value).is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}

fn numbers(requirement: &NodeSelectorRequirement, value: Option<&str>) -> Option<(i64, i64)> {
    Some((value?.parse().ok()?, requirement.values.first()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use bosun_proto::meta_v1::ObjectMeta;

    use super::*;

    fn node() -> Node {
        let labels = [("zone", "a"), ("cores", "8")]
            .map(|(key, value)| (key.into(), value.into()))
            .into();
        Node {
            metadata: Some(ObjectMeta {
                name: "n1".into(),
                labels,
                ..ObjectMeta::default()
            }),
            ..Node::default()
        }
    }

    fn requirement(key: &str, operator: &str, values: &[&str]) -> NodeSelectorRequirement {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        NodeSelectorRequirement {
            key: key.into(),
            operator: operator.into(),
            values,
        }
    }

    #[test]
    fn what_each_operator_matches() {
        let table: &[(&str, &str, &[&str], bool)] = &[
            ("zone", "In", &["b", "a"], true),
            ("zone", "In", &["b"], false),
            ("rack", "In", &["b"], false),
            ("zone", "NotIn", &["a"], false),
            ("zone", "NotIn", &["b"], true),
            ("rack", "NotIn", &["b"], true),
            ("zone", "Exists", &[], true),
            ("rack", "Exists", &[], false),
            ("zone", "DoesNotExist", &[], false),
            ("rack", "DoesNotExist", &[], true),
            ("cores", "Gt", &["7"], true),
            ("cores", "Gt", &["8"], false),
            ("cores", "Lt", &["16"], true),
            ("cores", "Lt", &["8"], false),
            ("zone", "Gt", &["1"], false),
            ("rack", "Lt", &["1"], false),
            ("zone", "Like", &["a"], false),
        ];
        for (key, operator, values, expected) in table {
            let term = NodeSelectorTerm {
                match_expressions: vec![requirement(key, operator, values)],
                match_fields: Vec::new(),
            };
            assert_eq!(
                term_matches(&term, &node()),
                *expected,
                "{key} {operator} {values:?}"
            );
        }
    }

    #[test]
    fn a_term_needs_all_of_its_requirements_and_at_least_one() {
        let term = |expressions: &[(&str, &str)], name: Option<&str>| NodeSelectorTerm {
            match_expressions: expressions
                .iter()
                .map(|(key, value)| requirement(key, "In", &[value]))
                .collect(),
            match_fields: name
                .map(|name| requirement("metadata.name", "In", &[name]))
                .into_iter()
                .collect(),
        };
        assert!(!term_matches(&term(&[], None), &node()));
        assert!(term_matches(&term(&[], Some("n1")), &node()));
        assert!(!term_matches(&term(&[], Some("n2")), &node()));
        assert!(term_matches(
            &term(&[("zone", "a"), ("cores", "8")], Some("n1")),
            &node()
        ));
        assert!(!term_matches(
            &term(&[("zone", "a"), ("cores", "9")], Some("n1")),
            &node()
        ));
    }
}
