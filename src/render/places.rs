//! Where the fields of rendered jobs stand.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::job::Origin;

use super::problem::{Problem, Text};
use super::yaml::{Kind, Node};

/// The templates, with the place of each field in them.
#[derive(Debug, Default)]
pub struct Places {
    texts: Vec<Text>,
    /// Each job's template, and in which text it is.
    documents: Vec<(usize, Node)>,
    /// Which of them begins in which line of which file.
    index: HashMap<(Arc<str>, usize), usize>,
}

impl Places {
    pub(super) fn new(texts: Vec<Text>, documents: Vec<(usize, Node)>) -> Self {
        let begins = |(index, (text, node)): (usize, &(usize, Node))| {
            let text = &texts[*text];
            ((text.file().clone(), text.line_column(node.at.start).0), index)
        };
        // Of two in one line the first is found.
        let index = documents.iter().enumerate().rev().map(begins).collect();
        Self { texts, documents, index }
    }

    /// A problem with a field (`executor_config.headers`) of the job that is written down at `origin`: where the field stands,
    /// or the map that it would stand in, or the job. `None` where no template begins there.
    pub fn problem(&self, origin: &Origin, field: &str, message: &str, remedy: &str) -> Option<Problem> {
        let index = *self.index.get(&(origin.file.clone(), origin.line))?;
        let (text, node) = &self.documents[index];
        let text = &self.texts[*text];
        let at = place(node, field).unwrap_or_else(|| {
            let line = text.as_str()[node.at.clone()].lines().next().map_or(0, str::len);
            node.at.start..node.at.start + line
        });
        Some(text.problem(at, message, remedy))
    }
}

/// The place of a field in a job's template, or of the map that it would be in.
fn place(node: &Node, field: &str) -> Option<Range<usize>> {
    let Kind::Map(map) = &node.kind else { return None };
    let (first, rest) = field.split_once('.').unwrap_or((field, ""));
    let (key, value) = map.iter().find(|(key, _)| key.text == first)?;
    let below = match &value.kind {
        Kind::Map(map) if !rest.is_empty() => map.iter().find(|(key, _)| key.text == rest),
        _ => None,
    };
    let (key, value) = below.map_or((key, value), |(key, value)| (key, value));
    Some(match value.kind {
        // Of a map or list the first line would tell nothing.
        Kind::Map(_) | Kind::List(_) => key.at.clone(),
        _ => key.at.start..value.at.end,
    })
}
