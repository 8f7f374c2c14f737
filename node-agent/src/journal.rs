//! The record of the containers that were started and how they ended: one append-only file of JSON lines. Owns the
//! file's format, cutting a damaged tail, and keeping the file small. What a record means after a crash is decided by
//! the runtime that wrote it.
//!
//! The file survives the death of who writes it, not the loss of power: nothing is synced per record, since after a power
//! failure no process is left to be found. It is synced whenever it is rewritten. What a full disk keeps from being
//! written stays in memory and is written when there is room again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bosun_host::{Disk, DiskFile, Host, OpenMode};
use serde::{Deserialize, Serialize};

use crate::runtime::{ContainerId, Ended, RuntimeError};

/// The version of the format; another one is refused.
const FORMAT: u32 = 1;
/// A file smaller than this is not rewritten while the agent runs, in bytes.
const REWRITE_MIN: u64 = 4 << 20;
/// The file is rewritten when it is so many times as long as after the last rewrite.
const REWRITE_GROWTH: u64 = 4;
/// Runs of one container that are remembered: the current one and the one before.
const RUNS_KEPT: usize = 2;

/// A process that a container was started as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessMark {
    /// Process id, and process group id.
    pub pid: i32,
    /// Start time in clock ticks since boot (proc(5), /proc/PID/stat field 22); with the pid it names one process.
    pub start_ticks: u64,
    /// Start time, nanoseconds since 1970.
    pub started_at: bosun_host::WallTime,
}

/// A session of processes (setsid(2)), by the process that leads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionMark {
    /// Process id of the leader, and session id.
    pub pid: i32,
    /// The leader's start time in clock ticks since boot.
    pub ticks: u64,
}

/// The life that wrote the journal before this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Earlier {
    /// It was in this boot of the machine; if not, no process in the journal exists any more.
    pub same_boot: bool,
    /// Every container was started in this session.
    pub session: Option<SessionMark>,
}

/// What is known about one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunRecord {
    /// It was started and nothing else is known.
    Started(ProcessMark),
    /// It is over.
    Ended(Ended),
}

/// Runs by number, at most [`RUNS_KEPT`].
type Runs = BTreeMap<u32, RunRecord>;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalContent {
    /// Runs by pod uid and container name, of pods that are not finished.
    pub pods: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Runs>>,
    /// Pods whose end was acknowledged and whose output is still kept.
    pub finished: BTreeSet<Arc<str>>,
}

/// The open journal.
pub struct Journal {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    boot_id: String,
    state: Mutex<State>,
}

struct State {
    content: JournalContent,
    file: Option<Box<dyn DiskFile>>,
    length: u64,
    rewritten_length: u64,
    /// The file lacks something that is in `content`.
    broken: bool,
    session: Option<SessionMark>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    bosun_agent_journal: u32,
    boot_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<SessionMark>,
}

/// One line. The field names are the format.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Started {
        pod: Arc<str>,
        container: Arc<str>,
        run: u32,
        pid: i32,
        ticks: u64,
        at: i64,
    },
    Ended {
        pod: Arc<str>,
        container: Arc<str>,
        run: u32,
        code: i32,
        #[serde(default, skip_serializing_if = "is_zero")]
        signal: i32,
        reason: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<i64>,
        at: i64,
    },
    Finished {
        pod: Arc<str>,
    },
    Removed {
        pod: Arc<str>,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

impl Journal {
    /// Reads the journal at `path`, if there is one, and says who wrote it. Nothing is written before
    /// [`Journal::begin`].
    pub fn read(host: &Host, path: &Path, boot_id: &str) -> Result<(Self, Earlier), RuntimeError> {
        let bytes = match host.disk.read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(file_error(path, source)),
        };
        let (content, header) = parse(path, &bytes)?;
        let earlier = header.map_or_else(Earlier::default, |header| Earlier {
            same_boot: header.boot_id == boot_id,
            session: header.session,
        });
        let journal = Self {
            disk: Arc::clone(&host.disk),
            path: path.to_owned(),
            boot_id: boot_id.to_owned(),
            state: Mutex::new(State {
                content,
                file: None,
                length: 0,
                rewritten_length: 0,
                broken: false,
                session: None,
            }),
        };
        Ok((journal, earlier))
    }

    /// Writes what is known as a fresh file and appends to it from now on. Every container will be started in `session`,
    /// if there is one.
    pub fn begin(&self, session: Option<SessionMark>) -> Result<(), RuntimeError> {
        let mut state = self.state();
        state.session = session;
        self.rewrite(&mut state)
            .map_err(|source| file_error(&self.path, source))
    }

    /// What is known now.
    pub fn content(&self) -> JournalContent {
        self.state().content.clone()
    }

    /// Whether the pod's end was acknowledged.
    pub fn is_finished(&self, pod_uid: &str) -> bool {
        self.state().content.finished.contains(pod_uid)
    }

    /// What is known of a run.
    pub fn record(&self, id: &ContainerId) -> Option<RunRecord> {
        let state = self.state();
        let runs = state.content.pods.get(&id.pod_uid)?.get(&id.container)?;
        runs.get(&id.run).cloned()
    }

    /// Whether something could not be written and waits in memory.
    pub fn is_behind(&self) -> bool {
        self.state().broken
    }

    /// Tries to write what could not be written before. True if nothing is missing in the file any more.
    pub fn catch_up(&self) -> bool {
        let mut state = self.state();
        if !state.broken {
            return true;
        }
        match self.rewrite(&mut state) {
            Ok(()) => {
                tracing::info!(path = %self.path.display(), "containers are recorded again");
                true
            }
            Err(error) => {
                tracing::debug!(path = %self.path.display(), %error, "containers still cannot be recorded");
                false
            }
        }
    }

    /// A container runs as this process.
    pub fn started(&self, id: &ContainerId, mark: ProcessMark) {
        self.append(Line::Started {
            pod: Arc::clone(&id.pod_uid),
            container: Arc::clone(&id.container),
            run: id.run,
            pid: mark.pid,
            ticks: mark.start_ticks,
            at: nanoseconds(mark.started_at),
        });
    }

    /// A container is over.
    pub fn ended(&self, id: &ContainerId, ended: &Ended) {
        self.append(ended_line(id, ended));
    }

    /// The pod's end was acknowledged.
    pub fn finished(&self, pod_uid: &Arc<str>) {
        self.append(Line::Finished {
            pod: Arc::clone(pod_uid),
        });
    }

    /// Nothing is left of the pod.
    pub fn removed(&self, pod_uid: &Arc<str>) {
        let known = {
            let state = self.state();
            state.content.pods.contains_key(pod_uid) || state.content.finished.contains(pod_uid)
        };
        if known {
            self.append(Line::Removed {
                pod: Arc::clone(pod_uid),
            });
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, line: Line) {
        let mut state = self.state();
        let text = render(&line);
        state.content.apply(line);
        let Some(file) = &state.file else {
            return;
        };
        if state.broken {
            // It waits with what waits already, for `catch_up`.
            return;
        }
        if let Err(error) = file.write_at(state.length, text.as_bytes()) {
            let path = self.path.display();
            tracing::error!(
                %path,
                %error,
                "cannot record containers, and tries on; free space under the data directory"
            );
            state.broken = true;
            return;
        }
        state.length += text.len() as u64;
        if state.length > REWRITE_MIN.max(state.rewritten_length * REWRITE_GROWTH)
            && let Err(error) = self.rewrite(&mut state)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot rewrite the record of containers");
            // Not again before it has grown as much once more.
            state.rewritten_length = state.length;
        }
    }

    fn rewrite(&self, state: &mut State) -> io::Result<()> {
        let mut text = serde_json::to_string(&Header {
            bosun_agent_journal: FORMAT,
            boot_id: self.boot_id.clone(),
            session: state.session,
        })
        .map_err(io::Error::other)?;
        text.push('\n');
        for line in state.content.lines() {
            text.push_str(&render(&line));
        }
        self.disk.write_atomically(&self.path, text.as_bytes())?;
        state.file = Some(self.disk.open(&self.path, OpenMode::Write)?);
        state.length = text.len() as u64;
        state.rewritten_length = state.length;
        state.broken = false;
        Ok(())
    }
}

impl JournalContent {
    fn apply(&mut self, line: Line) {
        match line {
            Line::Started {
                pod,
                container,
                run,
                pid,
                ticks,
                at,
            } => {
                let mark = ProcessMark {
                    pid,
                    start_ticks: ticks,
                    started_at: wall(at),
                };
                self.put(pod, container, run, RunRecord::Started(mark));
            }
            Line::Ended {
                pod,
                container,
                run,
                code,
                signal,
                reason,
                message,
                from,
                at,
            } => {
                let ended = Ended {
                    exit_code: code,
                    signal,
                    reason,
                    message,
                    started_at: from.map(wall),
                    finished_at: wall(at),
                };
                self.put(pod, container, run, RunRecord::Ended(ended));
            }
            Line::Finished { pod } => {
                self.pods.remove(&pod);
                self.finished.insert(pod);
            }
            Line::Removed { pod } => {
                self.pods.remove(&pod);
                self.finished.remove(&pod);
            }
        }
    }

    fn put(&mut self, pod: Arc<str>, container: Arc<str>, run: u32, record: RunRecord) {
        if self.finished.contains(&pod) {
            return;
        }
        let runs = self.pods.entry(pod).or_default().entry(container).or_default();
        runs.insert(run, record);
        while runs.len() > RUNS_KEPT {
            runs.pop_first();
        }
    }

    fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        let finished = self
            .finished
            .iter()
            .map(|pod| Line::Finished { pod: Arc::clone(pod) });
        let runs = self.pods.iter().flat_map(|(pod, containers)| {
            containers.iter().flat_map(move |(container, runs)| {
                runs.iter().map(move |(run, record)| {
                    let id = ContainerId {
                        pod_uid: Arc::clone(pod),
                        container: Arc::clone(container),
                        run: *run,
                    };
                    match record {
                        RunRecord::Started(mark) => Line::Started {
                            pod: id.pod_uid,
                            container: id.container,
                            run: id.run,
                            pid: mark.pid,
                            ticks: mark.start_ticks,
                            at: nanoseconds(mark.started_at),
                        },
                        RunRecord::Ended(ended) => ended_line(&id, ended),
                    }
                })
            })
        });
        finished.chain(runs)
    }
}

fn ended_line(id: &ContainerId, ended: &Ended) -> Line {
    Line::Ended {
        pod: Arc::clone(&id.pod_uid),
        container: Arc::clone(&id.container),
        run: id.run,
        code: ended.exit_code,
        signal: ended.signal,
        reason: ended.reason.clone(),
        message: ended.message.clone(),
        from: ended.started_at.map(nanoseconds),
        at: nanoseconds(ended.finished_at),
    }
}

fn render(line: &Line) -> String {
    let mut text = serde_json::to_string(line).expect("a line is made of strings and numbers");
    text.push('\n');
    text
}

fn parse(path: &Path, bytes: &[u8]) -> Result<(JournalContent, Option<Header>), RuntimeError> {
    let mut content = JournalContent::default();
    if bytes.is_empty() {
        return Ok((content, None));
    }
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let header: Header = serde_json::from_slice(first).map_err(|_| RuntimeError::Format {
        path: path.display().to_string(),
        found: "unknown".to_owned(),
        known: FORMAT,
    })?;
    if header.bosun_agent_journal != FORMAT {
        return Err(RuntimeError::Format {
            path: path.display().to_string(),
            found: header.bosun_agent_journal.to_string(),
            known: FORMAT,
        });
    }
    for (number, line) in lines.enumerate() {
        let complete = line.ends_with(b"\n");
        match serde_json::from_slice::<Line>(line) {
            Ok(line) if complete => content.apply(line),
            Ok(_) | Err(_) => {
                let path = path.display();
                tracing::warn!(%path, line = number + 2, "the record of containers is cut here: the rest is damaged");
                break;
            }
        }
    }
    Ok((content, Some(header)))
}

fn nanoseconds(time: bosun_host::WallTime) -> i64 {
    time.timestamp_nanos_opt().unwrap_or(i64::MAX)
}

fn wall(nanoseconds: i64) -> bosun_host::WallTime {
    bosun_host::WallTime::from_timestamp_nanos(nanoseconds)
}

fn file_error(path: &Path, source: io::Error) -> RuntimeError {
    RuntimeError::File {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
