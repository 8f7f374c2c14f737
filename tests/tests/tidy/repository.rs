//! The files of the repository, as text.
#![expect(
    clippy::disallowed_methods,
    reason = "this test is about the files of the repository"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// A text file of the repository.
pub(crate) struct TextFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are below the root")
        .to_owned()
}

pub(crate) fn exists(path: &str) -> bool {
    root().join(path).exists()
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files with one of these extensions, sorted by path.
pub(crate) fn files(extensions: &[&str]) -> Vec<TextFile> {
    let mut paths = Vec::new();
    collect(&root(), &mut paths);
    paths.sort();
    let wanted = |path: &&PathBuf| {
        path.extension()
            .is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted))
    };
    let files = paths.iter().filter(wanted).map(|path| {
        let path = path
            .strip_prefix(root())
            .expect("found below the root")
            .to_string_lossy()
            .replace('\\', "/");
        TextFile {
            text: read(&path),
            path,
        }
    });
    files.collect()
}

/// Everything but hidden folders and what builds leave behind.
fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a readable folder").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                collect(&path, paths);
            }
        } else {
            paths.push(path);
        }
    }
}
