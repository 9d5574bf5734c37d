//! What `apply` would do with a job, in a word.

use serde::Serialize;

use crate::plan::{Change, Item, Reason};

/// What `apply` would do with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Drift {
    /// Not known: no templates were looked at, or no plan can be made of them.
    Unknown,
    /// Nothing: it is as its template says, or is left as it is.
    None,
    /// Nothing: no template of this release is about it.
    NotOurs,
    /// Create it.
    Create,
    /// Put it back: somebody edited it.
    Edited,
    /// Update it: its template changed, or is gone and leaves it to its next owner.
    TemplateChanged,
    /// Update it: its template changed, and somebody edited it.
    Both,
    /// Take it over: it was made by hand, or another release keeps it.
    Adopt,
    /// Delete it: no template wants it any more.
    Delete,
}

impl Drift {
    /// For an item of a plan.
    pub(super) fn of(item: &Item) -> Self {
        let because = |wanted: fn(&Reason) -> bool| item.reasons.iter().any(wanted);
        if because(|reason| *reason == Reason::TemplateWins) {
            Self::Both
        } else if because(|reason| matches!(reason, Reason::DriftReverted | Reason::DriftKept)) {
            Self::Edited
        } else if because(|reason| matches!(reason, Reason::Adopted | Reason::TakenOver(_))) {
            Self::Adopt
        } else {
            match item.change {
                Change::Create { .. } => Self::Create,
                Change::Delete => Self::Delete,
                Change::Update { .. } => Self::TemplateChanged,
                Change::Keep { .. } => Self::None,
            }
        }
    }

    /// The word for it in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::None => "-",
            Self::NotOurs => "not ours",
            Self::Create => "created",
            Self::Edited => "edited",
            Self::TemplateChanged => "template",
            Self::Both => "both",
            Self::Adopt => "adopted",
            Self::Delete => "deleted",
        }
    }

    /// Whether `apply` would do something.
    pub fn is_some(self) -> bool {
        !matches!(self, Self::Unknown | Self::None | Self::NotOurs)
    }
}
