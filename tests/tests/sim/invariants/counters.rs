//! A Job counts each end of a pod once: what it says is what its pods say, and what its pods say is what really
//! happened.

use std::collections::BTreeSet;

use bosun_proto::batch_v1::Job;
use bosun_proto::core_v1::Pod;
use bosun_proto::{Kind, Resource};

use crate::evidence::{Evidence, Notes};

pub(super) fn check(_: &Evidence, notes: &Notes) -> Result<(), String> {
    let well_ended: BTreeSet<&str> = notes
        .lives
        .iter()
        .filter(|life| life.end.is_some_and(|(_, exit_code)| exit_code == 0))
        .map(|life| &*life.id.pod_uid)
        .collect();
    for job in notes.at_the_end(Kind::Job).filter_map(Job::from_object) {
        let status = job.status.clone().unwrap_or_default();
        let key = job.key();
        let pods: Vec<_> = notes
            .at_the_end(Kind::Pod)
            .filter_map(Pod::from_object)
            .filter(|pod| {
                pod.metadata()
                    .owner_references
                    .iter()
                    .any(|owner| owner.uid == job.metadata().uid)
            })
            .collect();
        let of_phase = |phase: &str| {
            pods.iter()
                .filter(|pod| pod.status.as_ref().is_some_and(|status| status.phase == phase))
                .count()
        };
        let says = (status.succeeded, status.failed);
        let is = (of_phase("Succeeded"), of_phase("Failed"));
        if (usize::try_from(says.0), usize::try_from(says.1)) != (Ok(is.0), Ok(is.1)) {
            return Err(format!(
                "{key} counts {says:?} succeeded and failed pods, there are {is:?}"
            ));
        }
        let wanted = job.spec.as_ref().and_then(|spec| spec.completions).unwrap_or(1);
        if says.0 != wanted {
            return Err(format!("{key} is complete with {} of {wanted}", says.0));
        }
        let invented = pods.iter().find(|pod| {
            let succeeded = pod
                .status
                .as_ref()
                .is_some_and(|status| status.phase == "Succeeded");
            succeeded && !well_ended.contains(&*pod.metadata().uid)
        });
        if let Some(pod) = invented {
            return Err(format!("{} succeeded, but never ended with 0", pod.key()));
        }
    }
    Ok(())
}
