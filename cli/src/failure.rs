//! Owns how failures are told: one sentence that names the cause, then what to do. Exit codes: 1 for a failure, 2 for a
//! command line that makes no sense.

use crate::output::terminal::Terminal;
use bosun_client::{ApiError, Refusal};
use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

/// The command line cannot be carried out as written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(String);

impl UsageError {
    /// With a sentence that says how to write it.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// Everything was said already; only the exit code remains to be set.
#[derive(Debug, thiserror::Error)]
#[error("failed")]
pub(crate) struct AlreadyTold;

/// Prints a failure to standard error and picks the exit code.
pub(crate) fn report(error: &anyhow::Error, terminal: Terminal) -> ExitCode {
    let reader_left = error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
    if error.is::<AlreadyTold>() || reader_left {
        return ExitCode::FAILURE;
    }
    terminal.error(&render(error));
    if error.is::<UsageError>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

/// A failure as text: may be several lines, without a final line break.
pub(crate) fn render(error: &anyhow::Error) -> String {
    let Some(api_error) = error.downcast_ref::<ApiError>() else {
        let mut complete = false;
        let told = error
            .chain()
            .take_while(|cause| !std::mem::replace(&mut complete, is_complete(*cause)));
        return told.fold(String::new(), |text, cause| joined(text, &cause.to_string()));
    };
    let outer: Vec<String> = error
        .chain()
        .take_while(|cause| !cause.is::<ApiError>())
        .map(ToString::to_string)
        .collect();
    let mut text = outer.join(": ");
    if !text.is_empty() {
        text.push_str(": ");
    }
    text.push_str(&render_api(api_error));
    text
}

/// Whether an error's own message says everything, so that what is below it would only repeat.
fn is_complete(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<bosun_control_plane::ServerError>() || error.is::<bosun_node_agent::AgentError>()
}

/// Adds a cause, unless the sentence before contains it already.
fn joined(text: String, cause: &str) -> String {
    if text.is_empty() {
        cause.to_owned()
    } else if text.contains(cause) {
        text
    } else {
        format!("{text}: {cause}")
    }
}

/// What a server (or its absence) said.
pub(crate) fn render_api(error: &ApiError) -> String {
    match error {
        ApiError::Refused(refusal) => render_refusal(refusal),
        ApiError::Unreachable { .. } => format!(
            "{error}\nIs it running? `bosun up` starts a cluster on this machine; --server HOST:PORT (or BOSUN_SERVER) names another."
        ),
        ApiError::TooOld { .. } | ApiError::Timeout { .. } | ApiError::Unexpected { .. } => error.to_string(),
    }
}

fn render_refusal(refusal: &Refusal) -> String {
    let mut text = String::new();
    let told_by_causes = refusal
        .causes
        .iter()
        .all(|cause| refusal.message.contains(&cause.message));
    if refusal.causes.len() > 1 && told_by_causes && refusal.reason == "Invalid" {
        // The message repeats all causes in one line; one per line reads better.
        write!(text, "{} {:?} is not valid:", refusal.kind, refusal.name).expect("a String takes everything");
    } else {
        text.push_str(refusal.message.trim());
        if told_by_causes {
            return with_reason(text, &refusal.reason);
        }
    }
    for cause in &refusal.causes {
        let separator = if cause.field.is_empty() { "" } else { ": " };
        write!(text, "\n  {}{separator}{}", cause.field, cause.message).expect("a String takes everything");
    }
    text
}

/// The reason word helps when searching for a message; it is left out where the message holds it.
fn with_reason(message: String, reason: &str) -> String {
    let spaced = |text: &str| text.to_lowercase().replace(' ', "");
    if reason.is_empty() || spaced(&message).contains(&spaced(reason)) {
        message
    } else {
        format!("{message} ({reason})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bosun_client::Cause;

    fn refused(reason: &str, message: &str, causes: &[(&str, &str)]) -> anyhow::Error {
        let causes = causes.iter().map(|(field, message)| Cause {
            reason: String::new(),
            message: (*message).to_owned(),
            field: (*field).to_owned(),
        });
        let refusal = Refusal {
            reason: reason.into(),
            message: message.into(),
            kind: "Job".into(),
            name: "x".into(),
            causes: causes.collect(),
            ..Refusal::default()
        };
        ApiError::Refused(Box::new(refusal)).into()
    }

    #[test]
    fn refusals() {
        assert_eq!(
            render(&refused("NotFound", "jobs.batch \"x\" not found", &[])),
            "jobs.batch \"x\" not found"
        );
        assert_eq!(
            render(&refused("Forbidden", "it ends", &[])),
            "it ends (Forbidden)"
        );
        let one = refused(
            "Invalid",
            "Job \"x\" is invalid: spec.a: must be 1",
            &[("spec.a", "must be 1")],
        );
        assert_eq!(render(&one), "Job \"x\" is invalid: spec.a: must be 1");
        let two = refused(
            "Invalid",
            "[a: must be 1, b: must be 2]",
            &[("a", "must be 1"), ("b", "must be 2")],
        );
        assert_eq!(
            render(&two),
            "Job \"x\" is not valid:\n  a: must be 1\n  b: must be 2"
        );
        let untold = refused("Invalid", "refused", &[("spec.b", "must be 2")]);
        assert_eq!(render(&untold), "refused\n  spec.b: must be 2");
    }

    #[test]
    fn context_comes_first_and_nothing_is_said_twice() {
        let error = refused("NotFound", "not found", &[]).context("job.yaml, document 2");
        assert_eq!(render(&error), "job.yaml, document 2: not found");
        let error = anyhow::anyhow!("disk full").context("cannot write: disk full");
        assert_eq!(render(&error), "cannot write: disk full");
    }

    #[test]
    fn an_absent_server_comes_with_the_way_out() {
        let error = ApiError::Unreachable {
            addresses: vec!["127.0.0.1:7600".into()],
            detail: "connection refused".into(),
            sent: false,
        };
        let text = render(&error.into());
        assert!(
            text.contains("127.0.0.1:7600") && text.contains("bosun up"),
            "{text}"
        );
    }
}
