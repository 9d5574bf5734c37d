//! Whether an execution that never ended blocks a job, judged from what Dkron says about the job.
//!
//! A job whose `next` has passed is only suspected: after a restart Dkron may hold an old `next` until the job runs again, and a
//! `next` that a time zone was left out of is wrong from the start. So the executions in flight and the stored ones are asked.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::schedule::{Schedule, within};

use super::LiveJob;

/// How far in the past a job's `next` must lie before anything is asked: Dkron moves it on within milliseconds of a run's start.
const LATE: SignedDuration = SignedDuration::from_secs(60);
/// How long a run without a limit is given. `/v1/busy` lists it as long as the server that began it lives; only a run on another node
/// that outlives that server is in flight unseen.
const NO_TIMEOUT: SignedDuration = SignedDuration::from_hours(1);
/// How far the clocks of the nodes may be apart: one writes down when an execution began, another says what time it is.
const CLOCKS: SignedDuration = SignedDuration::from_secs(10);

/// A job with `concurrency: forbid` that an execution without an end blocks (FACTS 24c, 34).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stuck {
    /// When it should have run.
    pub since: Timestamp,
    /// When the execution began.
    pub began: Timestamp,
}

/// For people, to the second.
impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |instant: Timestamp| instant.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        write!(f, "stuck since {}: an execution that began at {} never ended", at(self.since), at(self.began))
    }
}

impl LiveJob {
    /// Whether it should have run a minute before `now`, by its own `next`, and has not been seen to. Jobs that need not have a
    /// next run are never late: switched off, children, run by hand or once (FACTS 39), expired or not begun. Nor are those whose
    /// schedule we do not know.
    pub fn is_late(&self, now: Timestamp) -> bool {
        if self.job.disabled || self.job.parent().is_some() || self.next.is_none_or(|next| since(next, now) <= LATE) {
            return false;
        }
        let job = &self.job;
        let repeats = Schedule::parse(&job.schedule, &job.name, "").is_ok_and(|schedule| schedule.repeats());
        repeats && within(now, None, job.expires_at) && job.starts_at.is_none_or(|start| since(start, now) > LATE)
    }

    /// Whether it is stuck, where no execution of it is in flight and these, by their start, are stored without an end. A run on another
    /// node may still be in flight as long as its time is not up.
    pub fn stuck(&self, unfinished: &[Timestamp], now: Timestamp) -> Option<Stuck> {
        let late_since = self.next.filter(|_| self.is_late(now))?;
        if !self.job.forbids_overlap() {
            return None;
        }
        let limit = self.job.timeout().unwrap_or(NO_TIMEOUT);
        let began = *unfinished.iter().max()?;
        let over = since(began, now) > limit.saturating_add(CLOCKS);
        over.then_some(Stuck { since: late_since, began })
    }
}

fn since(then: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(then)
}
