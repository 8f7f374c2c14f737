//! Owns the wish to stop: SIGINT and SIGTERM.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for SIGINT or SIGTERM. Where signals cannot be had, waits for ever.
pub(crate) async fn stop() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
