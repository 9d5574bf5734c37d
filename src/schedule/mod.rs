//! Dkron's schedule dialect (FACTS 19, 20): what it refuses and in which words, when a job runs, and how far apart runs lie.
//!
//! One module for rendering, the emulator of the tests, and everything that reasons about freshness.

use jiff::{SignedDuration, Timestamp};

/// A schedule that Dkron accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {}

/// Why Dkron refuses a schedule, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// `can't parse job schedule: …`
    #[error("can't parse job schedule: {0}")]
    Schedule(String),
    /// `unknown time zone …`
    #[error("{0}")]
    Timezone(String),
}

/// The time between one run and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gaps {
    /// The shortest.
    pub shortest: SignedDuration,
    /// The longest: what a time to live must outlast.
    pub worst: SignedDuration,
}

impl Schedule {
    /// Reads a schedule as Dkron does for a job of this name (`~` depends on it) and time zone (empty: the server's, taken
    /// as UTC).
    ///
    /// # Errors
    /// Dkron's own refusal.
    pub fn parse(_schedule: &str, _name: &str, _timezone: &str) -> Result<Self, ScheduleError> {
        Ok(Self {})
    }

    /// The first run after this instant; `None` for never.
    pub fn next(&self, _after: Timestamp) -> Option<Timestamp> {
        None
    }

    /// The gaps between runs; `None` where there are no two runs.
    pub fn gaps(&self) -> Option<Gaps> {
        None
    }
}
