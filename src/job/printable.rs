//! Text from elsewhere, made fit to be shown.

use std::borrow::Cow;

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
