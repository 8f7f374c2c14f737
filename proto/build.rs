//! Compiles every .proto file below proto/ to Rust: messages, gRPC services, and Kubernetes JSON for the k8s.io packages.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script has no Host; it reads the schema and writes code"
)]

#[path = "build/json.rs"]
mod json;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

const ROOT: &str = "proto";

/// The messages whose JSON is written by hand in src/scalars.rs.
const SCALARS: [&str; 5] = [
    "k8s.io.apimachinery.pkg.apis.meta.v1.Time",
    "k8s.io.apimachinery.pkg.apis.meta.v1.MicroTime",
    "k8s.io.apimachinery.pkg.apis.meta.v1.FieldsV1",
    "k8s.io.apimachinery.pkg.api.resource.Quantity",
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString",
];

/// Fields that are large and mostly absent, as prost's paths: they stand behind a pointer, lest every object pay for them in
/// full. It halves a pod. A path that ends at a message means all of its fields.
const BOXED: [&str; 12] = [
    ".k8s.io.api.core.v1.VolumeSource",
    ".k8s.io.api.core.v1.EnvVar.value_from",
    ".k8s.io.api.core.v1.PodSpec.affinity",
    ".k8s.io.api.core.v1.PodSpec.dns_config",
    ".k8s.io.api.core.v1.PodStatus.extended_resource_claim_status",
    ".k8s.io.api.core.v1.ContainerStatus.last_state",
    ".k8s.io.api.core.v1.Event.related",
    "security_context",
    "liveness_probe",
    "readiness_probe",
    "startup_probe",
    "lifecycle",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    println!("cargo:rerun-if-changed=build");
    let out =
        PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set; this is a cargo build script")?);

    let mut files = Vec::new();
    proto_files(Path::new(ROOT), &mut files)?;
    files.sort();
    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler
        .include_imports(true)
        .include_source_info(true)
        .open_files(&files)?;

    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    fs::write(
        out.join("json.rs"),
        json::generate(&compiler.descriptor_pool(), &SCALARS),
    )?;

    let mut prost = tonic_prost_build::Config::new();
    prost.btree_map(["."]).bytes(["."]).include_file("packages.rs");
    for path in BOXED {
        prost.boxed(path);
    }
    for scalar in SCALARS.iter().filter(|name| name.ends_with("Time")) {
        prost.type_attribute(scalar, "#[derive(PartialOrd, Ord)]");
    }
    tonic_prost_build::configure()
        .server_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .client_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .compile_fds_with_config(with_rust_names(compiler.file_descriptor_set()), prost)?;
    Ok(())
}

/// Gives prost the field names it is to use in Rust; nothing else looks at the names in this copy.
fn with_rust_names(mut files: prost_types::FileDescriptorSet) -> prost_types::FileDescriptorSet {
    let messages = files.file.iter_mut().flat_map(|file| &mut file.message_type);
    for field in messages.flat_map(|message| &mut message.field) {
        field.name = field.name.as_deref().map(json::snake_case);
    }
    files
}

/// All .proto files below `folder`.
fn proto_files(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            proto_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}
