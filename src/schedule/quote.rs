//! The two ways in which Go quotes a text in its error messages.

use std::fmt::Write as _;

/// As `strconv.Quote`: what cannot be printed becomes an escape.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            _ if printable(char) => quoted.push(char),
            _ => {
                let code = u32::from(char);
                let escape = match code {
                    ..0x80 => format!("\\x{code:02x}"),
                    0x80..0x1_0000 => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                };
                quoted.push_str(&escape);
            }
        }
    }
    quoted.push('"');
    quoted
}

/// As package `time` does: every byte of what is not plain ASCII becomes `\x…`.
pub(super) fn quote_bytes(text: &str) -> String {
    let mut quoted = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            ' '..'\u{80}' => quoted.push(char),
            _ => {
                for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                    // Writing to a `String` cannot fail.
                    _ = write!(quoted, "\\x{byte:02x}");
                }
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Whether Go and Rust print this character as it is: both go by its Unicode category, of which Rust tells only by escaping.
fn printable(char: char) -> bool {
    // The letter before it keeps a combining mark from being escaped for its own sake. `'` is printed, but escaped by Rust.
    char == '\'' || format!("a{char}").escape_debug().eq(['a', char])
}
