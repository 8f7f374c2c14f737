//! Owns what is known about standard output and error: whether a person looks at them, and whether they want colours.

use std::io::{self, IsTerminal, Write};

/// What the two output streams are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terminal {
    /// Standard output is a terminal.
    pub(crate) out: bool,
    /// Standard error is a terminal.
    pub(crate) err: bool,
    /// Colours are wanted (NO_COLOR is not set, TERM is not `dumb`).
    pub(crate) colours: bool,
}

/// The colours in use, as SGR numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// Trouble.
    Red,
    /// A warning.
    Yellow,
    /// A name in front of output.
    Cyan,
    /// What matters less.
    Dim,
}

impl Terminal {
    /// Looks at the two streams.
    pub(crate) fn detect(colours_wanted: bool) -> Self {
        Self {
            out: io::stdout().is_terminal(),
            err: io::stderr().is_terminal(),
            colours: colours_wanted,
        }
    }

    /// Text for standard output, coloured when that is a terminal.
    pub(crate) fn paint(self, colour: Colour, text: &str) -> String {
        paint(self.out && self.colours, colour, text)
    }

    /// Text for standard error, coloured when that is a terminal.
    pub(crate) fn paint_err(self, colour: Colour, text: &str) -> String {
        paint(self.err && self.colours, colour, text)
    }

    /// Prints a failure to standard error.
    pub(crate) fn error(self, message: &str) {
        self.notice("error:", Colour::Red, message);
    }

    /// Prints a warning to standard error.
    pub(crate) fn warning(self, message: &str) {
        self.notice("warning:", Colour::Yellow, message);
    }

    /// Prints something worth knowing to standard error, where it does not mix with results.
    #[expect(
        clippy::unused_self,
        reason = "the place where all that people are told goes through"
    )]
    pub(crate) fn note(self, message: &str) {
        eprint_line(&sanitised(message));
    }

    fn notice(self, word: &str, colour: Colour, message: &str) {
        let word = self.paint_err(colour, word);
        eprint_line(&format!("{word} {}", sanitised(message)));
    }
}

fn paint(on: bool, colour: Colour, text: &str) -> String {
    let code = match colour {
        Colour::Red => "31",
        Colour::Yellow => "33",
        Colour::Cyan => "36",
        Colour::Dim => "2",
    };
    if on {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// Messages quote what users and servers wrote; control characters in it must not reach the terminal.
fn sanitised(message: &str) -> String {
    message
        .chars()
        .map(|char| {
            if char.is_control() && char != '\n' {
                ' '
            } else {
                char
            }
        })
        .collect()
}

/// One line to standard output. The error of a reader that went away (`| head`) ends the verb and is told to nobody.
pub(crate) fn print_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.write_all(b"\n")
}

/// Several lines to standard output.
pub(crate) fn print_lines(lines: impl IntoIterator<Item = String>) -> io::Result<()> {
    lines.into_iter().try_for_each(|line| print_line(&line))
}

/// Text or bytes to standard output as they are.
pub(crate) fn print_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

fn eprint_line(line: &str) {
    // Without standard error there is nobody to tell.
    drop(writeln!(io::stderr().lock(), "{line}"));
}

#[cfg(test)]
mod tests {
    use super::{Colour, Terminal, sanitised};

    #[test]
    fn colours_only_on_a_terminal_that_wants_them() {
        let terminal = |out, colours| Terminal {
            out,
            err: false,
            colours,
        };
        assert_eq!(
            terminal(true, true).paint(Colour::Red, "x"),
            "\u{1b}[31mx\u{1b}[0m"
        );
        assert_eq!(terminal(true, false).paint(Colour::Red, "x"), "x");
        assert_eq!(terminal(false, true).paint(Colour::Red, "x"), "x");
    }

    #[test]
    fn messages_carry_no_escape_sequences() {
        assert_eq!(sanitised("a\u{1b}[2J\nb"), "a [2J\nb");
    }
}
