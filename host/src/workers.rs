//! Where blocking work runs. Owns the trait; a simulation runs the same work as an ordinary task, so that no thread
//! is in the way of repeating a run.

use std::io;

use futures::future::BoxFuture;
use tokio::sync::oneshot;

/// Runs work that may block (disk calls, encoding a large snapshot) where it cannot hold up the async tasks.
pub trait Workers: Send + Sync + 'static {
    /// Starts `work` on a worker of its own. It may block and may await channels, but must not use timers or sockets,
    /// which exist only inside the async runtime. `name` shows up in thread lists; 15 bytes are seen.
    fn spawn(&self, name: &str, work: BoxFuture<'static, ()>) -> io::Result<()>;
}

impl dyn Workers {
    /// Runs one blocking closure on a worker and gives back its result. The error means that the worker could not be
    /// started or died on the way.
    pub async fn run<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let (sender, receiver) = oneshot::channel();
        self.spawn(
            name,
            Box::pin(async move {
                // The caller may have stopped waiting; then nobody wants the result.
                drop(sender.send(work()));
            }),
        )?;
        receiver
            .await
            .map_err(|_| io::Error::other(format!("worker {name} ended before its work was done")))
    }
}
