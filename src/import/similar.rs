//! Which jobs look as if one person had written them from one template.

use std::collections::{BTreeMap, BTreeSet};

use super::FEWEST;
use super::columns::stands_alone;
use super::leaf::{Leaf, Piece};
use super::node::{Entry, Node, Presence};

/// Names are taken apart at their first few words only.
const MOST_CUTS: usize = 8;
/// What stands in a target in place of the part of the name that differs.
const STEM: &str = "\u{0}";

/// Jobs of one shape, with what their names have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) prefix: String,
    pub(super) suffix: String,
    /// Indices of documents.
    pub(super) members: Vec<usize>,
}

/// Groups of jobs that differ only in values, the largest first; no job is in two.
///
/// First those whose target (URL or command) is the same but for the part in which the names differ, then those that call other
/// things below one path, then commands of any kind whose jobs are named alike.
pub(super) fn groups(documents: &[Vec<Entry>]) -> Vec<Group> {
    let shapes: Vec<_> = documents.iter().map(|document| shape(document)).collect();
    let mut free: BTreeSet<usize> = (0..documents.len()).collect();
    let mut groups = Vec::new();
    for looseness in [Looseness::SameTarget, Looseness::SameFolder, Looseness::AnyCommand] {
        let mut candidates: BTreeMap<(&str, &str, &str, String), Vec<usize>> = BTreeMap::new();
        for &index in &free {
            let (Some(document), Some(shape)) = (documents.get(index), shapes.get(index)) else { continue };
            for (prefix, suffix) in cuts(name(document)) {
                let stem = &name(document)[prefix.len()..name(document).len() - suffix.len()];
                // The stem may stand in the target by accident, too.
                let targets: BTreeSet<_> =
                    [stem, ""].iter().filter_map(|stem| target(document, stem, looseness)).collect();
                for target in targets {
                    candidates.entry((prefix, suffix, shape.as_str(), target)).or_default().push(index);
                }
            }
        }
        let mut candidates: Vec<_> = candidates.into_iter().filter(|(_, members)| members.len() >= FEWEST).collect();
        candidates.sort_by_key(|((prefix, suffix, ..), members)| {
            (std::cmp::Reverse(members.len()), std::cmp::Reverse(prefix.len() + suffix.len()))
        });
        for ((prefix, suffix, ..), members) in candidates {
            if looseness == Looseness::AnyCommand && prefix.is_empty() && suffix.is_empty() {
                continue;
            }
            let members: Vec<_> = members.into_iter().filter(|index| free.contains(index)).collect();
            if members.len() >= FEWEST {
                for index in &members {
                    free.remove(index);
                }
                groups.push(Group { prefix: prefix.to_owned(), suffix: suffix.to_owned(), members });
            }
        }
    }
    groups
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looseness {
    SameTarget,
    SameFolder,
    AnyCommand,
}

pub(super) fn name(document: &[Entry]) -> &str {
    document.first().and_then(|entry| entry.node.as_text()).unwrap_or_default()
}

/// What a name may begin and end with, cut between its words, so that something is left.
fn cuts(name: &str) -> Vec<(&str, &str)> {
    let words: Vec<_> = name.match_indices(['-', '_']).map(|(at, _)| at).take(MOST_CUTS).collect();
    let starts = || std::iter::once(0).chain(words.iter().map(|at| at + 1));
    let ends = || std::iter::once(name.len()).chain(words.iter().copied());
    starts()
        .flat_map(|start| ends().map(move |end| (start, end)))
        .filter(|(start, end)| start < end)
        .map(|(start, end)| (&name[..start], &name[end..]))
        .collect()
}

/// What the job does, with the stem of its name taken out where there is one; `None` for one that has no such thing and must not be guessed at.
fn target(document: &[Entry], stem: &str, looseness: Looseness) -> Option<String> {
    let Some(Node::Map(config)) = document.iter().find(|entry| entry.key == "executor_config").map(|entry| &entry.node)
    else {
        return (looseness == Looseness::SameTarget).then(String::new);
    };
    let of = |key: &str| config.iter().find(|entry| entry.key == key).map(|entry| &entry.node);
    let url = of("url");
    let text = match url.or(of("command")) {
        Some(Node::Text(leaf)) => leaf_with(leaf, stem),
        Some(other) => other.as_text().unwrap_or_default().to_owned(),
        None => String::new(),
    };
    match looseness {
        Looseness::SameTarget => Some(text),
        Looseness::SameFolder => {
            url?;
            let path = text.split(['?', '#']).next().unwrap_or_default();
            path.rsplit_once('/').map(|(folder, _)| folder.to_owned())
        }
        Looseness::AnyCommand => (url.is_none() && of("command").is_some()).then(String::new),
    }
}

fn leaf_with(leaf: &Leaf, stem: &str) -> String {
    let mut out = String::new();
    for piece in leaf.pieces() {
        match piece {
            Piece::Text(text) => out.push_str(&without(text, stem)),
            other => out.extend([format!("{other:?}")]),
        }
    }
    out
}

fn without(text: &str, stem: &str) -> String {
    let mut out = String::new();
    let mut copied = 0;
    for (at, _) in text.match_indices(stem).filter(|_| !stem.is_empty()) {
        if stands_alone(text, at, stem.len()) {
            out.push_str(&text[copied..at]);
            out.push_str(STEM);
            copied = at + stem.len();
        }
    }
    out.push_str(&text[copied..]);
    out
}

/// What two jobs of one template have in common whatever their values are: keys, kinds of values, and what is filled in.
fn shape(entries: &[Entry]) -> String {
    let mut out = String::new();
    shape_of_map(entries, &[], &mut out);
    out
}

fn shape_of_map(entries: &[Entry], path: &[&str], out: &mut String) {
    out.push('{');
    for entry in entries {
        out.push_str(if entry.presence == Presence::Always { "" } else { "?" });
        out.extend([format!("{:?}:", entry.key)]);
        let path: Vec<_> = path.iter().copied().chain([entry.key.as_str()]).collect();
        shape_of(&entry.node, &path, out);
    }
    out.push('}');
}

fn shape_of(node: &Node, path: &[&str], out: &mut String) {
    match node {
        Node::Map(entries) => shape_of_map(entries, path, out),
        Node::List(list) => {
            out.push('[');
            for node in list {
                shape_of(node, path, out);
            }
            out.push(']');
        }
        Node::Null => out.push('0'),
        Node::Bool(_) if is_typed(path) => out.push('b'),
        Node::Number(_) if is_typed(path) => out.push('n'),
        Node::Bool(_) | Node::Number(_) => out.push('t'),
        Node::Text(leaf) | Node::Tagged(_, leaf) => {
            for piece in leaf.pieces() {
                match piece {
                    Piece::Text(_) => out.push('t'),
                    other => out.extend([format!("{other:?}")]),
                }
            }
        }
    }
}

/// Whether a value here has a type of JSON's: in a body that was opened. Elsewhere all become texts.
pub(super) fn is_typed(path: &[&str]) -> bool {
    path.len() > 2 && path.starts_with(&["executor_config", "body"])
}
