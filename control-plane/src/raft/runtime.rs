//! The async runtime as the raft library sees it: tokio, except that what the library draws at random (election
//! timeouts, the phase of its ticks) comes from the host. So a run with seeded entropy repeats exactly.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bosun_host::Entropy;
use openraft::{AsyncRuntime, OptionalSend};
use openraft_rt_tokio::TokioRuntime;
use rand_core::TryRng;
use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    /// The library asks for randomness without saying for which node; a task knows by this, and hands it on to the tasks
    /// it starts.
    static ENTROPY: Arc<dyn Entropy>;
}

/// Tokio with the host's entropy.
pub(super) struct HostRuntime(TokioRuntime);

impl HostRuntime {
    /// Runs `future`, and whatever tasks the library starts in it, with this entropy.
    pub(super) fn scope<F: Future>(
        entropy: Arc<dyn Entropy>,
        future: F,
    ) -> TaskLocalFuture<Arc<dyn Entropy>, F> {
        ENTROPY.scope(entropy, future)
    }
}

impl fmt::Debug for HostRuntime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("HostRuntime")
    }
}

/// Random numbers of the host.
pub(super) struct HostRandom(Arc<dyn Entropy>);

impl TryRng for HostRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl AsyncRuntime for HostRuntime {
    type JoinError = <TokioRuntime as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <TokioRuntime as AsyncRuntime>::Sleep;
    type Instant = <TokioRuntime as AsyncRuntime>::Instant;
    type TimeoutError = <TokioRuntime as AsyncRuntime>::TimeoutError;
    type Timeout<R, F: Future<Output = R> + OptionalSend> = <TokioRuntime as AsyncRuntime>::Timeout<R, F>;
    type ThreadLocalRng = HostRandom;
    type Mpsc = <TokioRuntime as AsyncRuntime>::Mpsc;
    type Watch = <TokioRuntime as AsyncRuntime>::Watch;
    type Oneshot = <TokioRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        match ENTROPY.try_with(Arc::clone) {
            Ok(entropy) => TokioRuntime::spawn(ENTROPY.scope(entropy, future)),
            // On behalf of a request, such as the reading of a stream of entries: those draw nothing.
            Err(_) => TokioRuntime::spawn(future),
        }
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        TokioRuntime::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        TokioRuntime::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        TokioRuntime::is_panic(join_error)
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        let entropy = ENTROPY.try_with(Arc::clone);
        HostRandom(
            entropy.expect("the library draws only in tasks below RaftNode::start, which has the scope"),
        )
    }

    fn new(threads: usize) -> Self {
        Self(TokioRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bosun_host::testing::SeededEntropy;
    use rand_core::Rng;

    async fn drawn(seed: u64) -> u64 {
        let drawing = HostRuntime::scope(Arc::new(SeededEntropy::new(seed)), async {
            let child = HostRuntime::spawn(async { HostRuntime::thread_rng().next_u64() });
            HostRuntime::thread_rng().next_u64() ^ child.await.unwrap().rotate_left(1)
        });
        drawing.await
    }

    #[tokio::test]
    async fn tasks_and_their_children_draw_from_the_host() {
        assert_eq!(drawn(7).await, drawn(7).await);
        assert_ne!(drawn(7).await, drawn(8).await);
    }
}
