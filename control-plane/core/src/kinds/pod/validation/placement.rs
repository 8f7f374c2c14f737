//! The rules for what decides on which node a pod may run.

use std::collections::BTreeSet;

use bosun_proto::core_v1::{
    Affinity, NodeAffinity, PodAffinityTerm, PodSpec, Toleration, TopologySpreadConstraint,
    WeightedPodAffinityTerm,
};

use crate::kinds::check::Check;
use crate::kinds::selector::{check_label_selector, check_node_selector, check_node_term};
use crate::kinds::{metadata, names};

/// The effects a taint may have.
pub(in crate::kinds) const TAINT_EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const WEIGHTS: (i64, i64) = (1, 100);

pub(super) fn check_placement(check: &mut Check, spec: &PodSpec) {
    metadata::check_labels(check, "nodeSelector", &spec.node_selector);
    check.each("tolerations", &spec.tolerations, check_toleration);
    if let Some(affinity) = &spec.affinity {
        check.at("affinity", |check| check_affinity(check, affinity));
    }
    let mut taken = BTreeSet::new();
    check.each(
        "topologySpreadConstraints",
        &spec.topology_spread_constraints,
        |check, constraint| {
            check_spread(check, constraint);
            if !taken.insert((
                constraint.topology_key.clone(),
                constraint.when_unsatisfiable.clone(),
            )) {
                check.duplicate(
                    "topologyKey",
                    "another constraint has the same topologyKey and whenUnsatisfiable",
                );
            }
        },
    );
    let mut taken = BTreeSet::new();
    check.each("schedulingGates", &spec.scheduling_gates, |check, gate| {
        check.text("name", names::qualified_name(&gate.name));
        if !taken.insert(gate.name.clone()) {
            check.duplicate(
                "name",
                format!("another gate is called {} already", names::quoted(&gate.name)),
            );
        }
    });
}

fn check_toleration(check: &mut Check, toleration: &Toleration) {
    if !toleration.key.is_empty() {
        check.text("key", names::qualified_name(&toleration.key));
    } else if toleration.operator != "Exists" {
        check.invalid(
            "operator",
            "must be Exists when key is empty, which then tolerates every taint",
        );
    }
    check.one_of_or_absent("operator", &toleration.operator, &["Equal", "Exists"]);
    if toleration.operator == "Exists" && !toleration.value.is_empty() {
        check.invalid("value", "Exists looks at no value: leave it out, or use Equal");
    }
    check.text("value", names::label_value(&toleration.value));
    check.one_of_or_absent("effect", &toleration.effect, &TAINT_EFFECTS);
    if toleration.toleration_seconds.is_some() && toleration.effect != "NoExecute" {
        check.invalid("effect", "must be NoExecute when tolerationSeconds is set");
    }
}

fn check_affinity(check: &mut Check, affinity: &Affinity) {
    if let Some(node) = &affinity.node_affinity {
        check.at("nodeAffinity", |check| check_node_affinity(check, node));
    }
    let pod = affinity.pod_affinity.as_ref().map(|pods| {
        let required = &pods.required_during_scheduling_ignored_during_execution;
        (
            "podAffinity",
            required,
            &pods.preferred_during_scheduling_ignored_during_execution,
        )
    });
    let anti = affinity.pod_anti_affinity.as_ref().map(|pods| {
        let required = &pods.required_during_scheduling_ignored_during_execution;
        (
            "podAntiAffinity",
            required,
            &pods.preferred_during_scheduling_ignored_during_execution,
        )
    });
    for (field, required, preferred) in [pod, anti].into_iter().flatten() {
        check.at(field, |check| {
            check.each(
                "requiredDuringSchedulingIgnoredDuringExecution",
                required,
                check_pod_term,
            );
            check.each(
                "preferredDuringSchedulingIgnoredDuringExecution",
                preferred,
                check_weighted_term,
            );
        });
    }
}

fn check_node_affinity(check: &mut Check, affinity: &NodeAffinity) {
    if let Some(required) = &affinity.required_during_scheduling_ignored_during_execution {
        check.at("requiredDuringSchedulingIgnoredDuringExecution", |check| {
            check_node_selector(check, required);
        });
    }
    let preferred = &affinity.preferred_during_scheduling_ignored_during_execution;
    check.each(
        "preferredDuringSchedulingIgnoredDuringExecution",
        preferred,
        |check, term| {
            check.in_range("weight", term.weight, WEIGHTS.0, WEIGHTS.1);
            if let Some(preference) = &term.preference {
                check.at("preference", |check| check_node_term(check, preference));
            }
        },
    );
}

fn check_weighted_term(check: &mut Check, weighted: &WeightedPodAffinityTerm) {
    check.in_range("weight", weighted.weight, WEIGHTS.0, WEIGHTS.1);
    check.at("podAffinityTerm", |check| match &weighted.pod_affinity_term {
        None => check.required("", "say which pods are meant"),
        Some(term) => check_pod_term(check, term),
    });
}

fn check_pod_term(check: &mut Check, term: &PodAffinityTerm) {
    if term.topology_key.is_empty() {
        check.required(
            "topologyKey",
            "name the node label that says what counts as near, as kubernetes.io/hostname",
        );
    } else {
        check.text("topologyKey", names::qualified_name(&term.topology_key));
    }
    for (field, selector) in [
        ("labelSelector", &term.label_selector),
        ("namespaceSelector", &term.namespace_selector),
    ] {
        if let Some(selector) = selector {
            check.at(field, |check| check_label_selector(check, selector));
        }
    }
    check.each("namespaces", &term.namespaces, |check, namespace| {
        check.text("", names::dns_label(namespace));
    });
}

fn check_spread(check: &mut Check, constraint: &TopologySpreadConstraint) {
    check.at_least("maxSkew", constraint.max_skew, 1);
    if constraint.topology_key.is_empty() {
        check.required(
            "topologyKey",
            "name the node label whose values are the domains to spread over",
        );
    } else {
        check.text("topologyKey", names::qualified_name(&constraint.topology_key));
    }
    check.one_of(
        "whenUnsatisfiable",
        &constraint.when_unsatisfiable,
        &["DoNotSchedule", "ScheduleAnyway"],
    );
    if let Some(least) = constraint.min_domains {
        check.at_least("minDomains", least, 1);
        if constraint.when_unsatisfiable != "DoNotSchedule" {
            check.invalid("minDomains", "needs whenUnsatisfiable DoNotSchedule");
        }
    }
    let policies = [
        ("nodeAffinityPolicy", &constraint.node_affinity_policy),
        ("nodeTaintsPolicy", &constraint.node_taints_policy),
    ];
    for (field, policy) in policies {
        if let Some(policy) = policy {
            check.one_of(field, policy, &["Honor", "Ignore"]);
        }
    }
    if let Some(selector) = &constraint.label_selector {
        check.at("labelSelector", |check| check_label_selector(check, selector));
    }
}
