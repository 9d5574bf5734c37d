//! Objects that are no JSON as they stand: cut by their braces, and rid of the old backup script's line breaks.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::job::json_words;

use super::Reason;

/// The deepest nesting of an object's braces. It keeps the search for the next good line from looking at each line more than so
/// many times.
pub(super) const DEEPEST: u32 = 128;

/// Whether an object may begin here, and not the middle of a broken one: behind `{` comes a key or `}`.
pub(super) fn begins_object(text: &[u8]) -> bool {
    let inner = text.get(1..).unwrap_or_default();
    matches!(inner.trim_ascii_start().first(), Some(b'"' | b'}'))
}

/// The object that this begins with: how many bytes it has here, and the object itself. `line` is the line of its beginning.
///
/// # Errors
/// Why there is none.
pub(super) fn object(text: &[u8], line: u64) -> Result<(usize, Cow<'_, [u8]>), Reason> {
    let mut breaks = Vec::new();
    // A line within it begins with `{`: it may have swallowed other objects.
    let mut suspicious = false;
    let mut depth = 0;
    let mut in_string = false;
    // The last byte outside of strings that is no white space.
    let mut last = b':';
    let mut at = 0;
    loop {
        let byte = *text.get(at).ok_or(Reason::Unclosed)?;
        match byte {
            // It hides whatever follows, but for a line break, which is illegal behind it as well.
            b'\\' if in_string => at += usize::from(text.get(at + 1) != Some(&b'\n')),
            b'\n' if in_string => {
                let line = text.get(..at).unwrap_or_default();
                let is_after_brace = line.strip_suffix(b"\r").unwrap_or(line).ends_with(b"}");
                if !is_after_brace || text.get(at + 1).is_some_and(|&after| after != b'{') {
                    return Err(Reason::LineBreak);
                }
                breaks.push(at);
                suspicious = true;
            }
            b'"' => {
                // A string that was broken off behind a `}` only looks like the old script's doing: what is a string and what is
                // not has changed places since.
                if !in_string && !breaks.is_empty() && !matches!(last, b'{' | b':' | b',' | b'[') {
                    return Err(Reason::LineBreak);
                }
                in_string = !in_string;
            }
            _ if in_string => {}
            b'{' => {
                if !matches!(last, b':' | b',' | b'[') {
                    return Err(Reason::NoSeparator);
                }
                depth += 1;
                if depth > DEEPEST {
                    return Err(Reason::TooDeep);
                }
                suspicious |= at > 0 && text.get(at - 1) == Some(&b'\n');
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            last = byte;
        }
        at += 1;
    }
    let whole = text.get(..=at).unwrap_or_default();
    let mended = if breaks.is_empty() { Cow::Borrowed(whole) } else { Cow::Owned(without(whole, &breaks)) };
    if suspicious && let Err(error) = serde_json::from_slice::<IgnoredAny>(&mended) {
        // serde counts from the object's beginning, and where that is is said already.
        let further = u64::try_from(error.line()).unwrap_or_default().saturating_sub(1);
        let place = if further > 0 { format!(" in line {}", line + further) } else { String::new() };
        return Err(Reason::Syntax(json_words(&error) + &place));
    }
    Ok((whole.len(), mended))
}

/// The bytes without the line breaks at these places, nor a carriage return before one.
fn without(bytes: &[u8], breaks: &[usize]) -> Vec<u8> {
    let mut rest = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for &at in breaks {
        let line = bytes.get(from..at).unwrap_or_default();
        rest.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        from = at + 1;
    }
    rest.extend_from_slice(bytes.get(from..).unwrap_or_default());
    rest
}
