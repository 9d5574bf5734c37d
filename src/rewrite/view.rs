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
    depth: u8,
}

impl View {
    pub(super) fn of(text: &str) -> Self {
        let mut view = Self { bytes: Vec::with_capacity(text.len()), marks: Vec::with_capacity(text.len()) };
        for (start, byte) in text.bytes().enumerate() {
            view.push(byte, Mark { start, end: start + 1, depth: 0 });
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

    pub(super) fn depth(&self, at: usize) -> u8 {
        self.marks.get(at).map_or(0, |mark| mark.depth)
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

    /// Adds a byte. Where it completes an escape, what that stands for takes the escape's place, and may complete another one.
    fn push(&mut self, byte: u8, mark: Mark) {
        self.bytes.push(byte);
        self.marks.push(mark);
        // Each turn makes the view shorter, so all of them together take no longer than the text is long.
        loop {
            let (length, decoded, levels) = match *self.bytes.as_slice() {
                [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                    let Some(byte) = hex(&[high, low]).and_then(|value| u8::try_from(value).ok()) else { return };
                    (3, Decoded::Byte(byte), 1)
                }
                [.., b'\\', byte] if byte.is_ascii_punctuation() => (2, Decoded::Byte(byte), 0),
                [.., b'\\', letter] if let Some(control) = control(letter) => (2, Decoded::Byte(control), 0),
                [.., b'\\', b'u', a, b, c, d] if let Some(unit) = hex(&[a, b, c, d]) => {
                    // Half of a pair: whatever both halves stand for, it is in no namespace's name.
                    (6, Decoded::Char(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)), 0)
                }
                _ => return,
            };
            self.replace_last(length, decoded, levels);
        }
    }

    fn replace_last(&mut self, length: usize, decoded: Decoded, levels: u8) {
        let at = self.bytes.len().saturating_sub(length);
        self.bytes.truncate(at);
        let escape = self.marks.drain(at..).reduce(|first, last| Mark {
            start: first.start,
            end: last.end,
            depth: first.depth.max(last.depth),
        });
        let Some(escape) = escape else { return };
        let mark = Mark { depth: escape.depth.saturating_add(levels), ..escape };
        match decoded {
            Decoded::Byte(byte) => self.bytes.push(byte),
            Decoded::Char(char) => self.bytes.extend(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        self.marks.resize(self.bytes.len(), mark);
    }
}

#[derive(Clone, Copy)]
enum Decoded {
    Byte(u8),
    Char(char),
}

/// What a letter after a backslash stands for in JSON.
fn control(letter: u8) -> Option<u8> {
    match letter {
        b'b' => Some(8),
        b't' => Some(b'\t'),
        b'n' => Some(b'\n'),
        b'f' => Some(12),
        b'r' => Some(b'\r'),
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &digit| Some(value * 16 + char::from(digit).to_digit(16)?))
}
