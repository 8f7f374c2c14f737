//! What happened, as one number: two runs that did the same have the same. With a file it can be read, too, to find where
//! two runs part.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufWriter, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use super::elapsed;

/// A running account of events. Clones share it.
#[derive(Clone)]
pub(crate) struct Trace {
    state: Arc<Mutex<State>>,
}

struct State {
    hash: DefaultHasher,
    events: u64,
    file: Option<BufWriter<File>>,
}

/// What a trace comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) hash: u64,
    pub(crate) events: u64,
}

impl fmt::Display for Sum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x} of {} events", self.hash, self.events)
    }
}

impl Trace {
    /// An empty one, which is also written to a file if one is given.
    pub(crate) fn new(file: Option<File>) -> Self {
        let state = State {
            // Always of the same keys, unlike the hashers of maps.
            hash: DefaultHasher::new(),
            events: 0,
            file: file.map(BufWriter::new),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Something happened on a machine, now.
    pub(crate) fn note(&self, machine: &str, what: &str, detail: &[u8]) {
        let now = elapsed();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (now, machine, what, detail).hash(&mut state.hash);
        state.events += 1;
        if let Some(file) = &mut state.file {
            let mut text = String::new();
            for byte in detail {
                let written = match byte {
                    b' '..=b'~' => text.write_char(char::from(*byte)),
                    _ => write!(text, "\\{byte:02x}"),
                };
                written.expect("a string takes it");
            }
            writeln!(file, "{:>10.6} {machine} {what} {text}", now.as_secs_f64())
                .expect("the trace is written");
        }
    }

    /// All of it as a number.
    pub(crate) fn sum(&self) -> Sum {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &mut state.file {
            file.flush().expect("the trace is written");
        }
        Sum {
            hash: state.hash.finish(),
            events: state.events,
        }
    }
}
