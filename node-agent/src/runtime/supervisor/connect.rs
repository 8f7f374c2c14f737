//! How an agent comes by a supervisor: connects to the one that is there, or has one started; greets it and takes over.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bosun_host::Host;
use bosun_proto::supervisor::from_supervisor::Event;
use bosun_proto::supervisor::{FromSupervisor, Hello, TakeOver, Welcome, hello};
use tokio::time::{sleep, timeout};

use super::wire::Wire;
use super::{PROTOCOL, message, pid_path, socket_path};
use crate::runtime::{LogRequest, Recovery, RuntimeError};

/// Starts a supervisor and returns when it listens. The error is a sentence for people.
pub type StartSupervisor =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// How long a supervisor may take from the greeting to the end of its inventory; containers that it is just starting are
/// waited for.
const GREETING_MAX: Duration = Duration::from_secs(10);
/// How often it is tried: one that is there may just be ending.
const ATTEMPTS_MAX: u32 = 10;
/// The pause between two attempts.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(50);

/// A conversation that has begun.
pub(super) struct Link {
    pub(super) wire: Wire,
    /// The supervisor's process.
    pub(super) pid: i32,
    pub(super) recovery: Recovery,
}

/// Connects to the supervisor of `directory` as its agent, starting one if there is none.
pub(super) async fn take_over(
    host: &Host,
    directory: &Path,
    start: &StartSupervisor,
    end_with_agent: bool,
) -> Result<Link, RuntimeError> {
    let path = socket_path(directory);
    let mut last = String::new();
    for _ in 0..ATTEMPTS_MAX {
        match host.network.connect_local(&path).await {
            Ok(stream) => match timeout(GREETING_MAX, greet(Wire::new(stream), end_with_agent)).await {
                Ok(Ok(greeted)) => return greeted,
                Ok(Err(error)) => {
                    last = format!("it closed the connection: {error}");
                    sleep(ATTEMPT_PAUSE).await;
                }
                Err(_) => return Err(silent(host, directory)),
            },
            Err(error) if nobody_listens(&error) => {
                start().await.map_err(|problem| {
                    RuntimeError::Unfit(format!(
                        "the supervisor of containers cannot be started: {problem}"
                    ))
                })?;
            }
            Err(source) => {
                let path = path.display().to_string();
                return Err(RuntimeError::File { path, source });
            }
        }
    }
    Err(RuntimeError::Unfit(format!(
        "the supervisor of containers at {} cannot be talked to: {last}",
        path.display()
    )))
}

/// Connects to ask for output.
pub(super) async fn ask_for_logs(host: &Host, directory: &Path, request: &LogRequest) -> io::Result<Wire> {
    let mut wire = Wire::new(host.network.connect_local(&socket_path(directory)).await?);
    wire.put(&hello(hello::Purpose::Logs(message::logs(request))));
    timeout(GREETING_MAX, wire.get::<Welcome>()).await??;
    Ok(wire)
}

fn hello(purpose: hello::Purpose) -> Hello {
    Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        purpose: Some(purpose),
    }
}

fn nobody_listens(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

/// The outer error: the connection ended on the way. The inner: it will not get better.
async fn greet(mut wire: Wire, end_with_agent: bool) -> io::Result<Result<Link, RuntimeError>> {
    wire.put(&hello(hello::Purpose::TakeOver(TakeOver { end_with_agent })));
    let closed = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let Welcome {
        protocol,
        version,
        pid,
    } = wire.get().await?.ok_or_else(closed)?;
    if protocol != PROTOCOL {
        return Ok(Err(RuntimeError::ForeignSupervisor {
            pid,
            version,
            theirs: protocol,
            ours: PROTOCOL,
        }));
    }
    let mut recovery = Recovery::default();
    loop {
        let FromSupervisor { event } = wire.get().await?.ok_or_else(closed)?;
        if let Some(Event::Inventory(part)) = event {
            let complete = part.complete;
            message::read_inventory(part, &mut recovery);
            if complete {
                return Ok(Ok(Link { wire, pid, recovery }));
            }
        }
    }
}

fn silent(host: &Host, directory: &Path) -> RuntimeError {
    let pid = host.disk.read(&pid_path(directory)).unwrap_or_default();
    RuntimeError::SilentSupervisor {
        pid: String::from_utf8_lossy(&pid).trim().to_owned(),
        seconds: GREETING_MAX.as_secs(),
    }
}
