//! Reading a file line by line in bounded memory.

use std::io::{self, BufRead, BufReader, Read};

/// The longest line, in octets, its end not counted.
pub(super) const MAX_OCTETS: usize = 64 * 1024;
/// What some programs put at the beginning of a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a text, counted from 1.
pub(super) struct Lines<R> {
    text: BufReader<R>,
    line: Vec<u8>,
    number: u64,
    octets: u64,
}

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Text(&'a [u8]),
    /// It is skipped, not kept.
    TooLong,
}

impl<R: Read> Lines<R> {
    pub fn new(text: R) -> Self {
        let text = BufReader::with_capacity(256 * 1024, text);
        Self { text, line: Vec::new(), number: 0, octets: 0 }
    }

    /// The number of the line that was read last; 0 before the first.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many octets were read.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// The next line; `None` when there is none.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let room = (MAX_OCTETS + 2) as u64;
        let read = self.text.by_ref().take(room).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.octets += read as u64;
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if read as u64 == room {
            self.octets += self.text.skip_until(b'\n')? as u64;
            return Ok(Some(Line::TooLong));
        }
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        let line = match line.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if self.number == 1 => rest,
            _ => line,
        };
        Ok(Some(if line.len() > MAX_OCTETS { Line::TooLong } else { Line::Text(line) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(text: &[u8]) -> Vec<Option<usize>> {
        let mut lines = Lines::new(text);
        let mut lengths = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            lengths.push(match line {
                Line::Text(text) => Some(text.len()),
                Line::TooLong => None,
            });
        }
        assert_eq!(lines.number(), lengths.len() as u64);
        assert_eq!(lines.octets(), text.len() as u64);
        lengths
    }

    #[test]
    fn lines_end_as_on_any_system_and_the_last_need_not() {
        assert_eq!(lengths(b""), []);
        assert_eq!(lengths(b"\n"), [Some(0)]);
        assert_eq!(lengths(b"a\r\n\r\nbc"), [Some(1), Some(0), Some(2)]);
        assert_eq!(lengths(b"\xef\xbb\xbfa\n\xef\xbb\xbfa\n"), [Some(1), Some(4)]);
    }

    #[test]
    fn a_line_that_is_too_long_is_one_line_and_is_not_kept() {
        let fits = [&vec![b'x'; MAX_OCTETS][..], b"\r\n"].concat();
        let longer = [&vec![b'x'; MAX_OCTETS + 1][..], b"\n"].concat();
        let huge = [&vec![b'x'; 5 * MAX_OCTETS][..], b"\n"].concat();
        let text = [&fits[..], &longer, &huge, b"end"].concat();
        assert_eq!(lengths(&text), [Some(MAX_OCTETS), None, None, Some(3)]);
        assert_eq!(lengths(&huge[..huge.len() - 1]), [None]);
    }
}
