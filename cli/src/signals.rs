//! Owns the wish to stop: SIGINT and SIGTERM, once and again.

use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

/// A signal that follows another so soon is the same wish: supervisors and terminals like to send it twice.
const SAME_WISH: Duration = Duration::from_millis(500);

/// Hears SIGINT and SIGTERM from when it is made. Clones hear the same.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<u32>);

impl Stop {
    /// Begins to listen; from here on the signals no longer end the process by themselves.
    pub(crate) fn listen() -> Self {
        let (sender, receiver) = watch::channel(0);
        let interrupt = signal(SignalKind::interrupt());
        let terminate = signal(SignalKind::terminate());
        // Without a runtime's signal driver the defaults stay in force: the process ends at the first signal.
        if let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) {
            tokio::spawn(async move {
                let mut last: Option<Instant> = None;
                loop {
                    let _ = tokio::select! {
                        heard = interrupt.recv() => heard,
                        heard = terminate.recv() => heard,
                    };
                    let now = Instant::now();
                    if last
                        .replace(now)
                        .is_none_or(|last| now.duration_since(last) > SAME_WISH)
                    {
                        sender.send_modify(|wishes| *wishes += 1);
                    }
                }
            });
        }
        Self(receiver)
    }

    /// Waits until somebody wished it to stop.
    pub(crate) async fn wished(&self) {
        self.reached(1).await;
    }

    /// Waits until somebody wished it a second time.
    pub(crate) async fn insisted(&self) {
        self.reached(2).await;
    }

    async fn reached(&self, wishes: u32) {
        if self.0.clone().wait_for(|count| *count >= wishes).await.is_err() {
            // Nobody listens, so nobody can wish.
            std::future::pending::<()>().await;
        }
    }
}
