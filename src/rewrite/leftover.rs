//! What still speaks of the old namespace.

use std::ops::Range;

use crate::job::{Job, STAMP_KEYS};

use super::fields;
use super::mention::{is_word_byte, mentions};
use super::view::View;

/// A field that names the old namespace as a word of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The job, by the name that the copy has.
    pub job: String,
    /// The field, in Dkron's own names: `executor_config.body`.
    pub field: String,
    /// The first mention as it stands in the field, with the labels of a host around it and nothing more: what else the field
    /// holds may be secret. These may be too: show them only where the masked field still holds them.
    pub excerpt: String,
    /// How often the field names it.
    pub mentions: usize,
}

/// The longest label that is shown with a mention. A host has none that is longer, a token has.
const LONGEST_LABEL: usize = 63;

/// The leftovers of one job, in the order of its fields.
pub(super) fn leftovers(job: &Job, namespace: &str) -> Vec<Leftover> {
    let [owner_key, ..] = STAMP_KEYS;
    let stamped = format!("metadata.{owner_key}");
    let mut leftovers: Vec<Leftover> = Vec::new();
    for (field, text) in fields::all(job) {
        // A release often has its namespace's name. In the stamp we know which of the two a word is.
        let text = text.split_once('/').filter(|_| field == stamped).map_or(&*text, |(owner, _)| owner);
        let view = View::of(text);
        let mentions = mentions(&view, namespace);
        let Some(first) = mentions.first() else { continue };
        match leftovers.last_mut() {
            Some(last) if last.field == field => last.mentions += mentions.len(),
            _ => leftovers.push(Leftover {
                job: job.name.to_string(),
                field,
                excerpt: text[view.place(&with_labels(&view, &first.at))].to_owned(),
                mentions: mentions.len(),
            }),
        }
    }
    leftovers
}

/// A mention with the label before it and the label after it.
fn with_labels(view: &View, at: &Range<usize>) -> Range<usize> {
    let is_word = |at: &usize| view.get(*at).is_some_and(is_word_byte);
    let is_dot = |at: usize| view.get(at) == Some(b'.');
    let mut shown = at.clone();
    if let Some(dot) = at.start.checked_sub(1).filter(|&dot| is_dot(dot)) {
        let length = (0..dot).rev().take_while(is_word).take(LONGEST_LABEL + 1).count();
        if (1..=LONGEST_LABEL).contains(&length) {
            shown.start = dot - length;
        }
    }
    if is_dot(at.end) {
        let length = (at.end + 1..).take_while(is_word).take(LONGEST_LABEL + 1).count();
        if (1..=LONGEST_LABEL).contains(&length) {
            shown.end = at.end + 1 + length;
        }
    }
    shown
}
