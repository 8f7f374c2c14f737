//! Runs every script in `tests/scripts`. With `BOSUN_UPDATE_SCRIPTS=1` their `|` lines are rewritten instead of compared.

#![expect(
    clippy::disallowed_methods,
    reason = "the scripts are files, and only this test reads them"
)]

use std::fs;
use std::path::{Path, PathBuf};

use super::script;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read_file(name: &str) -> Result<String, String> {
    fs::read_to_string(repository().join(name)).map_err(|error| format!("{name}: {error}"))
}

#[test]
fn every_script_holds() {
    let update = std::env::var_os("BOSUN_UPDATE_SCRIPTS").is_some();
    let folder = repository().join("tests/scripts");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("tests/scripts is a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no scripts in {}", folder.display());
    let mut wrong = Vec::new();
    for file in files {
        let name = file
            .file_name()
            .expect("files have names")
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&file).expect("a readable script");
        match script::run(&text, &read_file) {
            Err(message) => wrong.push(format!("{name}, {message}")),
            Ok(result) if result == text => {}
            Ok(result) if update => fs::write(&file, result).expect("a writable script"),
            Ok(result) => wrong.push(format!("{name}: {}", first_difference(&text, &result))),
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n(BOSUN_UPDATE_SCRIPTS=1 rewrites the | lines)",
        wrong.join("\n")
    );
}

fn first_difference(is: &str, wanted: &str) -> String {
    let (is, wanted): (Vec<&str>, Vec<&str>) = (is.lines().collect(), wanted.lines().collect());
    let place = is
        .iter()
        .zip(&wanted)
        .take_while(|(is, wanted)| is == wanted)
        .count();
    let line = |lines: &[&str]| lines.get(place).map_or("(the end)", |line| line).to_owned();
    format!(
        "line {}:\n  the script has  {}\n  now there is    {}",
        place + 1,
        line(&is),
        line(&wanted)
    )
}
