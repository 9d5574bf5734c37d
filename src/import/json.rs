//! A JSON text as a document's value, where writing it anew gives the very same bytes.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::json::{Members, write_list, write_object, write_text};
use crate::render::is_template;

use super::node::{Entry, Node, Presence};

/// Deeper bodies stay texts: template files have a deepest level too.
const DEEPEST: usize = 32;
/// Longer keys are no pleasure in YAML.
const LONGEST_KEY: usize = 128;

/// The object or list, its keys in the order of the text; `None` where rendering it would not give the text again.
pub(super) fn open(text: &str) -> Option<Node> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let node = read(text, 0)?;
    let mut written = String::with_capacity(text.len());
    write(&mut written, &node);
    (written == text).then_some(node)
}

/// Whether a text may be a key in a template.
pub(super) fn is_key(text: &str) -> bool {
    text.len() <= LONGEST_KEY && !is_template(text)
}

/// A value that a template can hold: no key twice, none that looks like template syntax, not too deep.
fn read(text: &str, depth: usize) -> Option<Node> {
    let inner = |value: &RawValue| read(value.get(), depth + 1);
    match text.as_bytes().first()? {
        _ if depth > DEEPEST => None,
        b'{' => {
            let Members(members) = serde_json::from_str(text).ok()?;
            let mut keys: Vec<&str> = members.iter().map(|(key, _)| &**key).collect();
            keys.sort_unstable();
            if !keys.is_sorted_by(|one, two| one < two) || !keys.into_iter().all(is_key) {
                return None;
            }
            let entry =
                |(key, value): (Cow<'_, str>, &RawValue)| Some(Entry::new(key, inner(value)?, Presence::Always));
            members.into_iter().map(entry).collect::<Option<_>>().map(Node::Map)
        }
        b'[' => {
            let list: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            list.into_iter().map(inner).collect::<Option<_>>().map(Node::List)
        }
        b'"' => serde_json::from_str::<String>(text).ok().map(Node::text),
        _ => match serde_json::from_str(text).ok()? {
            Value::Bool(bool) => Some(Node::Bool(bool)),
            Value::Number(number) => Some(Node::Number(number.to_string())),
            _ => Some(Node::Null),
        },
    }
}

/// Compact JSON, as `render` writes it, of a value without anything to fill in.
fn write(out: &mut String, node: &Node) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Bool(_) | Node::Number(_) => out.push_str(node.as_text().unwrap_or_default()),
        Node::Text(_) | Node::Tagged(..) => write_text(out, node.as_text().unwrap_or_default()),
        Node::List(list) => write_list(out, list, write),
        Node::Map(map) => write_object(out, map.iter().map(|entry| (entry.key.as_str(), &entry.node)), write),
    }
}
