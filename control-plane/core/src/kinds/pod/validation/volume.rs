//! The rules for volumes.

use std::collections::BTreeSet;

use bosun_proto::core_v1::{
    DownwardApiVolumeFile, HostPathVolumeSource, KeyToPath, ProjectedVolumeSource, Volume, VolumeSource,
};

use super::environment;
use crate::kinds::check::Check;
use crate::kinds::names;

/// The highest mode of a file: `rwxrwxrwx`.
const MODE_MAX: i64 = 0o777;
/// What a hostPath may be required to be; the empty text requires nothing.
const HOST_PATH_TYPES: [&str; 8] = [
    "",
    "DirectoryOrCreate",
    "Directory",
    "FileOrCreate",
    "File",
    "Socket",
    "CharDevice",
    "BlockDevice",
];

pub(super) fn check_volumes(check: &mut Check, volumes: &[Volume]) {
    let mut taken = BTreeSet::new();
    check.each("volumes", volumes, |check, volume| {
        check.text("name", names::dns_label(&volume.name));
        if !taken.insert(volume.name.clone()) {
            check.duplicate(
                "name",
                format!("another volume is called {} already", names::quoted(&volume.name)),
            );
        }
        match &volume.volume_source {
            None => check.required("", "say what the volume holds, as in emptyDir: {}"),
            Some(source) => check_source(check, source),
        }
    });
}

/// True for what stands for a claim to a persistent volume.
pub(super) fn is_claim(source: &VolumeSource) -> bool {
    source.persistent_volume_claim.is_some() || source.ephemeral.is_some()
}

fn check_source(check: &mut Check, source: &VolumeSource) {
    let given = source_names(source);
    if given.len() > 1 {
        check.forbidden(
            "",
            format!("a volume has one source, not {}: choose one", given.join(" and ")),
        );
    }
    if let Some(host_path) = &source.host_path {
        check.at("hostPath", |check| check_host_path(check, host_path));
    }
    if let Some(limit) = source
        .empty_dir
        .as_ref()
        .and_then(|directory| directory.size_limit.as_ref())
    {
        check.amount("emptyDir.sizeLimit", limit);
    }
    if let Some(directory) = &source.empty_dir
        && !directory.medium.starts_with("HugePages")
    {
        check.one_of_or_absent("emptyDir.medium", &directory.medium, &["Memory"]);
    }
    if let Some(secret) = &source.secret {
        check.at("secret", |check| {
            check_files(
                check,
                "secretName",
                &secret.secret_name,
                secret.default_mode,
                &secret.items,
            );
        });
    }
    if let Some(map) = &source.config_map {
        let name = map
            .local_object_reference
            .as_ref()
            .map_or("", |object| &object.name);
        check.at("configMap", |check| {
            check_files(check, "name", name, map.default_mode, &map.items);
        });
    }
    if let Some(downward) = &source.downward_api {
        check.at("downwardAPI", |check| {
            check_mode(check, "defaultMode", downward.default_mode);
            check.each("items", &downward.items, check_downward_file);
        });
    }
    if let Some(projected) = &source.projected {
        check.at("projected", |check| check_projected(check, projected));
    }
    if source
        .persistent_volume_claim
        .as_ref()
        .is_some_and(|claim| claim.claim_name.is_empty())
    {
        check.required("persistentVolumeClaim.claimName", "say which claim is meant");
    }
}

fn check_host_path(check: &mut Check, source: &HostPathVolumeSource) {
    if source.path.is_empty() {
        check.required("path", "say which path of the node is meant");
    } else if source.path.split('/').any(|step| step == "..") {
        check.invalid("path", "must not contain '..'");
    }
    let host_path_type = source.r#type.as_deref().unwrap_or_default();
    check.one_of_or_absent("type", host_path_type, &HOST_PATH_TYPES[1..]);
}

fn check_files(check: &mut Check, field: &str, name: &str, mode: Option<i32>, items: &[KeyToPath]) {
    if name.is_empty() {
        check.required(field, "say which object is meant");
    }
    check_mode(check, "defaultMode", mode);
    check_items(check, items);
}

fn check_items(check: &mut Check, items: &[KeyToPath]) {
    check.each("items", items, |check, item| {
        if item.key.is_empty() {
            check.required("key", "say which entry is meant");
        }
        check_file_path(check, &item.path);
        check_mode(check, "mode", item.mode);
    });
}

fn check_file_path(check: &mut Check, path: &str) {
    if path.is_empty() {
        check.required("path", "say under which name the file appears");
    } else {
        check.text("path", names::path_below(path));
    }
}

fn check_mode(check: &mut Check, field: &str, mode: Option<i32>) {
    if let Some(mode) = mode
        && !(0..=MODE_MAX).contains(&i64::from(mode))
    {
        check.invalid(
            field,
            format!("{mode} is out of range: must be from 0 to 0777 (511 in decimal)"),
        );
    }
}

fn check_downward_file(check: &mut Check, file: &DownwardApiVolumeFile) {
    check_file_path(check, &file.path);
    check_mode(check, "mode", file.mode);
    if file.field_ref.is_some() == file.resource_field_ref.is_some() {
        check.invalid("", "give exactly one of fieldRef, resourceFieldRef");
    }
    if let Some(field) = &file.field_ref {
        check.at("fieldRef", |check| environment::check_file_field(check, field));
    }
    if let Some(resource) = &file.resource_field_ref {
        check.at("resourceFieldRef", |check| {
            environment::check_resource(check, resource);
            if resource.container_name.is_empty() {
                check.required("containerName", "say which container is meant");
            }
        });
    }
}

fn check_projected(check: &mut Check, source: &ProjectedVolumeSource) {
    check_mode(check, "defaultMode", source.default_mode);
    check.each("sources", &source.sources, |check, projection| {
        if let Some(secret) = &projection.secret {
            check.at("secret", |check| check_items(check, &secret.items));
        }
        if let Some(map) = &projection.config_map {
            check.at("configMap", |check| check_items(check, &map.items));
        }
        if let Some(downward) = &projection.downward_api {
            check.at("downwardAPI", |check| {
                check.each("items", &downward.items, check_downward_file);
            });
        }
        if let Some(token) = &projection.service_account_token {
            check.at("serviceAccountToken", |check| check_file_path(check, &token.path));
        }
    });
}

/// The names of the sources that are given.
fn source_names(source: &VolumeSource) -> Vec<&'static str> {
    let all = [
        ("hostPath", source.host_path.is_some()),
        ("emptyDir", source.empty_dir.is_some()),
        ("gcePersistentDisk", source.gce_persistent_disk.is_some()),
        ("awsElasticBlockStore", source.aws_elastic_block_store.is_some()),
        ("gitRepo", source.git_repo.is_some()),
        ("secret", source.secret.is_some()),
        ("nfs", source.nfs.is_some()),
        ("iscsi", source.iscsi.is_some()),
        ("glusterfs", source.glusterfs.is_some()),
        ("persistentVolumeClaim", source.persistent_volume_claim.is_some()),
        ("rbd", source.rbd.is_some()),
        ("flexVolume", source.flex_volume.is_some()),
        ("cinder", source.cinder.is_some()),
        ("cephfs", source.cephfs.is_some()),
        ("flocker", source.flocker.is_some()),
        ("downwardAPI", source.downward_api.is_some()),
        ("fc", source.fc.is_some()),
        ("azureFile", source.azure_file.is_some()),
        ("configMap", source.config_map.is_some()),
        ("vsphereVolume", source.vsphere_volume.is_some()),
        ("quobyte", source.quobyte.is_some()),
        ("azureDisk", source.azure_disk.is_some()),
        ("photonPersistentDisk", source.photon_persistent_disk.is_some()),
        ("portworxVolume", source.portworx_volume.is_some()),
        ("scaleIO", source.scale_io.is_some()),
        ("projected", source.projected.is_some()),
        ("storageos", source.storageos.is_some()),
        ("csi", source.csi.is_some()),
        ("ephemeral", source.ephemeral.is_some()),
        ("image", source.image.is_some()),
    ];
    all.into_iter()
        .filter(|(_, given)| *given)
        .map(|(name, _)| name)
        .collect()
}
