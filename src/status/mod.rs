//! How jobs and the caches that they refresh are doing, judged from what Dkron says about them.
//!
//! A job's age is the time since its last success, by Dkron's own clock, and it is compared with the TTLs of its cache: those of
//! the row of table `cache_param` that it names, else those in its metadata. A cache is as fresh as the newest success of any of
//! its jobs. Everything in a [`Status`] is masked already and can be shown to anyone who may read the log.

mod drift;
mod judge;
mod metrics;
mod next;
mod summary;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

use crate::cache::{Caches, Key};
use crate::job::Live;
use crate::plan::Plan;

pub use self::drift::Drift;
pub use self::metrics::write_down;
pub use self::next::Next;
pub use self::summary::{CacheStates, States, Summary};
pub use self::text::Screen;

/// What a status is judged from.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Whose templates are looked at: `<namespace>/<release>`.
    pub owner: &'a str,
    /// Dkron's URL as it may be shown, and its version.
    pub dkron: (&'a str, Option<&'a str>),
    /// What time it is by Dkron's clock.
    pub now: Timestamp,
    /// What Dkron holds, and what does not run as it is stored.
    pub live: &'a Live,
    /// Whether the leader's scheduler runs; `None` where that is not known.
    pub scheduler_runs: Option<bool>,
    /// The nodes that could be reached, by name, each with what it says is wrong with it.
    pub nodes: &'a BTreeMap<String, Vec<String>>,
    /// When the oldest run in flight began, by job.
    pub running: &'a BTreeMap<String, Timestamp>,
    /// What the last failed run left as output, by job, as far as it was asked for.
    pub outputs: &'a BTreeMap<Arc<str>, String>,
    /// What `apply` would do; `None` where that is not known.
    pub plan: Option<&'a Plan>,
    /// The caches, where their table is known.
    pub caches: Option<&'a Caches>,
    /// How jobs say which cache they are for.
    pub key: &'a Key,
    /// The jobs that are wanted; `None` for all.
    pub only: Option<&'a BTreeSet<Arc<str>>>,
}

impl Look<'_> {
    /// Whether somebody wants to know of this job.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_none_or(|only| only.contains(name))
    }
}

/// How a job or a cache is doing; the worst comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// An execution without an end blocks the job (FACTS 24c, 34).
    Stuck,
    /// Dkron stores the job and its scheduler does not have it: it never runs (FACTS 16c, 37).
    NotScheduled,
    /// Dkron's scheduler has the job otherwise than it is stored (FACTS 37).
    ScheduledDifferently,
    /// Older than the hard TTL; than the soft one where no hard one is said.
    Stale,
    /// A job that a template wants and Dkron has not.
    Missing,
    /// A cache within its hard TTL that no job refreshes any more.
    Unrefreshed,
    /// Older than the soft TTL.
    Late,
    /// No success yet.
    Never,
    /// Not older than the soft TTL.
    Fresh,
    /// A job without a TTL.
    Untimed,
    /// A job that is switched off, or a cache that wants none.
    Off,
}

impl State {
    /// Those that a job can have.
    pub const OF_JOBS: [Self; 10] = [
        Self::Stuck,
        Self::NotScheduled,
        Self::ScheduledDifferently,
        Self::Stale,
        Self::Missing,
        Self::Late,
        Self::Never,
        Self::Fresh,
        Self::Untimed,
        Self::Off,
    ];
    /// Those that a cache can have.
    pub const OF_CACHES: [Self; 6] = [Self::Stale, Self::Unrefreshed, Self::Late, Self::Never, Self::Fresh, Self::Off];

    /// The word for it, the same in every form.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::NotScheduled => "not_scheduled",
            Self::ScheduledDifferently => "scheduled_differently",
            Self::Stale => "stale",
            Self::Missing => "missing",
            Self::Unrefreshed => "unrefreshed",
            Self::Late => "late",
            Self::Never => "never",
            Self::Fresh => "fresh",
            Self::Untimed => "untimed",
            Self::Off => "off",
        }
    }
}

impl State {
    /// The word for it, for people.
    pub(crate) fn shown(self) -> String {
        self.word().replace('_', " ")
    }
}

/// The ages that a job or a cache is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Up to this it is fresh.
    pub soft: SignedDuration,
    /// Up to this it is late, and stale after it.
    pub hard: SignedDuration,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobStatus {
    /// Its name.
    pub name: String,
    /// How it is doing.
    pub state: State,
    /// The release that keeps it, by its stamp.
    pub owner: Option<String>,
    /// Whether it is switched on.
    pub enabled: bool,
    /// When it is to run, in Dkron's dialect; empty for a child.
    pub schedule: String,
    /// The time zone of that; empty for the server's own.
    pub timezone: String,
    /// The cache that it is for.
    pub cache: Option<String>,
    /// Fresh up to this age.
    #[serde(rename = "soft_ttl_seconds", serialize_with = "seconds")]
    pub soft: Option<SignedDuration>,
    /// Late up to this age.
    #[serde(rename = "hard_ttl_seconds", serialize_with = "seconds")]
    pub hard: Option<SignedDuration>,
    /// When a run last succeeded.
    pub last_success: Option<Timestamp>,
    /// How long ago that was.
    #[serde(rename = "age_seconds", serialize_with = "seconds")]
    pub age: Option<SignedDuration>,
    /// When a run last failed.
    pub last_error: Option<Timestamp>,
    /// Whether the last run that ended failed.
    pub failed: bool,
    /// The first line of what the last failed run left as output, as far as it was asked for.
    pub error: Option<String>,
    /// How many runs succeeded.
    pub successes: u64,
    /// How many attempts failed.
    pub errors: u64,
    /// How long its oldest run in flight has been running.
    #[serde(rename = "running_seconds", serialize_with = "seconds")]
    pub running: Option<SignedDuration>,
    /// How long one attempt may take.
    #[serde(rename = "timeout_seconds", serialize_with = "seconds")]
    pub timeout: Option<SignedDuration>,
    /// When it runs next.
    pub next: Next,
    /// What `apply` would do with it.
    pub drift: Drift,
    /// What else is worth knowing, in words.
    pub notes: Vec<String>,
}

/// One row of table `cache_param`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CacheStatus {
    /// Its name.
    pub name: String,
    /// How it is doing.
    pub state: State,
    /// Fresh up to this age.
    #[serde(rename = "soft_ttl_seconds", serialize_with = "seconds")]
    pub soft: Option<SignedDuration>,
    /// Late up to this age.
    #[serde(rename = "hard_ttl_seconds", serialize_with = "seconds")]
    pub hard: Option<SignedDuration>,
    /// When a job for it last succeeded.
    pub last_success: Option<Timestamp>,
    /// How long ago that was.
    #[serde(rename = "age_seconds", serialize_with = "seconds")]
    pub age: Option<SignedDuration>,
    /// The jobs that are for it, by name.
    pub jobs: Vec<String>,
    /// What else is worth knowing, in words.
    pub notes: Vec<String>,
}

/// One node of Dkron.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// What it says is wrong with it, such as a plugin that has exited (FACTS 32); a Dkron 4.0 says nothing.
    pub issues: Vec<String>,
}

/// What `status` shows; its JSON form is described by `schemas/status.schema.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// `status`.
    pub command: &'static str,
    /// Whose templates were looked at: `<namespace>/<release>`.
    pub owner: String,
    /// Dkron's URL.
    pub dkron: String,
    /// Dkron's version, where it says so.
    pub version: Option<String>,
    /// When it was looked at, by Dkron's clock; `None` where nothing could be seen.
    pub at: Option<Timestamp>,
    /// Whether the leader's scheduler runs; `None` where that is not known. Without it no job runs.
    pub scheduler_running: Option<bool>,
    /// The nodes that could be reached, by name.
    pub nodes: Vec<NodeStatus>,
    /// How many of each state.
    pub summary: Summary,
    /// The caches, the worst first.
    pub caches: Vec<CacheStatus>,
    /// The jobs, the worst first.
    pub jobs: Vec<JobStatus>,
    /// What could not be told, and why.
    pub warnings: Vec<String>,
    /// Why nothing could be seen.
    pub errors: Vec<String>,
}

#[expect(clippy::ref_option, reason = "serde hands fields over so")]
fn seconds<S: Serializer>(time: &Option<SignedDuration>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_some(&time.as_secs()),
        None => serializer.serialize_none(),
    }
}
