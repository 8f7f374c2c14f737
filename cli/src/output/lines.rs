//! Owns the putting of a name in front of each line of output.

/// The longest line that is kept together; longer ones are cut into several.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Puts prefixes in front of lines. Chunks hold whole lines, apart from a last one without its line break.
#[derive(Debug, Default)]
pub(crate) struct Prefixer {
    buffer: Vec<u8>,
}

impl Prefixer {
    /// The lines of a chunk, each with the prefix, each ended.
    pub(crate) fn lines(&mut self, prefix: &str, chunk: &[u8]) -> Vec<u8> {
        self.buffer.clear();
        let chunk = chunk.strip_suffix(b"\n").unwrap_or(chunk);
        for line in chunk.split(|byte| *byte == b'\n') {
            // A line that wipes or moves over others would tear the account of several pods apart.
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                self.push(prefix, line);
            }
            for part in line.chunks(LINE_BYTES_MAX) {
                self.push(prefix, part);
            }
        }
        std::mem::take(&mut self.buffer)
    }

    fn push(&mut self, prefix: &str, line: &[u8]) {
        self.buffer.extend_from_slice(prefix.as_bytes());
        self.buffer.extend_from_slice(line);
        self.buffer.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_BYTES_MAX, Prefixer};

    #[test]
    fn every_line_gets_the_prefix() {
        let lines = |chunk: &[u8]| String::from_utf8(Prefixer::default().lines("a | ", chunk)).unwrap();
        assert_eq!(lines(b"one\ntwo\n"), "a | one\na | two\n");
        assert_eq!(lines(b"one\n\ntwo"), "a | one\na | \na | two\n");
        assert_eq!(lines(b"one\r\n"), "a | one\n");
        assert_eq!(lines(&vec![b'x'; LINE_BYTES_MAX + 1]).lines().count(), 2);
    }
}
