//! Owns the reading of a pod's status: what keeps it from running, and why it failed.

use bosun_core::kinds;
use bosun_proto::core_v1::{ContainerStateTerminated, ContainerStatus, Pod};

/// Reasons of waiting that are no trouble.
const HARMLESS: &[&str] = &["", "ContainerCreating", "PodInitializing"];

/// Whether a container's present run has begun (and may have ended), so that there is output to read.
pub(super) fn has_begun(container: &ContainerStatus) -> bool {
    container
        .state
        .as_ref()
        .is_some_and(|state| state.running.is_some() || state.terminated.is_some())
}

/// What keeps a pod from running, when something does: it fits no node, its container cannot be started, it crashes.
pub(super) fn trouble(pod: &Pod) -> Option<String> {
    let status = kinds::pod::status(pod);
    if kinds::pod::is_finished(pod) {
        return failure(pod);
    }
    let scheduled = kinds::pod::condition(pod, "PodScheduled");
    if let Some(refused) = scheduled.filter(|condition| condition.status == "False") {
        return Some(sentence(&refused.reason, &refused.message));
    }
    let waits = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .find_map(|container| {
            let waiting = container.state.as_ref()?.waiting.as_ref()?;
            (!HARMLESS.contains(&waiting.reason.as_str())).then_some((container, waiting))
        });
    let (container, waiting) = waits?;
    let last = container
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    let last = last.map_or_else(String::new, |last| format!("; last run: {}", terminated(last)));
    Some(format!(
        "container {}: {}{last}",
        container.name,
        sentence(&waiting.reason, &waiting.message)
    ))
}

/// Why a pod failed: its own reason, or the first container that ended badly.
pub(super) fn failure(pod: &Pod) -> Option<String> {
    let status = kinds::pod::status(pod);
    if status.phase != kinds::pod::phase::FAILED {
        return None;
    }
    let bad = bad_container(pod).map(|(name, end)| format!("container {name}: {}", terminated(end)));
    match (status.reason.as_str(), bad) {
        ("", Some(bad)) => Some(bad),
        ("", None) => Some("Failed".to_owned()),
        (reason, Some(bad)) => Some(format!("{}; {bad}", sentence(reason, &status.message))),
        (reason, None) => Some(sentence(reason, &status.message)),
    }
}

/// The first container whose present or last run ended badly.
pub(super) fn bad_container(pod: &Pod) -> Option<(&str, &ContainerStateTerminated)> {
    let status = kinds::pod::status(pod);
    status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .find_map(|container| {
            let states = [container.state.as_ref(), container.last_state.as_deref()];
            let ends = states
                .into_iter()
                .flatten()
                .filter_map(|state| state.terminated.as_ref());
            let bad = ends
                .into_iter()
                .find(|end| end.exit_code != 0 || end.signal != 0)?;
            Some((container.name.as_str(), bad))
        })
}

/// `Error, exit code 3`, `OOMKilled, signal 9`.
pub(super) fn terminated(end: &ContainerStateTerminated) -> String {
    let how = if end.signal != 0 {
        format!("signal {}", end.signal)
    } else {
        format!("exit code {}", end.exit_code)
    };
    let reason = if end.reason.is_empty() {
        "ended"
    } else {
        &end.reason
    };
    let message = end.message.trim();
    if message.is_empty() {
        format!("{reason}, {how}")
    } else {
        format!("{reason}, {how} ({message})")
    }
}

fn sentence(reason: &str, message: &str) -> String {
    match (reason.is_empty(), message.is_empty()) {
        (true, _) => message.to_owned(),
        (false, true) => reason.to_owned(),
        (false, false) => format!("{reason}: {message}"),
    }
}
