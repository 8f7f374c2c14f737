//! What may be changed in a pod that exists. Source of the rules: Kubernetes' pod updates.

use bosun_proto::Resource;
use bosun_proto::core_v1::{Container, Pod, PodSpec, Toleration};
use bosun_proto::node_loss::ON_NODE_LOSS_ANNOTATION;

use super::{is_finished, phase, spec, status};
use crate::kinds::check::Check;
use crate::kinds::difference::first_difference;

/// Images, a shorter deadline, more tolerations, fewer gates; nothing else.
pub(super) fn check_update(check: &mut Check, old: &Pod, new: &Pod) {
    check_node_loss(check, old, new);
    let (old, new) = (spec(old), spec(new));
    check.at("spec", |check| {
        check_deadline(check, old.active_deadline_seconds, new.active_deadline_seconds);
        check_tolerations(check, &old.tolerations, &new.tolerations);
        let gate_added = new.scheduling_gates.iter().any(|gate| !old.scheduling_gates.contains(gate));
        if gate_added {
            check.forbidden("schedulingGates", "gates can only be taken away from a pod that exists");
        }
        if let Some(field) = first_difference(old, &without_mutable_fields(old, new)) {
            let message = "may not be changed once the pod exists, only images, activeDeadlineSeconds (shorter), \
                           tolerations (more) and schedulingGates (fewer) may: delete the pod and create it anew";
            check.forbidden(&field, message);
        }
    });
}

/// An agent that is cut off could not hear of the change, and control plane and agent must go by the same rule.
fn check_node_loss(check: &mut Check, old: &Pod, new: &Pod) {
    let choice = |pod: &Pod| pod.metadata().annotations.get(ON_NODE_LOSS_ANNOTATION).cloned();
    if choice(old) != choice(new) {
        check.forbidden(
            &format!("metadata.annotations[{ON_NODE_LOSS_ANNOTATION}]"),
            "may not be changed once the pod exists: delete the pod and create it anew",
        );
    }
}

fn check_deadline(check: &mut Check, old: Option<i64>, new: Option<i64>) {
    let field = "activeDeadlineSeconds";
    match (old, new) {
        (Some(_), None) => check.forbidden(field, "cannot be taken away once it is set, only lowered"),
        (Some(old), Some(new)) if new > old => {
            check.forbidden(field, format!("may only be lowered: {old} at most"));
        }
        _ => {}
    }
}

/// Only tolerationSeconds of the present ones may change.
fn check_tolerations(check: &mut Check, old: &[Toleration], new: &[Toleration]) {
    let same = |a: &Toleration, b: &Toleration| {
        Toleration {
            toleration_seconds: None,
            ..a.clone()
        } == Toleration {
            toleration_seconds: None,
            ..b.clone()
        }
    };
    if !old.iter().all(|old| new.iter().any(|new| same(old, new))) {
        check.forbidden(
            "tolerations",
            "may only be added to a pod that exists: keep those it has",
        );
    }
}

/// `new` with the old values of everything that may change, so that it equals `old` unless something else has changed.
fn without_mutable_fields(old: &PodSpec, new: &PodSpec) -> PodSpec {
    let mut new = new.clone();
    new.active_deadline_seconds = old.active_deadline_seconds;
    new.tolerations.clone_from(&old.tolerations);
    new.scheduling_gates.clone_from(&old.scheduling_gates);
    keep_images(&old.containers, &mut new.containers);
    keep_images(&old.init_containers, &mut new.init_containers);
    new
}

fn keep_images(old: &[Container], new: &mut [Container]) {
    for (old, new) in old.iter().zip(new) {
        new.image.clone_from(&old.image);
    }
}

/// Phases only go forward, and a finished pod stays finished.
pub(super) fn check_status_update(check: &mut Check, old: &Pod, new: &Pod) {
    let (was, is) = (status(old).phase.as_str(), status(new).phase.as_str());
    check.at("status", |check| {
        check.one_of_or_absent(
            "phase",
            is,
            &[phase::PENDING, phase::RUNNING, phase::SUCCEEDED, phase::FAILED],
        );
        if is_finished(old) && was != is {
            check.forbidden("phase", format!("a pod that is {was} stays so"));
        } else if was == phase::RUNNING && (is == phase::PENDING || is.is_empty()) {
            check.forbidden("phase", "a pod that was Running does not become Pending again");
        }
        check.each(
            "containerStatuses",
            &status(new).container_statuses,
            |check, container| {
                check.not_negative("restartCount", container.restart_count);
            },
        );
    });
}
