//! Which Dkron a node is, and how it reads a schedule.

use dkron_jobs::schedule::{Dialect, Schedule, ScheduleError};

/// A version of Dkron whose answers were recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 4.0.9: no `@after`, no `DELETE …/executions`, no `/v1/stats`, a `/health` that sees nothing, `forbid` that sticks for ever.
    V4_0,
    /// 4.1.2.
    V4_1,
}

impl Version {
    /// As `/v1/leader` and `/v1/members` give it.
    pub fn number(self) -> &'static str {
        match self {
            Self::V4_0 => "4.0.9",
            Self::V4_1 => "4.1.2",
        }
    }

    /// The version of a number, `4.1` or `4.1.2`; `None` for one that is not emulated.
    pub fn of(number: &str) -> Option<Self> {
        [Self::V4_0, Self::V4_1].into_iter().find(|version| {
            version.number().strip_prefix(number).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// Reads a schedule.
    ///
    /// # Errors
    /// This version's refusal.
    pub(crate) fn parse(self, schedule: &str, name: &str, timezone: &str) -> Result<Schedule, ScheduleError> {
        let dialect = match self {
            Self::V4_0 => Dialect::V4_0,
            Self::V4_1 => Dialect::V4_1,
        };
        Schedule::parse_as(dialect, schedule, name, timezone)
    }
}
