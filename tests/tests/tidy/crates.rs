//! Rules about which crate may use which.

use crate::expect_none;
use crate::repository::{files, read};

/// Each crate of ours with the crates of ours it may use. The floors of ARCHITECTURE.md, spelled out.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("proto", &[]),
    ("host", &[]),
    ("control-plane/core", &["bosun-proto"]),
    ("control-plane/raft-histogram", &[]),
    ("client", &["bosun-proto", "bosun-host"]),
    ("control-plane", &["bosun-core", "bosun-proto", "bosun-host"]),
    ("node-agent", &["bosun-client", "bosun-proto", "bosun-host"]),
    ("cli", &BELOW_CLI),
    ("tests", &ALL),
    ("bench", &ALL),
];
const BELOW_CLI: [&str; 7] = [
    "bosun-control-plane",
    "bosun-core",
    "bosun-node-agent",
    "bosun-client",
    "bosun-proto",
    "bosun-host",
    // For its tests: the checker of histories. The library of that crate uses no other one of ours.
    "bosun-tests",
];
const ALL: [&str; 7] = [
    "bosun-cli",
    "bosun-control-plane",
    "bosun-core",
    "bosun-node-agent",
    "bosun-client",
    "bosun-proto",
    "bosun-host",
];

/// What the pure core must do without, directly and by a feature of ours.
const NOT_IN_CORE: [&str; 8] = [
    "tokio",
    "tokio-util",
    "tonic",
    "openraft",
    "tracing",
    "async-trait",
    "futures",
    "rand",
];

/// One dependency as a Cargo.toml names it.
struct Dependency {
    name: String,
    /// The whole line, or the section's head.
    text: String,
}

/// All dependencies of a package, also for its tests and its build.
fn dependencies(manifest: &str) -> Vec<Dependency> {
    let mut found = Vec::new();
    let mut in_dependencies = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            in_dependencies = section.ends_with("dependencies");
            if let Some((before, name)) = section.rsplit_once('.')
                && before.ends_with("dependencies")
            {
                found.push(Dependency {
                    name: name.to_owned(),
                    text: line.to_owned(),
                });
            }
        } else if in_dependencies
            && !line.starts_with('#')
            && let Some((name, _)) = line.split_once(['=', '.'])
        {
            found.push(Dependency {
                name: name.trim().to_owned(),
                text: line.to_owned(),
            });
        }
    }
    found
}

fn package_name(manifest: &str) -> &str {
    let line = manifest.lines().find(|line| line.starts_with("name = "));
    line.and_then(|line| line.split('"').nth(1)).unwrap_or_default()
}

#[test]
fn crates_use_only_lower_floors() {
    let mut found = Vec::new();
    for (folder, allowed) in ALLOWED {
        let manifest = read(&format!("{folder}/Cargo.toml"));
        let itself = package_name(&manifest);
        let ours = dependencies(&manifest)
            .into_iter()
            .filter(|other| other.name.starts_with("bosun-"));
        for other in ours.filter(|other| other.name != itself && !allowed.contains(&other.name.as_str())) {
            found.push(format!("{folder}/Cargo.toml: {itself} uses {}", other.name));
        }
    }
    expect_none(
        "Not an edge of ARCHITECTURE.md; move the code, or change the page and this table",
        &found,
    );
}

#[test]
fn every_crate_has_a_floor() {
    let unknown: Vec<_> = files(&["toml"])
        .into_iter()
        .filter_map(|file| Some(file.path.strip_suffix("/Cargo.toml")?.to_owned()))
        .filter(|folder| !ALLOWED.iter().any(|(known, _)| known == folder))
        .collect();
    expect_none(
        "A crate without a floor in ARCHITECTURE.md and in this table",
        &unknown,
    );
}

#[test]
fn the_core_stays_pure() {
    let dependencies = dependencies(&read("control-plane/core/Cargo.toml"));
    assert!(
        dependencies.iter().any(|other| other.name == "bosun-proto"),
        "the manifest was not understood"
    );
    let impure =
        |other: &&Dependency| NOT_IN_CORE.contains(&other.name.as_str()) || other.text.contains("\"grpc\"");
    let found: Vec<_> = dependencies
        .iter()
        .filter(impure)
        .map(|other| other.text.clone())
        .collect();
    expect_none("control-plane/core decides and does nothing else (law 3)", &found);
}

#[test]
fn versions_are_named_in_one_place() {
    let mut found = Vec::new();
    for (folder, _) in ALLOWED {
        let path = format!("{folder}/Cargo.toml");
        for other in dependencies(&read(&path)) {
            let itself = other.text.contains("path = \".\"");
            if !itself && !other.text.contains("workspace = true") && !other.text.starts_with('[') {
                found.push(format!("{path}: {}", other.text));
            }
        }
    }
    expect_none(
        "Use `workspace = true`; the version stands in the root's Cargo.toml",
        &found,
    );
}
