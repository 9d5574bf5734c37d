//! What came of a job's runs, as its entry in Dkron's list says: fields that belong to the server, and to no definition.

use jiff::Timestamp;

/// What came of a job's runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// When a run last succeeded.
    pub last_success: Option<Timestamp>,
    /// When a run last failed.
    pub last_error: Option<Timestamp>,
    /// How many runs succeeded.
    pub successes: u64,
    /// How many failed, each attempt counted.
    pub errors: u64,
}

impl History {
    /// Whether the last run that ended failed.
    pub fn failed_last(&self) -> bool {
        self.last_error > self.last_success
    }
}
