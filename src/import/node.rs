//! A document's values, as a template's file will hold them.

use super::leaf::Leaf;

/// A value of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    /// As written.
    Number(String),
    Text(Leaf),
    /// A leaf with the tag (`!!int`) that says how it is read once it is filled in.
    Tagged(&'static str, Leaf),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) node: Node,
    pub(super) presence: Presence,
}

/// Whether an entry must be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Presence {
    /// It says what is so without it: it is left out, unless another row of its table says something else.
    Default,
    /// Another job may go without it.
    Optional,
    /// It makes the job's shape.
    Always,
}

impl Node {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(Leaf::text(text))
    }

    /// How much text is in it, in bytes.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::List(list) => list.iter().map(Self::length).sum(),
            Self::Map(map) => map.iter().map(|entry| entry.key.len() + entry.node.length()).sum(),
            Self::Text(leaf) | Self::Tagged(_, leaf) => leaf.length(),
            other => other.as_text().map_or(0, str::len),
        }
    }

    /// The text of a scalar without anything to fill in.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Bool(true) => Some("true"),
            Self::Bool(false) => Some("false"),
            Self::Number(number) => Some(number),
            Self::Text(leaf) => leaf.as_text(),
            _ => None,
        }
    }
}

impl Entry {
    pub(super) fn new(key: impl Into<String>, node: Node, presence: Presence) -> Self {
        Self { key: key.into(), node, presence }
    }
}
