//! Whether Dkron has stopped running a job that it should run, judged from what it says about the job.
//!
//! A job whose `next` has passed is only suspected: after a restart Dkron may hold an old `next` until the job runs again, and a
//! `next` that a time zone was left out of is wrong from the start. So the executions in flight, the stored ones and the
//! scheduler's own list are asked, and what none of them proves is no ailment.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::schedule::within;

use super::{CONCURRENCY_FORBID, LiveJob};

/// How far in the past a job's `next` must lie before anything is asked: Dkron moves it on within milliseconds of a run's start.
const LATE: SignedDuration = SignedDuration::from_secs(60);
/// How long a run without a limit is given. `/v1/busy` lists it as long as the server that began it lives; only a run on another node
/// that outlives that server is in flight unseen.
const NO_TIMEOUT: SignedDuration = SignedDuration::from_hours(1);
/// How far the clocks of the nodes may be apart: one writes down when an execution began, another says what time it is.
const CLOCKS: SignedDuration = SignedDuration::from_secs(10);

/// Why Dkron does not run a job that it should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ailment {
    /// `concurrency: forbid`, and an execution that will never end blocks it for ever (FACTS 24c).
    Stuck {
        /// When it should have run.
        since: Timestamp,
        /// When the execution began.
        began: Timestamp,
    },
    /// Stored, and unknown to the scheduler (FACTS 16c).
    Unscheduled {
        /// When it should have run.
        since: Timestamp,
    },
}

/// For people, to the second.
impl fmt::Display for Ailment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |instant: &Timestamp| instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        match self {
            Self::Stuck { since, began } => {
                write!(f, "stuck since {}: an execution that began at {} never ended", at(since), at(began))
            }
            Self::Unscheduled { since } => {
                write!(f, "not scheduled since {}: Dkron holds it, and its scheduler does not", at(since))
            }
        }
    }
}

/// What Dkron says about a job beside its list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signs {
    /// Whether one of its executions is in flight.
    pub busy: bool,
    /// When those of its stored executions began that have no end. They matter only for `concurrency: forbid`.
    pub unfinished: Vec<Timestamp>,
    /// Whether the scheduler holds it; `None` where that cannot be told.
    pub scheduled: Option<bool>,
}

impl LiveJob {
    /// Whether it should have run a minute before `now`, by its own `next`, and has not been seen to. Jobs that need not have a
    /// next run are never late: switched off, children, run by hand or once, expired or not begun.
    pub fn is_late(&self, now: Timestamp) -> bool {
        // Asked of every job of every list: the fields are looked at only where it matters.
        if self.job.disabled() || self.job.parent().is_some() || self.next.is_none_or(|next| since(next, now) <= LATE) {
            return false;
        }
        self.job.look(|job| {
            let by_itself = !["@manually", "@at "].iter().any(|kind| job.schedule.starts_with(kind));
            by_itself && within(now, None, job.expires_at) && job.starts_at.is_none_or(|start| since(start, now) > LATE)
        })
    }

    /// What keeps it from running, if something does. Nothing is said of a job of which a run may still be in flight.
    pub fn ailment(&self, signs: &Signs, now: Timestamp) -> Option<Ailment> {
        let late_since = self.next.filter(|_| self.is_late(now) && !signs.busy)?;
        // How long a run may be in flight that keeps all others from beginning.
        let limit =
            self.job.look(|job| (job.concurrency == CONCURRENCY_FORBID).then(|| job.timeout().unwrap_or(NO_TIMEOUT)));
        if let Some(limit) = limit
            && let Some(began) = signs.unfinished.iter().max().copied()
        {
            let over = since(began, now) > limit.saturating_add(CLOCKS);
            return over.then_some(Ailment::Stuck { since: late_since, began });
        }
        (signs.scheduled == Some(false)).then_some(Ailment::Unscheduled { since: late_since })
    }
}

fn since(then: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(then)
}
