//! Does the pod tolerate the node's taints?

use bosun_proto::core_v1::{Node, Taint, Toleration};

use super::super::demand::Demand;
use super::Reason;
use crate::kinds::node;

/// The first taint that keeps the pod away.
pub(super) fn explain(demand: &Demand<'_>, node: &Node) -> Option<Reason> {
    let taints = node::spec(node).taints.iter();
    let mut keeping_away = taints.filter(|taint| taint.effect == "NoSchedule" || taint.effect == "NoExecute");
    let taint = keeping_away.find(|taint| !tolerates(demand.tolerations, taint))?;
    Some(format!("node(s) had untolerated taint {{{}: {}}}", taint.key, taint.value).into())
}

/// True when one of the tolerations covers the taint. Source: Kubernetes' matching of taints: an empty effect covers every
/// effect; `Exists` covers every value and, with an empty key, every taint.
pub(in crate::scheduler) fn tolerates(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| {
        let effect = toleration.effect.is_empty() || toleration.effect == taint.effect;
        let exists = toleration.operator == "Exists";
        let key = toleration.key == taint.key || (toleration.key.is_empty() && exists);
        effect && key && (exists || toleration.value == taint.value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_toleration_covers() {
        let taint = Taint {
            key: "disk".into(),
            value: "slow".into(),
            effect: "NoSchedule".into(),
            ..Taint::default()
        };
        // key, operator, value, effect
        let table = [
            ("disk", "Equal", "slow", "NoSchedule", true),
            ("disk", "", "slow", "", true),
            ("disk", "Equal", "fast", "NoSchedule", false),
            ("disk", "Equal", "slow", "NoExecute", false),
            ("disk", "Exists", "", "NoSchedule", true),
            ("", "Exists", "", "", true),
            ("", "Equal", "slow", "", false),
            ("", "Exists", "", "NoExecute", false),
            ("net", "Exists", "", "", false),
        ];
        for (key, operator, value, effect, expected) in table {
            let toleration = Toleration {
                key: key.into(),
                operator: operator.into(),
                value: value.into(),
                effect: effect.into(),
                toleration_seconds: None,
            };
            assert_eq!(
                tolerates(&[toleration], &taint),
                expected,
                "{key} {operator} {value} {effect}"
            );
        }
        assert!(!tolerates(&[], &taint));
    }
}
