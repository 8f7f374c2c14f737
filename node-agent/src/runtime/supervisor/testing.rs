//! Supervisors inside the test's own process: the same code over the same socket, without the program.

use std::path::Path;
use std::sync::{Arc, Mutex};

use bosun_host::Host;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{Lifetime, StartSupervisor, SupervisedRuntime, serve};
use crate::runtime::process::ProcessRuntime;
use crate::runtime::process::tests::end_leftovers_of_a_test;

/// The supervisor of one directory, each life of it in an async runtime of its own, so that it can die without a word.
#[derive(Clone)]
pub(crate) struct InProcess {
    host: Host,
    directory: Arc<TempDir>,
    life: Arc<Mutex<Option<tokio::runtime::Runtime>>>,
}

impl InProcess {
    pub(crate) fn new(host: Host, directory: Arc<TempDir>) -> Self {
        Self {
            host,
            directory,
            life: Arc::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A runtime as agents have it.
    pub(crate) fn runtime(&self, lifetime: Lifetime) -> SupervisedRuntime {
        SupervisedRuntime::new(self.host.clone(), self.path(), self.start(), lifetime)
    }

    fn start(&self) -> StartSupervisor {
        let this = self.clone();
        Arc::new(move || {
            let this = this.clone();
            Box::pin(async move {
                let life = tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(1)
                    .enable_all()
                    .build()
                    .unwrap();
                let (sender, ready) = oneshot::channel();
                let runtime = ProcessRuntime::new(this.host.clone(), this.path());
                let (host, directory) = (this.host.clone(), Arc::clone(&this.directory));
                life.spawn(async move {
                    let ready = || sender.send(()).unwrap_or_default();
                    serve(host, runtime, directory.path(), ready, std::future::pending())
                        .await
                        .unwrap();
                });
                this.replace(Some(life));
                ready.await.map_err(|_| "it ended at once".to_owned())
            })
        })
    }

    /// Ends the supervisor as `kill -9` would.
    pub(crate) fn kill(&self) {
        self.replace(None);
    }

    fn replace(&self, life: Option<tokio::runtime::Runtime>) {
        let earlier = std::mem::replace(&mut *self.life.lock().unwrap(), life);
        if let Some(earlier) = earlier {
            earlier.shutdown_background();
        }
    }

    /// Ends everything: a test that fails must not leave processes behind.
    pub(crate) fn clean_up(&self) {
        self.kill();
        end_leftovers_of_a_test(self.path());
    }
}
