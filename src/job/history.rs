//! What came of a job's runs, as its entry in Dkron's list says: fields that belong to the server, and to no definition.

use jiff::Timestamp;
use serde::Deserialize;

use super::wire::{Instant, Whole};

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
    /// Reads it from the JSON of a job.
    ///
    /// # Errors
    /// Why it is no job of Dkron's, in words.
    pub fn of_json(job: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Fields {
            last_success: Option<Instant>,
            last_error: Option<Instant>,
            success_count: Option<Whole<i64>>,
            error_count: Option<Whole<i64>>,
        }
        let fields: Fields = serde_json::from_slice(job).map_err(|error| error.to_string())?;
        let count =
            |count: Option<Whole<i64>>| count.and_then(|Whole(count)| count.try_into().ok()).unwrap_or_default();
        Ok(Self {
            last_success: fields.last_success.and_then(Instant::set),
            last_error: fields.last_error.and_then(Instant::set),
            successes: count(fields.success_count),
            errors: count(fields.error_count),
        })
    }

    /// Whether the last run that ended failed.
    pub fn failed_last(&self) -> bool {
        self.last_error > self.last_success
    }
}
