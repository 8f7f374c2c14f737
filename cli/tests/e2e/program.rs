//! A started `bosun`: its lines as they come, its end, and the certainty that it does not outlive the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long any program may take altogether. Far more than any needs, so that a loaded machine changes no result.
const DEADLINE: Duration = Duration::from_mins(2);

/// A directory of the test's own. Home and temporary directory of every program started in it lie inside.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        for name in ["home", "tmp"] {
            std::fs::create_dir(directory.path().join(name)).expect("a directory inside it");
        }
        Self { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file; its path as text.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file in the test's directory");
        text(&path)
    }

    /// Starts `bosun` with the words of `line`.
    pub(crate) fn start(&self, line: &str) -> Program {
        self.start_with(line, None, "")
    }

    /// The same, against a server and with something to read on standard input.
    pub(crate) fn start_with(&self, line: &str, server: Option<&str>, input: &str) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bosun"));
        command
            .args(line.split_whitespace())
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env_remove("XDG_DATA_HOME")
            .env_remove("BOSUN_SERVER")
            .env_remove("BOSUN_LOG")
            .env_remove("RUST_LOG")
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        if let Some(server) = server {
            command.env("BOSUN_SERVER", server);
        }
        Program::start(command, line, input)
    }

    /// Runs `bosun` to its end.
    pub(crate) fn bosun(&self, line: &str) -> Output {
        self.start(line).end()
    }

    /// What programs left in the temporary directory.
    pub(crate) fn left_in_tmp(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("tmp")).expect("the temporary directory");
        entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    }
}

/// A path as an argument of a command line.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("the test's paths are text").to_owned()
}

/// What a program printed and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) line: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
}

impl Output {
    /// Its standard output, if it succeeded.
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }

    /// Its standard error, if it failed as a program should: with an exit code, a message, and without a panic.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert!(matches!(self.code, Some(1 | 2)), "{self:#?}");
        assert!(!self.stderr.trim().is_empty(), "it failed silently: {self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self.stderr
    }

    /// Checks that it failed and that its message holds all of these.
    #[track_caller]
    pub(crate) fn refused(self, parts: &[&str]) {
        let line = self.line.clone();
        let told = self.failed();
        for part in parts {
            assert!(told.contains(part), "bosun {line}: no {part:?} in:\n{told}");
        }
    }
}

/// A program that runs. Killed when dropped.
pub(crate) struct Program {
    child: Child,
    line: String,
    lines: Receiver<(Stream, String)>,
    limit: Instant,
    stdout: String,
    stderr: String,
}

enum Stream {
    Stdout,
    Stderr,
}

impl Program {
    fn start(mut command: Command, line: &str, input: &str) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("bosun starts");
        let mut stdin = child.stdin.take().expect("it was asked for");
        let input = input.to_owned();
        // A program that ends before it has read everything is no failure of the test.
        thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let (sender, lines) = channel();
        read(
            child.stdout.take().expect("it was asked for"),
            sender.clone(),
            || Stream::Stdout,
        );
        read(child.stderr.take().expect("it was asked for"), sender, || {
            Stream::Stderr
        });
        Self {
            child,
            line: line.to_owned(),
            lines,
            limit: Instant::now() + DEADLINE,
            stdout: String::new(),
            stderr: String::new(),
        }
    }

    /// Waits for a line, on either stream, that contains `part`.
    #[track_caller]
    pub(crate) fn until(&mut self, part: &str) -> String {
        while let Some(line) = self.next() {
            if line.contains(part) {
                return line;
            }
        }
        panic!("bosun {}: ended without {part:?}\n{}", self.line, self.told());
    }

    #[track_caller]
    fn next(&mut self) -> Option<String> {
        let left = self.limit.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok((stream, line)) => {
                match stream {
                    Stream::Stdout => self.stdout.push_str(&line),
                    Stream::Stderr => self.stderr.push_str(&line),
                }
                Some(line)
            }
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                panic!(
                    "bosun {}: still running after {DEADLINE:?}\n{}",
                    self.line,
                    self.told()
                )
            }
        }
    }

    fn told(&self) -> String {
        format!("stdout:\n{}stderr:\n{}", self.stdout, self.stderr)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it is not waited for yet");
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Output {
        while self.next().is_some() {}
        let status = self.child.wait().expect("a child can be waited for");
        Output {
            line: self.line.clone(),
            stdout: std::mem::take(&mut self.stdout),
            stderr: std::mem::take(&mut self.stderr),
            code: status.code(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Either may say that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn read(from: impl Read + Send + 'static, to: Sender<(Stream, String)>, stream: fn() -> Stream) {
    thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            let whole = String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned();
            if to.send((stream(), whole)).is_err() {
                return;
            }
        }
    });
}
