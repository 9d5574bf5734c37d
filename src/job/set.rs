//! The two sides of a plan: what should be, and what is.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Job;

/// What Dkron should hold of ours, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// The jobs by name; no stamp in them yet.
    pub jobs: BTreeMap<String, Wanted>,
}

impl Desired {
    /// The jobs in an order in which Dkron takes them one by one: parents before their children (FACTS 10), else by name.
    pub fn parents_first(&self) -> Vec<&Wanted> {
        let depth = |wanted: &Wanted| {
            let mut depth = 0;
            let mut at = wanted;
            // A circle, which no plan lets through, ends the walk too.
            while depth < self.jobs.len()
                && let Some(parent) = at.job.parent().and_then(|parent| self.jobs.get(parent))
            {
                depth += 1;
                at = parent;
            }
            depth
        };
        let mut jobs: Vec<_> = self.jobs.values().collect();
        jobs.sort_by_cached_key(|wanted| depth(wanted));
        jobs
    }
}

/// One job that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its definition, unstamped.
    pub job: Job,
    /// The fields (`executor_config.headers`) that hold a secret, and must be masked wherever they are shown.
    pub secret_fields: BTreeSet<String>,
    /// Where it was written down.
    pub origin: Origin,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file as the user named it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
}

/// What Dkron holds, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// The jobs by name.
    pub jobs: BTreeMap<String, LiveJob>,
}

/// One job as Dkron holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveJob {
    /// Its definition, with the stamp in its metadata if it has one.
    pub job: Job,
    /// When Dkron means to run it next; `None` for never.
    pub next: Option<Timestamp>,
    /// The children as the server keeps them (FACTS 9).
    pub dependents: Vec<String>,
}

impl FromIterator<LiveJob> for Live {
    fn from_iter<I: IntoIterator<Item = LiveJob>>(jobs: I) -> Self {
        Self { jobs: jobs.into_iter().map(|live| (live.job.name.clone(), live)).collect() }
    }
}

impl FromIterator<Wanted> for Desired {
    fn from_iter<I: IntoIterator<Item = Wanted>>(jobs: I) -> Self {
        Self { jobs: jobs.into_iter().map(|wanted| (wanted.job.name.clone(), wanted)).collect() }
    }
}
