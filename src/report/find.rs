//! Finds a secret in a text, also where the text holds it encoded.
//!
//! A secret that stands in a URL is percent-encoded, one in a JSON list of headers or a body is JSON-escaped, and both nest. So a
//! character of the secret is looked for in each of the shapes that it may have there, and the shapes may be mixed.

use std::ops::Range;

/// Where this secret stands in this text, as byte ranges in order; they may overlap.
pub(super) fn find(text: &str, secret: &str) -> Vec<Range<usize>> {
    let Some(first) = secret.chars().next() else { return Vec::new() };
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut ends = Vec::new();
    let mut next = Vec::new();
    for (start, _) in text.char_indices() {
        ends.clear();
        character(bytes, start, first, &mut ends);
        for c in secret.chars().skip(1) {
            if ends.is_empty() {
                break;
            }
            next.clear();
            for &at in &ends {
                character(bytes, at, c, &mut next);
            }
            next.sort_unstable();
            next.dedup();
            std::mem::swap(&mut ends, &mut next);
        }
        found.extend(ends.last().map(|&end| start..end));
    }
    found
}

/// Adds each place where a shape of `c` that begins at `at` may end.
fn character(text: &[u8], at: usize, c: char, ends: &mut Vec<usize>) {
    let mut buffer = [0; 4];
    let utf8 = c.encode_utf8(&mut buffer).as_bytes();
    plain(text, at, utf8, ends);
    if c == ' ' {
        // A form's blank.
        ends.extend(byte(text, at, b'+'));
    }
    // JSON's escapes. Nesting doubles the backslashes, so any number of them counts as one; in a URL they are `%5C`.
    let mut after = at;
    while let Some(end) = byte(text, after, b'\\') {
        after = end;
        if c == '\\' {
            ends.push(after);
        }
        let letter = match c {
            '\u{8}' => b'b',
            '\u{c}' => b'f',
            '\n' => b'n',
            '\r' => b'r',
            '\t' => b't',
            _ => 0,
        };
        if letter != 0 && text.get(after) == Some(&letter) {
            ends.push(after + 1);
        }
        if c.is_ascii_punctuation() {
            plain(text, after, utf8, ends);
        }
        code_units(text, after, c, ends);
    }
}

/// The UTF-8 bytes of a character, each as it is or percent-encoded.
fn plain(text: &[u8], at: usize, utf8: &[u8], ends: &mut Vec<usize>) {
    if utf8 != b"%" {
        ends.extend(utf8.iter().try_fold(at, |at, &b| byte(text, at, b)));
    } else if text.get(at) == Some(&b'%') {
        // It may end after each `25`: what follows may belong to it or to the next character.
        let mut end = at + 1;
        ends.push(end);
        while text.get(end..end + 2) == Some(b"25") {
            end += 2;
            ends.push(end);
        }
    }
}

/// One byte, which is no `%`, as it is or percent-encoded, however often.
fn byte(text: &[u8], at: usize, wanted: u8) -> Option<usize> {
    let found = *text.get(at)?;
    if found != b'%' {
        return (found == wanted).then_some(at + 1);
    }
    let mut digits = at + 1;
    while text.get(digits..digits + 2) == Some(b"25") {
        digits += 2;
    }
    (hex(text, digits) == Some(wanted)).then_some(digits + 2)
}

/// The byte that two hexadecimal digits stand for.
fn hex(text: &[u8], at: usize) -> Option<u8> {
    let digits = std::str::from_utf8(text.get(at..at + 2)?).ok()?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
}

/// `uXXXX` after a backslash: as Go writes `<`, `>` and `&`, and others write whatever is not ASCII, in two halves above U+FFFF.
fn code_units(text: &[u8], mut at: usize, c: char, ends: &mut Vec<usize>) {
    let mut buffer = [0; 2];
    for (index, unit) in c.encode_utf16(&mut buffer).iter().enumerate() {
        if index > 0 {
            let backslashes = at;
            while let Some(end) = byte(text, at, b'\\') {
                at = end;
            }
            if at == backslashes {
                return;
            }
        }
        let escape = text.get(at..at + 5).and_then(|escape| std::str::from_utf8(escape).ok());
        let value =
            escape.and_then(|escape| escape.strip_prefix('u')).and_then(|hex| u16::from_str_radix(hex, 16).ok());
        if value != Some(*unit) {
            return;
        }
        at += 5;
    }
    ends.push(at);
}
