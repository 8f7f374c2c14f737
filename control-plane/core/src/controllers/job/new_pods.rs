//! The pods a Job makes.

use bosun_proto::core_v1::{Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod};
use bosun_proto::meta_v1::ObjectMeta;
use bosun_proto::{Kind, Resource};

use super::indexes::Needed;
use super::pods::{FAILURE_COUNT_ANNOTATION, IGNORED_COUNT_ANNOTATION, INDEX_ANNOTATION};
use super::scene::Scene;
use crate::admission::pod_status::JOB_TRACKING_FINALIZER;
use crate::kinds::{controller_reference, pod};
use crate::state::Write;

/// What tells a container of an Indexed Job its index.
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// A pod of a Job that only counts.
pub(super) fn unnumbered(scene: &Scene<'_>) -> Write {
    Write::Create(from_template(scene, &format!("{}-", scene.job.metadata().name)).into())
}

/// A pod for one index: it learns its number by annotation, label, environment, host name and name.
pub(super) fn numbered(scene: &Scene<'_>, needed: &Needed) -> Write {
    let base = format!("{}-{}", scene.job.metadata().name, needed.index);
    let mut pod = from_template(scene, &format!("{base}-"));
    let index = needed.index.to_string();
    let metadata: &mut ObjectMeta = pod.metadata.get_or_insert_default();
    metadata.labels.insert(INDEX_ANNOTATION.into(), index.clone());
    metadata.annotations.insert(INDEX_ANNOTATION.into(), index);
    if scene.spec.backoff_limit_per_index.is_some() {
        metadata.annotations.insert(
            FAILURE_COUNT_ANNOTATION.into(),
            needed.failures.counted.to_string(),
        );
        if needed.failures.ignored > 0 {
            metadata.annotations.insert(
                IGNORED_COUNT_ANNOTATION.into(),
                needed.failures.ignored.to_string(),
            );
        }
    }
    let spec = pod.spec.get_or_insert_default();
    spec.hostname = base;
    for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
        add_index_variable(container);
    }
    Write::Create(pod.into())
}

fn from_template(scene: &Scene<'_>, generate_name: &str) -> Pod {
    let metadata = scene.job.metadata();
    let owner = controller_reference(Kind::Job, metadata);
    let template = scene.spec.template.clone().unwrap_or_default();
    let mut pod = pod::from_template(&template, owner, generate_name, &metadata.namespace);
    pod.metadata
        .get_or_insert_default()
        .finalizers
        .push(JOB_TRACKING_FINALIZER.to_owned());
    pod
}

/// Unless the user has set it.
fn add_index_variable(container: &mut Container) {
    if container
        .env
        .iter()
        .any(|variable| variable.name == INDEX_VARIABLE)
    {
        return;
    }
    let field = ObjectFieldSelector {
        api_version: "v1".into(),
        field_path: format!("metadata.annotations['{INDEX_ANNOTATION}']"),
    };
    container.env.push(EnvVar {
        name: INDEX_VARIABLE.into(),
        value_from: Some(Box::new(EnvVarSource {
            field_ref: Some(field),
            ..EnvVarSource::default()
        })),
        ..EnvVar::default()
    });
}
