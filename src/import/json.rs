//! A JSON text as a document's value, where writing it anew gives the very same bytes.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

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
    let Json(node) = serde_json::from_str(text).ok()?;
    let mut written = String::with_capacity(text.len());
    (fits(&node, 0) && compact(&node, &mut written) && written == text).then_some(node)
}

/// Whether a text may be a key in a template.
pub(super) fn is_key(text: &str) -> bool {
    text.len() <= LONGEST_KEY && !is_template(text)
}

/// Whether a template can hold it: no key twice, none that looks like template syntax, not too deep.
fn fits(node: &Node, depth: usize) -> bool {
    depth <= DEEPEST
        && match node {
            Node::List(list) => list.iter().all(|node| fits(node, depth + 1)),
            Node::Map(map) => {
                let mut keys: Vec<_> = map.iter().map(|entry| entry.key.as_str()).collect();
                keys.sort_unstable();
                keys.is_sorted_by(|one, two| one < two)
                    && map.iter().all(|entry| is_key(&entry.key) && fits(&entry.node, depth + 1))
            }
            _ => true,
        }
}

/// Compact JSON, as `render` writes it; whether there was a JSON form.
fn compact(node: &Node, out: &mut String) -> bool {
    let quoted = |text: &str| Value::from(text).to_string();
    match node {
        Node::Null => out.push_str("null"),
        Node::Bool(_) | Node::Number(_) => out.push_str(node.as_text().unwrap_or_default()),
        Node::Text(leaf) => match leaf.as_text() {
            Some(text) => out.push_str(&quoted(text)),
            None => return false,
        },
        Node::Tagged(..) => return false,
        Node::List(list) => {
            out.push('[');
            for (index, node) in list.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                if !compact(node, out) {
                    return false;
                }
            }
            out.push(']');
        }
        Node::Map(map) => {
            out.push('{');
            for (index, entry) in map.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                out.push_str(&quoted(&entry.key));
                out.push(':');
                if !compact(&entry.node, out) {
                    return false;
                }
            }
            out.push('}');
        }
    }
    true
}

/// JSON with its keys in order and none of them lost.
struct Json(Node);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Nodes).map(Self)
    }
}

struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Node, E> {
        Ok(Node::Bool(bool))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        // JSON has finite numbers only.
        Ok(Number::from_f64(number).map_or(Node::Null, |number| Node::Number(number.to_string())))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(Json(node)) = seq.next_element()? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some((key, Json(node))) = access.next_entry::<String, Json>()? {
            map.push(Entry::new(key, node, Presence::Always));
        }
        Ok(Node::Map(map))
    }
}
