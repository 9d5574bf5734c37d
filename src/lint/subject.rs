//! A job as rules look at it: taken apart once.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use url::Url;

use crate::cache::{Keeper, Key, off};
use crate::job::{Job, Origin, Owner, Wanted};
use crate::render::{HTTP, LONGEST_TIMEOUT, TIMEOUT};
use crate::schedule::{Gaps, Schedule, ScheduleError};

use super::{ALLOW_KEY, Rule};

/// One job.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Its name.
    pub name: Arc<str>,
    /// Its fields.
    pub job: Job,
    /// Its schedule, or why Dkron refuses it; `None` for a child without one.
    pub schedule: Option<Result<Schedule, ScheduleError>>,
    /// The time between its own runs; of a child, those of the job that its family begins with.
    pub gaps: Option<Gaps>,
    /// The job that keeps it from running by itself: it, or one that it runs after, is switched off.
    pub off: Option<Arc<str>>,
    wanted: &'a Wanted,
}

impl Subject<'_> {
    /// Where it is written down; `None` for one that is live.
    pub fn origin(&self) -> Option<Origin> {
        (self.wanted.origin.line > 0).then(|| self.wanted.origin.clone())
    }

    /// The release that keeps it, by its stamp.
    pub fn owner(&self) -> Option<Owner> {
        self.wanted.job.own_stamp().map(|stamp| stamp.owner)
    }

    /// Whether a secret variable was read for a field.
    pub fn is_secret(&self, field: &str) -> bool {
        self.wanted.secret_fields.contains(field)
    }

    /// Whether it runs at the http executor.
    pub fn is_http(&self) -> bool {
        self.job.executor == HTTP
    }

    /// A value of its executor's configuration.
    pub fn config(&self, key: &str) -> Option<&str> {
        self.job.executor_config.get(key).map(String::as_str)
    }

    /// How long one attempt may take: the http executor's own default where the job does not say (FACTS 23). `None` for
    /// executors whose limit is not known.
    pub fn timeout(&self) -> Option<SignedDuration> {
        let seconds = match self.config(TIMEOUT) {
            _ if !self.is_http() => return None,
            Some(text) => text.parse().unwrap_or(LONGEST_TIMEOUT),
            None => LONGEST_TIMEOUT,
        };
        Some(SignedDuration::from_secs(seconds))
    }

    /// Where it calls: `host:port` of its URL; `None` for one without.
    pub fn target(&self) -> Option<String> {
        let url = Url::parse(self.config("url").filter(|_| self.is_http())?).ok()?;
        Some(match url.port_or_known_default() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        })
    }

    /// Why this rule is switched off for the job, in the words of its metadata; `None` where it is not.
    pub fn allows(&self, rule: &Rule) -> Option<&str> {
        let text = self.job.metadata.get(ALLOW_KEY)?;
        let (rules, reason) = text.split_once(':').unwrap_or((text, ""));
        rules.split(',').any(|id| id.trim() == rule.id).then(|| reason.trim())
    }

    /// The job as one that keeps a cache, if it is.
    pub fn keeper(&self, key: &Key) -> Option<Keeper> {
        let worst_gap = self.gaps.map(|gaps| gaps.worst);
        Some(Keeper { job: self.name.clone(), cache: key.of(&self.job)?, off: self.off.clone(), worst_gap })
    }
}

/// All jobs of a run.
#[derive(Debug)]
pub struct Subjects<'a> {
    by_name: BTreeMap<Arc<str>, Subject<'a>>,
}

impl<'a> Subjects<'a> {
    /// Takes all jobs apart.
    pub fn new(jobs: &'a BTreeMap<Arc<str>, Wanted>) -> Self {
        // Many jobs have the same schedule, and few of those need a name to be read.
        let mut gaps: BTreeMap<(String, String), Option<Gaps>> = BTreeMap::new();
        let mut by_name: BTreeMap<Arc<str>, Subject<'a>> = BTreeMap::new();
        for (name, wanted) in jobs {
            let job = wanted.job.unpack();
            let schedule = (!(job.schedule.is_empty() && job.parent().is_some()))
                .then(|| Schedule::parse(&job.schedule, &job.name, &job.timezone));
            let of_this = match &schedule {
                Some(Ok(schedule)) if job.schedule.contains('~') => schedule.gaps(),
                Some(Ok(schedule)) => {
                    *gaps.entry((job.schedule.clone(), job.timezone.clone())).or_insert_with(|| schedule.gaps())
                }
                _ => None,
            };
            let off = off(&wanted.job, jobs.len(), |name| jobs.get(name).map(|wanted| &wanted.job));
            by_name.insert(name.clone(), Subject { name: name.clone(), job, schedule, gaps: of_this, off, wanted });
        }
        let inherited: Vec<_> = by_name
            .values()
            .filter(|subject| subject.job.parent().is_some())
            .filter_map(|subject| Some((subject.name.clone(), root(&by_name, subject)?.gaps)))
            .collect();
        for (name, gaps) in inherited {
            if let Some(subject) = by_name.get_mut(&name) {
                subject.gaps = gaps;
            }
        }
        Self { by_name }
    }

    /// One after the other, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Subject<'a>> {
        self.by_name.values()
    }

    /// The job of this name.
    pub fn get(&self, name: &str) -> Option<&Subject<'a>> {
        self.by_name.get(name)
    }

    /// The job at whose schedule this one runs: itself, or for a child the one that its family begins with. `None` where that
    /// is not among them, or there is no beginning.
    pub fn root(&self, subject: &'a Subject<'a>) -> Option<&Subject<'a>> {
        root(&self.by_name, subject)
    }
}

fn root<'s, 'a>(by_name: &'s BTreeMap<Arc<str>, Subject<'a>>, subject: &'s Subject<'a>) -> Option<&'s Subject<'a>> {
    let mut at = subject;
    // A walk longer than the number of jobs goes round in a circle.
    for _ in 0..=by_name.len() {
        match at.job.parent() {
            None => return Some(at),
            Some(parent) => at = by_name.get(parent)?,
        }
    }
    None
}
