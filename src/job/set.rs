//! The two sides of a plan: what should be, and what is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use litemap::LiteMap;
use serde_json::Value;

use super::{History, Job, Mismatch, Stuck, generations, printable};

/// Jobs by name: a sorted list, which takes less memory than a tree, and is made in one piece of what comes in order.
pub type JobMap<T> = LiteMap<Arc<str>, T>;

/// Jobs in any order, by name; of two of the same name the later one counts.
pub fn by_name<T>(jobs: Vec<(Arc<str>, T)>) -> JobMap<T> {
    jobs.into_iter().collect()
}

/// What Dkron should hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// The jobs of the templates by name; no stamp in them yet.
    pub jobs: JobMap<Wanted>,
    /// What the jobs say about those that are not among them.
    pub scope: Scope,
    /// Jobs that were there before, to be brought back as they were, stamp and all. The jobs of the templates go over them.
    pub restored: JobMap<Wanted>,
    /// Whether jobs that are there and differ from what they were are made what they were.
    pub overwrite: bool,
}

/// What a desired set says about jobs that are not in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// The templates are all that this release wants: others of its jobs are pruned.
    #[default]
    Release,
    /// Nothing: it is a part.
    Part,
    /// This release wants nothing any more.
    Nothing,
}

impl Desired {
    /// The jobs in an order in which Dkron takes them one by one: parents before their children (FACTS 10), else by name.
    pub fn parents_first(&self) -> Vec<&Wanted> {
        let jobs: Vec<_> = self.jobs.values().collect();
        let parent = |i: usize| self.jobs.find_index(jobs[i].job.parent()?).ok();
        generations(&(0..jobs.len()).collect::<Vec<_>>(), parent).into_iter().flatten().map(|i| jobs[i]).collect()
    }
}

/// One job that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its definition: unstamped where it is from a template, as it was where it is from a backup.
    pub job: Job,
    /// The fields (`executor_config.headers`) that hold a secret, and must be masked wherever they are shown.
    pub secret_fields: BTreeSet<String>,
    /// Where it was written down.
    pub origin: Origin,
}

impl Wanted {
    /// A job that no template made: what is secret in it is known by its looks only.
    pub fn as_is(job: Job, origin: Origin) -> Self {
        Self { job, secret_fields: BTreeSet::new(), origin }
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// Line, from 1; 0 for a job that a Dkron holds.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.file))?;
        if self.line > 0 { write!(f, ":{}", self.line) } else { Ok(()) }
    }
}

/// What Dkron holds, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// The jobs by name.
    pub jobs: JobMap<LiveJob>,
    /// Those of them that an execution without an end blocks, as far as that was looked for.
    pub stuck: BTreeMap<Arc<str>, Stuck>,
    /// Those of them that the scheduler has otherwise than they are stored, as far as that was looked for.
    pub mismatched: BTreeMap<Arc<str>, Mismatch>,
    /// Whether every server can delete a job's executions: from 4.1 on (FACTS 33b, 43). Asked only where a job is stuck.
    pub deletes_executions: bool,
}

impl Live {
    /// What clients say about all jobs, by name.
    pub fn definitions(&self) -> impl Iterator<Item = &Job> + Clone {
        self.jobs.values().map(|live| &live.job)
    }
}

/// One job as Dkron holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveJob {
    /// Its definition, with the stamp if it has one.
    pub job: Job,
    /// When Dkron means to run it next; `None` for never.
    pub next: Option<Timestamp>,
    /// The children as the server keeps them (FACTS 9).
    pub dependents: Vec<String>,
    /// What came of its runs.
    pub history: History,
    /// Fields that are none of Dkron's that we know, with their values.
    pub unknown: Vec<(Box<str>, Value)>,
}

/// A job of which the server has said nothing yet.
impl From<Job> for LiveJob {
    fn from(job: Job) -> Self {
        Self { job, next: None, dependents: Vec::new(), history: History::default(), unknown: Vec::new() }
    }
}

impl FromIterator<LiveJob> for Live {
    fn from_iter<I: IntoIterator<Item = LiveJob>>(jobs: I) -> Self {
        let jobs = by_name(jobs.into_iter().map(|live| (live.job.name.clone(), live)).collect());
        Self { jobs, ..Self::default() }
    }
}

impl FromIterator<Wanted> for Desired {
    fn from_iter<I: IntoIterator<Item = Wanted>>(jobs: I) -> Self {
        let jobs = by_name(jobs.into_iter().map(|wanted| (wanted.job.name.clone(), wanted)).collect());
        Self { jobs, ..Self::default() }
    }
}
