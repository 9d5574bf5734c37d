//! Text from elsewhere, made fit to be shown.

use std::borrow::Cow;
use std::fmt::Write;

/// A text without anything that could move a terminal's cursor, start a line of its own or turn the reading direction:
/// such characters are shown as escapes. Metadata is free text, and whoever reaches Dkron can write it.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unprintable(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Who reads the lines of a text, and so how a character is shown that cannot be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineStyle {
    /// People, without colour.
    Plain,
    /// A terminal: the sequences that set colours stay, since a writer of ours put them there.
    Coloured,
    /// Machines: each line is JSON.
    Json,
}

/// Several lines, in which every character can be seen, as in [`printable`].
pub fn printable_lines(text: &str, style: LineStyle) -> Cow<'_, str> {
    if !text.contains(|c| c != '\n' && is_unprintable(c)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let coloured = colour_sequence(rest).filter(|_| style == LineStyle::Coloured);
        let (part, next) = rest.split_at(coloured.unwrap_or(c.len_utf8()));
        if coloured.is_some() || c == '\n' || !is_unprintable(c) {
            shown.push_str(part);
        } else if style == LineStyle::Json {
            shown.push_str(&json_escape(c));
        } else {
            shown.extend(c.escape_default());
        }
        rest = next;
    }
    Cow::Owned(shown)
}

/// A character as JSON escapes it within a string.
pub(crate) fn json_escape(c: char) -> String {
    let mut escape = String::new();
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a string does not fail.
        let _ = write!(escape, "\\u{unit:04x}");
    }
    escape
}

/// The length of a sequence that sets colours and begins here: `ESC [ 1 ; 31 m`.
fn colour_sequence(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\u{1b}[")?;
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    numbers[end..].starts_with('m').then_some(end + "\u{1b}[m".len())
}

/// What serde says of JSON, without its place: it counts from the beginning of what it was given, and we say the file's.
pub fn json_words(error: &serde_json::Error) -> String {
    let mut words = error.to_string();
    words.truncate(words.rfind(" at line ").unwrap_or(words.len()));
    words
}

/// Whether [`printable`] shows it as an escape.
pub(crate) fn is_unprintable(c: char) -> bool {
    // The second part are Unicode's bidirectional controls and its line and paragraph separators.
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
