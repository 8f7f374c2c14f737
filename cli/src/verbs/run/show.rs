//! Owns the screen of a run: on a terminal a block of status lines that is kept below the pods' output, elsewhere one plain
//! line per change.

use super::account;
use super::board::Board;
use crate::output::lines::Prefixer;
use crate::output::terminal::{Colour, Terminal, print_bytes};
use anyhow::Result;
use bosun_proto::Time;
use std::collections::BTreeMap;
use std::io::{self, Write as _};

/// How many status lines are shown at most.
const BLOCK_LINES_MAX: usize = 12;
/// A terminal of unknown width is taken to have so many columns.
const COLUMNS: usize = 80;

/// Shows a run as it goes.
#[derive(Debug)]
pub(super) struct Show {
    terminal: Terminal,
    prefixer: Prefixer,
    /// What was last said about each root and each pod in trouble.
    said: BTreeMap<String, String>,
    /// The lines of the block that stand on the screen.
    drawn: Vec<String>,
}

impl Show {
    pub(super) fn new(terminal: Terminal) -> Self {
        Self {
            terminal,
            prefixer: Prefixer::default(),
            said: BTreeMap::new(),
            drawn: Vec::new(),
        }
    }

    /// Whether status is redrawn in place.
    pub(super) fn is_live(&self) -> bool {
        self.terminal.err && self.terminal.colours
    }

    /// Prints a pod's output.
    pub(super) fn output(&mut self, name: &str, chunk: &[u8]) -> Result<()> {
        self.clear();
        let prefix = self.terminal.paint(Colour::Cyan, &format!("{name} | "));
        let lines = self.prefixer.lines(&prefix, chunk);
        Ok(print_bytes(&lines)?)
    }

    /// Prints a line that stays.
    pub(super) fn note(&mut self, line: &str) {
        self.clear();
        self.terminal.note(line);
    }

    /// Brings the status up to date.
    pub(super) fn status(&mut self, board: &Board, now: Time) {
        self.news(board);
        if self.is_live() {
            self.draw(board, now);
        }
    }

    /// Says what has changed, once: without a live block every root's line, in any case the pods in trouble.
    fn news(&mut self, board: &Board) {
        let mut news = Vec::new();
        for root in board.roots() {
            for (pod, why) in account::troubles(board, root) {
                news.push((format!("pod {pod}"), format!("pod {pod}: {why}")));
            }
            if !self.is_live() {
                news.push((root.metadata().uid.clone(), account::line(board, root)));
            }
        }
        for (about, line) in news {
            if self.said.get(&about) != Some(&line) {
                self.note(&line);
                self.said.insert(about, line);
            }
        }
    }

    fn draw(&mut self, board: &Board, now: Time) {
        let mut lines: Vec<String> = board
            .roots()
            .map(|root| account::timed_line(board, root, now))
            .collect();
        let more = lines.len().saturating_sub(BLOCK_LINES_MAX);
        lines.truncate(BLOCK_LINES_MAX);
        lines.extend((more > 0).then(|| format!("... and {more} more")));
        if lines == self.drawn {
            return;
        }
        // A wrapped line would break the redrawing.
        let width = terminal_size::terminal_size_of(io::stderr());
        let width = width
            .map_or(COLUMNS, |(columns, _)| usize::from(columns.0))
            .saturating_sub(1);
        let mut text = self.erasure();
        for line in &lines {
            let cut: String = line.chars().take(width).collect();
            text.push_str(&self.terminal.paint_err(Colour::Dim, &cut));
            text.push('\n');
        }
        self.drawn = lines;
        write_err(&text);
    }

    /// Takes the block off the screen, before anything else is printed and at the end.
    pub(super) fn clear(&mut self) {
        if !self.drawn.is_empty() {
            write_err(&self.erasure());
            self.drawn.clear();
        }
    }

    /// Moves to the block's first line and clears the screen from there.
    fn erasure(&self) -> String {
        if self.drawn.is_empty() {
            String::new()
        } else {
            format!("\u{1b}[{}A\r\u{1b}[J", self.drawn.len())
        }
    }
}

fn write_err(text: &str) {
    let mut err = io::stderr().lock();
    // Without standard error there is nobody to show it to.
    drop(err.write_all(text.as_bytes()).and_then(|()| err.flush()));
}
