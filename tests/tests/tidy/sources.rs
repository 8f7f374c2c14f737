//! Rules about Rust sources.

use crate::expect_none;
use crate::repository::{TextFile, files};

/// Lines a file may have, its tests not counted.
const LINES_MAX: usize = 500;

/// The longest pause between two looks of a waiting test.
const PAUSE_MAX_MS: u32 = 20;

/// The folders that a release is built from.
const PRODUCTION: [&str; 6] = [
    "proto/",
    "host/",
    "control-plane/",
    "client/",
    "node-agent/",
    "cli/",
];

/// True for files that are tests from their first line to their last.
fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/") || path.ends_with("_tests.rs") || path.ends_with("/tests.rs")
}

fn is_production(path: &str) -> bool {
    PRODUCTION.iter().any(|folder| path.starts_with(folder))
        && !is_test_file(path)
        && !path.contains("/testing/")
}

/// The line numbers (from 0) of the inline test modules.
fn inline_tests(text: &str) -> Vec<std::ops::Range<usize>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut ranges = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let opens = |line: &&str| line.starts_with("mod ") && line.ends_with('{');
        let module = lines[start..].iter().skip(1).find(|line| !line.starts_with("#["));
        if *line == "#[cfg(test)]" && module.is_some_and(opens) {
            let length = lines[start..]
                .iter()
                .position(|line| *line == "}")
                .unwrap_or(lines.len() - start - 1);
            ranges.push(start..start + length + 1);
        }
    }
    ranges
}

/// The lines of a file with their numbers (from 1): those of tests, or those that are no tests.
fn lines(file: &TextFile, of_tests: bool) -> Vec<(usize, &str)> {
    let inline = inline_tests(&file.text);
    let all_are_tests = is_test_file(&file.path);
    let is_test = |number: usize| all_are_tests || inline.iter().any(|range| range.contains(&number));
    let numbered = file.text.lines().enumerate();
    numbered
        .filter(|(number, _)| is_test(*number) == of_tests)
        .map(|(number, line)| (number + 1, line))
        .collect()
}

/// The part of a line that is not a comment. A `//` inside a text hides the rest of the line, which does no harm here.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// True for code that lets time pass. The pause between two looks at something that must happen is none: it is short, and
/// the number stands there.
fn sleeps(code: &str) -> bool {
    let Some((_, length)) = code.split_once("sleep(") else {
        return code.contains("sleep_until(");
    };
    let short = length
        .strip_prefix("Duration::from_millis(")
        .and_then(|rest| rest.split(')').next());
    let millis = short.and_then(|number| number.parse::<u32>().ok());
    !code.contains('"') && millis.is_none_or(|millis| millis > PAUSE_MAX_MS)
}

/// `path:line: what` for every line of code that `is_wrong`.
fn findings(file: &TextFile, of_tests: bool, what: &str, is_wrong: impl Fn(&str) -> bool) -> Vec<String> {
    let wrong = lines(file, of_tests)
        .into_iter()
        .filter(|(_, line)| is_wrong(code(line)));
    wrong
        .map(|(number, _)| format!("{}:{number}: {what}", file.path))
        .collect()
}

#[test]
fn no_file_is_too_long() {
    let too_long: Vec<_> = files(&["rs"])
        .iter()
        .map(|file| (lines(file, false).len(), &file.path))
        .filter(|(count, _)| *count > LINES_MAX)
        .map(|(count, path)| format!("{path}: {count} lines without its tests"))
        .collect();
    expect_none(
        &format!("At most {LINES_MAX} lines; split by what each part owns"),
        &too_long,
    );
}

#[test]
fn every_module_says_what_it_owns() {
    let silent: Vec<_> = files(&["rs"])
        .into_iter()
        .filter(|file| !file.text.starts_with("//! "))
        .map(|file| file.path)
        .collect();
    expect_none(
        "A file begins with `//!`: what it owns and what it leaves to others",
        &silent,
    );
}

#[test]
fn production_code_does_not_know_its_tests() {
    // Put together here, so that this file does not find itself.
    let words = ["turmoil", "madsim"];
    let conditions = [concat!("cfg!(", "test"), concat!("not(", "test)")];
    let mut found = Vec::new();
    for file in files(&["rs"]).iter().filter(|file| is_production(&file.path)) {
        found.extend(findings(file, false, "names the simulator", |code| {
            words.iter().any(|word| code.contains(word))
        }));
        found.extend(findings(file, false, "behaves differently in tests", |code| {
            conditions.iter().any(|condition| code.contains(condition))
        }));
    }
    expect_none("Law 15 of ARCHITECTURE.md", &found);
}

#[test]
fn nothing_is_left_for_later() {
    let markers = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("HA", "CK"),
        concat!("XX", "X"),
    ];
    let debugging = concat!("dbg", "!(");
    let mut found = Vec::new();
    for file in files(&["rs", "toml", "md", "yaml", "proto"]) {
        for (number, line) in file.text.lines().enumerate() {
            let mut words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
            if words.any(|word| markers.contains(&word)) || line.contains(debugging) {
                found.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    expect_none("Do it, or write down the limit in README.md", &found);
}

#[test]
fn no_test_is_ignored_and_none_sleeps() {
    let ignored = concat!("#[", "ignore");
    let mut found = Vec::new();
    for file in &files(&["rs"]) {
        found.extend(findings(file, true, "is ignored", |code| {
            code.trim().starts_with(ignored)
        }));
        // Under a paused clock, sleeping only moves the hand.
        let time_is_simulated = file.path.starts_with("tests/tests/sim/")
            || file.text.contains("start_paused")
            || file.text.contains("time::pause()");
        if !time_is_simulated {
            found.extend(findings(
                file,
                true,
                "sleeps; wait for what must happen instead",
                sleeps,
            ));
        }
    }
    expect_none("Tests run always, and time moves by hand", &found);
}

#[test]
fn the_parts_of_a_file_are_told_apart() {
    let text = "//! x\nfn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n#[cfg(test)]\nmod elsewhere;\nfn c() {}\n";
    assert_eq!(inline_tests(text), vec![2..6]);
    let file = TextFile {
        path: "host/src/x.rs".to_owned(),
        text: text.to_owned(),
    };
    assert_eq!(lines(&file, true).len(), 4);
    assert_eq!(lines(&file, false).last(), Some(&(9, "fn c() {}")));
}

#[test]
fn pauses_are_told_from_sleep() {
    assert!(!sleeps("tokio::time::sleep(Duration::from_millis(5)).await;"));
    assert!(!sleeps("let script = \"sleep(1)\";"));
    assert!(sleeps("sleep(Duration::from_millis(1500)).await;"));
    assert!(sleeps("sleep(PAUSE).await;"));
    assert!(sleeps("tokio::time::sleep_until(deadline).await;"));
}
