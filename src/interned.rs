//! Texts of which many are the same, each in memory once.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The texts that were seen.
#[derive(Debug, Default)]
pub(crate) struct Interned(BTreeSet<Arc<str>>);

impl Interned {
    /// The one that was seen before, or this.
    pub(crate) fn one(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        self.0.insert(text.clone());
        text
    }
}
