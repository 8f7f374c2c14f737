//! Style and structure as a test: what STYLE.md and ARCHITECTURE.md promise and no lint can check. Each finding names the
//! file and says what is expected.

mod crates;
mod papers;
mod repository;
mod sources;

/// Fails with all findings at once, so that one run shows everything there is to mend.
fn expect_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}
