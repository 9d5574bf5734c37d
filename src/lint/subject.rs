//! A job as rules look at it: taken apart once, and of all jobs at a time only what rules about several need.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use url::{ParseError, Url};

use crate::cache::{Keeper, Key, Ttl, off, own_ttl};
use crate::job::http::HTTP;
use crate::job::{Job, JobMap, Origin, Owner, Wanted};
use crate::schedule::{Gaps, Schedule, ScheduleError};

use super::{ALLOW_KEY, Rule};

/// When a job runs by itself. Many jobs have the same, and share it.
#[derive(Debug)]
pub struct Timing {
    /// The schedule as it is written.
    pub said: String,
    /// The time zone as it is written.
    pub timezone: String,
    /// What Dkron makes of both, or why it refuses them; `None` for a child without a schedule.
    pub schedule: Option<Result<Schedule, ScheduleError>>,
    gaps: Option<Gaps>,
}

impl Timing {
    fn of(job: &Job) -> Self {
        let schedule = (!(job.schedule.is_empty() && job.parent().is_some()))
            .then(|| Schedule::parse(&job.schedule, &job.name, &job.timezone));
        let gaps = schedule.as_ref().and_then(|schedule| schedule.as_ref().ok()?.gaps());
        Self { said: job.schedule.clone(), timezone: job.timezone.clone(), schedule, gaps }
    }

    /// Whether it depends on the job's name as well (FACTS 19: `~`).
    pub fn is_by_name(&self) -> bool {
        self.said.contains('~')
    }
}

/// One job, as far as it is kept while all are looked at.
#[derive(Debug)]
pub struct Subject<'a> {
    /// Its name.
    pub name: &'a Arc<str>,
    /// When it runs by itself.
    pub timing: Rc<Timing>,
    /// When the job runs that its family begins with, where that is another one; `None` for that job itself, and where there is
    /// no beginning.
    family: Option<Rc<Timing>>,
    /// The job that keeps it from running by itself: it, or one that it runs after, is switched off.
    pub off: Option<Arc<str>>,
    /// Where it calls: `host:port` of its URL; `None` for one without.
    pub target: Option<Arc<str>>,
    /// The cache that it is for; `None` where it does not say.
    pub cache: Option<Box<str>>,
    /// The TTLs that its own metadata gives; few do.
    pub own_ttl: Option<Box<Ttl>>,
    /// Whether its metadata gives one that counts as none.
    pub has_bad_ttl: bool,
    /// Whether it runs at the http executor.
    pub is_http: bool,
    /// How long one attempt may take; `None` for as long as it likes, and for executors other than http.
    pub timeout: Option<SignedDuration>,
    /// How often Dkron tries it again.
    pub retries: u32,
    allowed: Option<Box<str>>,
    wanted: &'a Wanted,
}

impl<'a> Subject<'a> {
    /// Where it is written down; `None` for one that is live.
    pub fn origin(&self) -> Option<Origin> {
        (self.wanted.origin.line > 0).then(|| self.wanted.origin.clone())
    }

    /// When it comes to run: by itself, and of a child when the job does that its family begins with; `None` where there is no
    /// beginning.
    pub fn rhythm(&self) -> Option<&Timing> {
        if self.parent().is_none() { Some(&self.timing) } else { self.family.as_deref() }
    }

    /// The time between its runs.
    pub fn gaps(&self) -> Option<Gaps> {
        self.rhythm()?.gaps
    }

    /// Before the first it does not run, nor after the second.
    pub fn limits(&self) -> (Option<Timestamp>, Option<Timestamp>) {
        (self.job().starts_at, self.job().expires_at)
    }

    /// The release that keeps it, by its stamp.
    pub fn owner(&self) -> Option<Owner> {
        self.wanted.job.own_stamp().map(|stamp| stamp.owner.clone())
    }

    /// The parent's name, if it has one.
    pub fn parent(&self) -> Option<&'a str> {
        self.wanted.job.parent()
    }

    /// Whether it is switched off itself.
    pub fn disabled(&self) -> bool {
        self.wanted.job.disabled
    }

    /// The job itself.
    pub fn job(&self) -> &'a Job {
        &self.wanted.job
    }

    /// Whether a secret variable was read for a field.
    pub fn is_secret(&self, field: &str) -> bool {
        self.wanted.secret_fields.contains(field)
    }

    /// Why this rule is switched off for the job, in the words of its metadata; `None` where it is not.
    pub fn allows(&self, rule: &Rule) -> Option<&str> {
        let text = self.allowed.as_deref()?;
        let (rules, reason) = text.split_once(':').unwrap_or((text, ""));
        rules.split(',').any(|id| id.trim() == rule.id).then(|| reason.trim())
    }

    /// The job as one that keeps a cache, if it is.
    pub fn keeper(&self) -> Option<Keeper> {
        let worst_gap = self.gaps().map(|gaps| gaps.worst);
        Some(Keeper { job: self.name.clone(), cache: self.cache.clone()?.into(), off: self.off.clone(), worst_gap })
    }
}

/// One job with all its fields, while it is looked at by itself.
#[derive(Debug)]
pub struct Opened<'s, 'a> {
    subject: &'s Subject<'a>,
    /// Its URL, or why it is none; `None` where there is none, or the executor knows none.
    pub url: Option<Result<&'s Url, ParseError>>,
}

impl<'a> Deref for Opened<'_, 'a> {
    type Target = Subject<'a>;

    fn deref(&self) -> &Subject<'a> {
        self.subject
    }
}

impl Opened<'_, '_> {
    /// A value of its executor's configuration.
    pub fn config(&self, key: &str) -> Option<&str> {
        self.job().executor_config.get(key).map(String::as_str)
    }
}

/// All jobs of a run.
#[derive(Debug)]
pub struct Subjects<'a> {
    /// By name.
    all: Vec<Subject<'a>>,
}

impl<'a> Subjects<'a> {
    /// Takes all jobs apart; `key` says which caches they are for.
    pub fn new(jobs: &'a JobMap<Wanted>, key: &Key) -> Self {
        Self::opened(jobs, key, |_| {})
    }

    /// The same, and shows each to `look` while it is taken apart: before it is known what a child has from its parents.
    pub(super) fn opened(jobs: &'a JobMap<Wanted>, key: &Key, mut look: impl FnMut(&Opened<'_, 'a>)) -> Self {
        let mut shared = Shared::default();
        let mut all = Self { all: Vec::with_capacity(jobs.len()) };
        for (name, wanted) in jobs {
            let find = |name: &str| jobs.get(name).map(|wanted| &wanted.job);
            let job = &wanted.job;
            let is_http = job.executor == HTTP;
            let config = |key: &str| job.executor_config.get(key).filter(|_| is_http);
            let url = config("url").map(|url| Url::parse(url));
            let mut has_bad_ttl = false;
            let subject = Subject {
                name,
                timing: shared.timing(job),
                family: None,
                off: off(&wanted.job, jobs.len(), find),
                target: url.as_ref().and_then(|url| target(url.as_ref().ok()?)),
                cache: key.of(job).map(Into::into),
                own_ttl: own_ttl(job, |_, _| has_bad_ttl = true).map(Box::new),
                has_bad_ttl,
                is_http,
                timeout: job.timeout().filter(|_| is_http),
                retries: job.retries,
                allowed: job.metadata.get(ALLOW_KEY).map(|text| text.as_str().into()),
                wanted,
            };
            let url = url.as_ref().map(|url| url.as_ref().map_err(|error| *error));
            look(&Opened { subject: &subject, url });
            all.all.push(subject);
        }
        let inherited = |(at, subject): (usize, &Subject<'a>)| Some((at, all.root(subject)?.timing.clone()));
        let children = all.all.iter().enumerate().filter(|(_, subject)| subject.parent().is_some());
        let inherited: Vec<_> = children.filter_map(inherited).collect();
        for (at, family) in inherited {
            all.all[at].family = Some(family);
        }
        all
    }

    /// One after the other, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Subject<'a>> {
        self.all.iter()
    }

    /// The job of this name.
    pub fn get(&self, name: &str) -> Option<&Subject<'a>> {
        let at = self.all.binary_search_by(|subject| (**subject.name).cmp(name)).ok()?;
        self.all.get(at)
    }

    /// The job at whose schedule this one runs: itself, or for a child the one that its family begins with. `None` where that
    /// is not among them, or there is no beginning.
    pub fn root<'s>(&'s self, subject: &'s Subject<'a>) -> Option<&'s Subject<'a>> {
        let mut at = subject;
        // A walk longer than the number of jobs goes round in a circle.
        for _ in 0..=self.all.len() {
            match at.parent() {
                None => return Some(at),
                Some(parent) => at = self.get(parent)?,
            }
        }
        None
    }
}

/// What many jobs have in common, and is kept once.
#[derive(Default)]
struct Shared {
    /// By time zone, of which there are few, then by schedule.
    timings: BTreeMap<String, BTreeMap<String, Rc<Timing>>>,
}

impl Shared {
    fn timing(&mut self, job: &Job) -> Rc<Timing> {
        let known = self.timings.get(&job.timezone).and_then(|zone| zone.get(&job.schedule));
        // An empty schedule is right for a child, and wrong for any other job.
        if let Some(known) = known.filter(|_| !job.schedule.is_empty()) {
            return known.clone();
        }
        let timing = Rc::new(Timing::of(job));
        if !timing.is_by_name() {
            let zone = self.timings.entry(job.timezone.clone()).or_default();
            zone.insert(job.schedule.clone(), timing.clone());
        }
        timing
    }
}

/// `host:port`.
fn target(url: &Url) -> Option<Arc<str>> {
    let host = url.host_str()?;
    Some(url.port_or_known_default().map_or_else(|| host.into(), |port| format!("{host}:{port}").into()))
}
