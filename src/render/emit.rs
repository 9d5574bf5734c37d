//! A job as a YAML document, in the shape of a template.

use std::fmt::Write;

use serde_json::Value;

use crate::job::{Job, is_unprintable};

/// A job as one document, every string quoted where YAML could take it for something else.
pub fn to_yaml(job: &Job) -> String {
    let mut out = "---\n".to_owned();
    // Strings, numbers, bools and maps of them always have a JSON form.
    if let Ok(Value::Object(fields)) = serde_json::to_value(job) {
        // The name first: it is what people look for.
        let mut fields: Vec<_> = fields.iter().collect();
        fields.sort_by_key(|(name, _)| name.as_str() != "name");
        for (name, value) in fields {
            entry(&mut out, 0, name, value);
        }
    }
    out
}

fn entry(out: &mut String, indent: usize, key: &str, value: &Value) {
    // Writing into a string cannot fail.
    let _ = write!(out, "{:indent$}{}:", "", scalar(key));
    match value {
        Value::Object(map) if map.is_empty() => out.push_str(" {}\n"),
        Value::Object(map) => {
            out.push('\n');
            for (key, value) in map {
                entry(out, indent + 2, key, value);
            }
        }
        Value::String(text) => {
            let _ = writeln!(out, " {}", scalar(text));
        }
        other => {
            let _ = writeln!(out, " {other}");
        }
    }
}

/// A string as a YAML scalar.
fn scalar(text: &str) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(word) && !is_reserved(text);
    if plain { text.to_owned() } else { quoted(text) }
}

/// Whether a reader of some YAML takes it for another thing than a text.
pub(crate) fn is_reserved(text: &str) -> bool {
    let reserved = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    reserved.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether it must be escaped: nobody would see it, or no YAML may hold it.
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}') || is_unprintable(c)
}

/// In double quotes. Every JSON string is a double-quoted YAML scalar; what cannot be seen is escaped too.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for c in Value::from(text).to_string().chars() {
        if is_unseen(c) {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}
