//! A text as its last reader sees it, with the way back.
//!
//! A URL in a query string is percent-encoded, one in a JSON body has its slashes escaped, and both nest: a body that is JSON
//! whose values are JSON holds `\\\"`, a link in a link `%252F`. All escapes are undone at once, as often as they were made, and
//! each byte keeps its place in the text. What is replaced is then replaced there, and nothing around it is written anew.

use std::ops::Range;

/// A text with its escapes undone.
pub(super) struct View {
    /// What the last reader sees. Not UTF-8 where the percent-encoding was not.
    pub(super) bytes: Vec<u8>,
    marks: Vec<Mark>,
}

/// Where a byte comes from.
#[derive(Clone, Copy)]
struct Mark {
    /// Its place in the text, in bytes.
    start: usize,
    end: usize,
    /// How often it was percent-encoded. What is a delimiter of a URL and what only data in it, this tells.
    percent: u8,
}

impl View {
    pub(super) fn of(text: &str) -> Self {
        let mut view = Self { bytes: Vec::with_capacity(text.len()), marks: Vec::with_capacity(text.len()) };
        for (start, byte) in text.bytes().enumerate() {
            view.bytes.push(byte);
            view.marks.push(Mark { start, end: start + 1, percent: 0 });
            // What an escape stands for may complete another one. Each turn makes the view shorter, so all of them together
            // take no longer than the text is long.
            while view.undo_last_escape().is_some() {}
        }
        view
    }

    /// The place in the text of a part of the view that is not empty.
    pub(super) fn place(&self, part: &Range<usize>) -> Range<usize> {
        let start = self.marks.get(part.start).map_or(0, |mark| mark.start);
        part.end.checked_sub(1).and_then(|last| self.marks.get(last)).map_or(start..start, |mark| start..mark.end)
    }

    pub(super) fn get(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// How often the byte at `at` was percent-encoded.
    pub(super) fn depth(&self, at: usize) -> u8 {
        self.marks.get(at).map_or(0, |mark| mark.percent)
    }

    /// The character that ends before `at`; U+FFFD for bytes that are none.
    pub(super) fn char_before(&self, at: usize) -> Option<char> {
        let before = self.bytes.get(..at).filter(|before| !before.is_empty())?;
        let char = (1..=4).find_map(|length| {
            let text = std::str::from_utf8(before.get(before.len().checked_sub(length)?..)?).ok()?;
            text.chars().next()
        });
        Some(char.unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// The character that begins at `at`; U+FFFD for bytes that are none.
    pub(super) fn char_at(&self, at: usize) -> Option<char> {
        let after = self.bytes.get(at..).filter(|after| !after.is_empty())?;
        let char = (1..=4).find_map(|length| std::str::from_utf8(after.get(..length)?).ok()?.chars().next());
        Some(char.unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// Puts what it stands for in the place of the escape that ends the view; `None` when none does.
    fn undo_last_escape(&mut self) -> Option<()> {
        let (length, decoded) = last_escape(&self.bytes)?;
        let at = self.bytes.len().checked_sub(length)?;
        let (first, last) = (*self.marks.get(at)?, *self.marks.last()?);
        let mut mark = Mark { end: last.end, ..first };
        if self.bytes.get(at) == Some(&b'%') {
            mark.percent = mark.percent.saturating_add(1);
        } else if self.bytes.get(at..) == Some(br"\\") && first.percent != last.percent {
            // They came into the text in different ways and are no pair: `%5C\u0025` is one before a `%`.
            return None;
        }
        self.bytes.truncate(at);
        match decoded {
            Decoded::Byte(byte) => self.bytes.push(byte),
            Decoded::Char(char) => self.bytes.extend(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        self.marks.truncate(at);
        self.marks.resize(self.bytes.len(), mark);
        Some(())
    }
}

#[derive(Clone, Copy)]
enum Decoded {
    Byte(u8),
    Char(char),
}

/// How long the escape is that ends these bytes, and what it stands for.
fn last_escape(bytes: &[u8]) -> Option<(usize, Decoded)> {
    match *bytes {
        [.., b'%', high, low] if let Some(value) = hex(&[high, low]) => {
            Some((3, Decoded::Byte(u8::try_from(value).ok()?)))
        }
        [.., b'\\', b'u', a, b, c, d] if let Some(unit) = hex(&[a, b, c, d]) => {
            // Half of a pair: whatever both halves stand for, it is in no namespace's name.
            Some((6, Decoded::Char(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER))))
        }
        [.., b'\\', byte] => Some((2, Decoded::Byte(unescaped(byte)?))),
        _ => None,
    }
}

/// What a byte after a backslash stands for. JSON does not escape `.` or `-`, but shells and regular expressions do.
fn unescaped(byte: u8) -> Option<u8> {
    match byte {
        b'b' => Some(8),
        b't' => Some(b'\t'),
        b'n' => Some(b'\n'),
        b'f' => Some(12),
        b'r' => Some(b'\r'),
        // It may begin what the backslash belongs to: `\%2F`.
        b'%' => None,
        _ => byte.is_ascii_punctuation().then_some(byte),
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &digit| Some(value * 16 + char::from(digit).to_digit(16)?))
}
