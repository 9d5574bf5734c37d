//! When a job runs next.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::job::{Job, LiveJob};
use crate::schedule::{Schedule, within};

/// When a job runs next, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Next {
    /// By its schedule and time zone. Dkron's own `next` is wrong where a time zone is set.
    Schedule {
        /// When.
        at: Timestamp,
    },
    /// Dkron says so: `@every` counts from the last write of the job or start of Dkron (FACTS 7), and nothing else knows of those.
    /// A schedule that we do not know is for Dkron to say as well.
    Dkron {
        /// When.
        at: Timestamp,
    },
    /// After another job.
    Parent {
        /// That job.
        parent: String,
    },
    /// Only when somebody runs it.
    Hand,
    /// Not any more: switched off, expired, `@at` or `@after` in the past, or a schedule that never comes.
    Never,
}

impl Next {
    /// For a job as Dkron holds it.
    pub(super) fn of(job: &Job, live: &LiveJob, now: Timestamp) -> Self {
        if job.disabled {
            return Self::Never;
        }
        if let Some(parent) = job.parent() {
            return Self::Parent { parent: parent.to_owned() };
        }
        let Ok(schedule) = Schedule::parse(&job.schedule, &job.name, &job.timezone) else {
            // A `next` that has passed may be that of a run that was the only one.
            return live.next.filter(|at| *at > now).map_or(Self::Never, |at| Self::Dkron { at });
        };
        if schedule.is_manual() {
            return Self::Hand;
        }
        let next = if schedule.every().is_some() {
            live.next.map(|at| Self::Dkron { at })
        } else {
            // A run at the very start counts.
            let start = job.starts_at.and_then(|start| start.checked_sub(SignedDuration::from_nanos(1)).ok());
            schedule.next(start.map_or(now, |start| start.max(now))).map(|at| Self::Schedule { at })
        };
        next.filter(|next| next.at().is_none_or(|at| within(at, None, job.expires_at))).unwrap_or(Self::Never)
    }

    /// The instant, where there is one.
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Schedule { at } | Self::Dkron { at } => Some(*at),
            Self::Parent { .. } | Self::Hand | Self::Never => None,
        }
    }
}
