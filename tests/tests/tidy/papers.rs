//! Rules about papers and examples.

use crate::expect_none;
use crate::repository::{exists, files};

/// Folders that a path in a paper may begin with, seen from the root.
const TOP: [&str; 12] = [
    "proto/",
    "host/",
    "control-plane/",
    "client/",
    "node-agent/",
    "cli/",
    "tests/",
    "bench/",
    "docs/",
    "examples/",
    "scripts/",
    ".ci/",
];

/// The targets of all links `[text](target)` of a text.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.collect()
}

/// All words between single backticks that are paths of this repository.
fn paths(text: &str) -> Vec<&str> {
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    let is_path =
        |word: &&str| TOP.iter().any(|top| word.starts_with(top)) && !word.contains(['<', '*', ' ', '(']);
    quoted.filter(is_path).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut found = Vec::new();
    for paper in files(&["md"]) {
        let folder = paper.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in links(&paper.text) {
            let target = link.split('#').next().unwrap_or_default();
            let elsewhere = link.contains("://") || link.starts_with("mailto:") || target.is_empty();
            if !elsewhere && !exists(format!("{folder}/{target}").trim_start_matches('/')) {
                found.push(format!("{}: {link}", paper.path));
            }
        }
    }
    expect_none("A link that leads nowhere", &found);
}

#[test]
fn papers_name_files_that_exist() {
    let mut found = Vec::new();
    for paper in files(&["md"]) {
        // Seen from the root or, in a crate's own paper, from its folder.
        let folder = paper.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let missing = paths(&paper.text)
            .into_iter()
            .filter(|path| !exists(path) && !exists(&format!("{folder}/{path}")));
        found.extend(missing.map(|path| format!("{}: {path}", paper.path)));
    }
    expect_none("A file that was moved or does not exist", &found);
}

#[test]
fn every_example_is_named_by_a_test() {
    let tests: Vec<_> = files(&["rs", "txt"])
        .into_iter()
        .filter(|file| file.path.starts_with("tests/") && !file.path.contains("/tidy/"))
        .collect();
    let is_named = |name: &str| {
        let names = [format!("\"{name}"), format!("/{name}")];
        tests
            .iter()
            .any(|test| names.iter().any(|name| test.text.contains(name)))
    };
    let untested: Vec<_> = files(&["yaml"])
        .into_iter()
        .filter(|file| {
            file.path
                .strip_prefix("examples/")
                .is_some_and(|name| !is_named(name))
        })
        .map(|file| file.path)
        .collect();
    expect_none("An example that no test in tests/ applies by its name", &untested);
}

#[test]
fn every_example_says_what_to_watch_for() {
    let silent: Vec<_> = files(&["yaml"])
        .into_iter()
        .filter(|file| file.path.starts_with("examples/"))
        .filter(|file| !(file.text.starts_with("# ") && file.text.contains("Watch for")))
        .map(|file| file.path)
        .collect();
    expect_none(
        "An example begins with a comment that says what to watch for",
        &silent,
    );
}

#[test]
fn links_and_paths_are_found() {
    assert_eq!(
        links("see [a](x.md) and [b](docs/y.md#z)"),
        ["x.md", "docs/y.md#z"]
    );
    assert_eq!(
        paths("`proto/src/kinds.rs`, `x/y.rs`, `docs/` and `kinds/<kind>.rs`"),
        ["proto/src/kinds.rs", "docs/"]
    );
}
