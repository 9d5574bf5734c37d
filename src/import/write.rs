//! Documents as YAML that our reader reads back exactly, and that other readers of YAML 1.1 and 1.2 read as the same.

use std::fmt::Write;

use crate::render::{is_reserved, is_unseen, quoted};

use super::node::{Entry, Node, Presence};

/// Longer keys are no simple keys in YAML: they need a `?`.
const LONGEST_SIMPLE_KEY: usize = 256;

/// A text as it may stand in a comment: on one line, and with what cannot be seen as escapes.
pub(super) fn comment(text: &str) -> String {
    text.chars().map(|c| if is_unseen(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// A map in block style, its keys at this indentation.
pub(super) fn map(out: &mut String, indent: usize, entries: &[Entry]) {
    for Entry { key, node, presence } in entries {
        if *presence == Presence::Default {
            continue;
        }
        let key = scalar(key, None);
        // Writing into a string cannot fail.
        let _ = if key.len() > LONGEST_SIMPLE_KEY {
            write!(out, "{:indent$}? {key}\n{:indent$}:", "", "")
        } else {
            write!(out, "{:indent$}{key}:", "")
        };
        value(out, indent, node);
    }
}

/// What stands behind a key or a dash.
fn value(out: &mut String, indent: usize, node: &Node) {
    let inner = indent + 2;
    match node {
        Node::Null => out.push_str(" null\n"),
        Node::Bool(_) | Node::Number(_) => {
            let _ = writeln!(out, " {}", node.as_text().unwrap_or_default());
        }
        Node::Text(leaf) => {
            let _ = writeln!(out, " {}", scalar(&leaf.source(), Some(inner)));
        }
        Node::Tagged(tag, leaf) => {
            let _ = writeln!(out, " {tag} {}", scalar(&leaf.source(), None));
        }
        Node::List(list) if list.is_empty() => out.push_str(" []\n"),
        Node::Map(entries) if entries.iter().all(|entry| entry.presence == Presence::Default) => out.push_str(" {}\n"),
        Node::List(list) => {
            out.push('\n');
            for node in list {
                item(out, inner, node);
            }
        }
        Node::Map(entries) => {
            out.push('\n');
            map(out, inner, entries);
        }
    }
}

fn item(out: &mut String, indent: usize, node: &Node) {
    let mut block = String::new();
    match node {
        // Its first key stands on the line of the dash.
        Node::Map(entries) if !entries.is_empty() => map(&mut block, indent + 2, entries),
        _ => {
            let _ = write!(block, "{:indent$} ", "");
            value(&mut block, indent, node);
        }
    }
    let _ = write!(out, "{:indent$}-", "");
    out.push_str(block.get(indent + 1..).unwrap_or_default());
}

/// A string as a YAML scalar: plain where every reader takes it for a text, else quoted. With an indentation, a text of several
/// lines is a block of that indentation where that is exact.
fn scalar(text: &str, block: Option<usize>) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    // Our reader joins surrogate pairs (`\ud83d\ude00`) wherever they are not escaped.
    let as_it_stands = !text.contains(|c| c != '\n' && is_unseen(c)) && !text.to_ascii_lowercase().contains("\\ud");
    if let Some(indent) = block.filter(|_| as_it_stands && is_block(text)) {
        let (style, body) = match text.strip_suffix('\n') {
            Some(body) => ("|", body),
            None => ("|-", text),
        };
        let mut out = style.to_owned();
        for line in body.split('\n') {
            let _ = write!(out, "\n{:width$}{line}", "", width = if line.is_empty() { 0 } else { indent });
        }
        return out;
    }
    let escapes = text.contains(['"', '\\']);
    if as_it_stands && escapes && !text.contains(['\n', '\'']) {
        return format!("'{text}'");
    }
    quoted(text)
}

fn is_plain(text: &str) -> bool {
    let legal = |c: char| c.is_alphanumeric() || " _-./:@+=,?&%;()~$*<>|^!'\"{}[]\\".contains(c);
    text.starts_with(|c: char| c.is_alphabetic() || c == '/')
        && !text.ends_with([' ', ':'])
        && text.chars().all(legal)
        && !text.contains(": ")
        && !text.contains("{{")
        && !text.contains("{%")
        && !text.to_ascii_lowercase().contains("\\ud")
        && !is_reserved(text)
}

/// Whether a literal block holds it exactly: several lines, the first of them not indented, none with blanks at its end, one
/// line break at most at the very end.
fn is_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    body.contains('\n')
        && !body.starts_with([' ', '\n'])
        && !body.ends_with('\n')
        && body.split('\n').all(|line| !line.ends_with(char::is_whitespace))
}
