//! The scheduler of one node: which job is due when, as far as this process knows.
//!
//! Each node has one, as each Dkron process has. Only the leader's runs. It holds its own copy of each job: what a run may do is
//! decided by the copy, what it does is read from the store.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;

use dkron_jobs::schedule::Schedule;
use jiff::{SignedDuration, Timestamp};

use crate::job::{Job, ZERO};
use crate::version::Version;

/// How late a new leader's scheduler is (FACTS 36, 37b).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lateness {
    /// Between the reading of the jobs and the start: a 4.1 waits for the answer of a server that has gone.
    pub(crate) wait: SignedDuration,
    /// How long it then takes to add the jobs, one after another.
    pub(crate) load: SignedDuration,
}

/// A scheduled job as it was when it was added.
#[derive(Debug)]
struct Entry {
    job: Arc<Job>,
    schedule: Schedule,
    /// An `@after` runs once within its grace; that it has is known here only (FACTS 40, 41).
    consumed: bool,
    next: Option<Timestamp>,
}

impl Entry {
    /// Puts it to its next run. An `@after` that has just run at its instant is within its grace by then, and runs again.
    fn go_on(&mut self, now: Timestamp) {
        self.next = if self.consumed { None } else { self.schedule.next_when_posted(now) };
        self.consumed |= self.schedule.after().is_some_and(|after| after.runs_at_once(now));
    }
}

/// How long after a start that has failed the next one begins.
const START_AGAIN: SignedDuration = SignedDuration::from_secs(5);

/// A start that is under way: the jobs as they were read, and when they are added.
#[derive(Debug)]
struct Starting {
    /// Those that are not added yet.
    jobs: VecDeque<Arc<Job>>,
    count: usize,
    begins: Timestamp,
    load: SignedDuration,
    is_cleared: bool,
}

impl Starting {
    /// When the next of its jobs is added, or, after the last one, when the scheduler runs.
    fn next_step(&self) -> Timestamp {
        let done = i32::try_from(self.count - self.jobs.len()).unwrap_or(i32::MAX);
        let count = i32::try_from(self.count).unwrap_or(i32::MAX).max(1);
        let since = self.load.saturating_mul(done) / count;
        self.begins.saturating_add(since).unwrap_or(self.begins)
    }
}

/// What one process schedules. Every enabled job without a parent has an entry; only a started scheduler runs them.
#[derive(Debug)]
pub(crate) struct Scheduler {
    version: Version,
    started: bool,
    starting: Option<Starting>,
    /// When it starts again: a job could not be read (FACTS 44).
    again: Option<Timestamp>,
    entries: HashMap<String, Entry>,
    due: BTreeSet<(Timestamp, String)>,
    /// `cron_entries`: not only what has an entry, but also each child that has run (FACTS 37c).
    shown: BTreeMap<String, Arc<Job>>,
}

impl Scheduler {
    pub(crate) fn new(version: Version) -> Self {
        Self {
            version,
            started: false,
            starting: None,
            again: None,
            entries: HashMap::new(),
            due: BTreeSet::new(),
            shown: BTreeMap::new(),
        }
    }

    pub(crate) fn is_started(&self) -> bool {
        self.started
    }

    /// Starts with the jobs as they are now. What is written before the start is over is lost on it (FACTS 37).
    pub(crate) fn start(&mut self, jobs: VecDeque<Arc<Job>>, lateness: Lateness, now: Timestamp) {
        self.stop();
        let begins = now.saturating_add(lateness.wait).unwrap_or(now);
        let count = jobs.len();
        self.starting = Some(Starting { jobs, count, begins, load: lateness.load, is_cleared: false });
        self.advance(now);
    }

    /// Stops running; the entries stay, as in a Dkron that leads no more.
    pub(crate) fn stop(&mut self) {
        self.started = false;
        self.starting = None;
        self.again = None;
        self.due.clear();
    }

    /// Whether a start has failed, and it is time for the next one.
    pub(crate) fn starts_again(&self, now: Timestamp) -> bool {
        self.again.is_some_and(|again| again <= now)
    }

    /// Goes on with a start, up to now.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while let Some(starting) = &mut self.starting {
            let step = starting.next_step();
            if step > now {
                return;
            }
            if !starting.is_cleared {
                starting.is_cleared = true;
                for name in self.entries.drain().map(|(name, _)| name) {
                    self.shown.remove(&name);
                }
            }
            if let Some(job) = starting.jobs.pop_front() {
                if !self.add(&job, step) {
                    self.stop();
                    self.again = step.checked_add(START_AGAIN).ok();
                }
            } else {
                self.starting = None;
                self.run_from(step);
            }
        }
    }

    /// Each `@every` starts from here.
    fn run_from(&mut self, now: Timestamp) {
        self.started = true;
        for (name, entry) in &mut self.entries {
            entry.go_on(now);
            self.due.extend(entry.next.map(|next| (next, name.clone())));
        }
    }

    /// Adds a job, or adds it again: that restarts its `@every` (FACTS 7). Whether its schedule could be read.
    pub(crate) fn add(&mut self, job: &Arc<Job>, now: Timestamp) -> bool {
        self.remove(&job.name);
        if job.disabled || !job.parent_job.is_empty() {
            return true;
        }
        // A schedule that names a zone, or is a descriptor, does not see the job's.
        let has_own_zone = ["@", "TZ=", "CRON_TZ="].iter().any(|prefix| job.schedule.starts_with(prefix));
        let zone = if has_own_zone { "" } else { job.timezone.as_str() };
        let Ok(schedule) = self.version.parse(&job.schedule, &job.name, zone) else {
            return false;
        };
        let mut entry = Entry { job: Arc::clone(job), schedule, consumed: false, next: None };
        if self.started {
            entry.go_on(now);
        }
        self.due.extend(entry.next.map(|next| (next, job.name.clone())));
        self.show(job);
        self.entries.insert(job.name.clone(), entry);
        true
    }

    /// Removes a job. One that has no entry of its own, as a child has none, goes on being shown.
    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(entry) = self.entries.remove(name) {
            self.shown.remove(name);
            if let Some(next) = entry.next {
                self.due.remove(&(next, name.to_owned()));
            }
        }
    }

    /// Shows a job in `cron_entries`: one that is added, and one that runs.
    pub(crate) fn show(&mut self, job: &Arc<Job>) {
        self.shown.insert(job.name.clone(), Arc::clone(job));
    }

    /// When a job runs next; `None` where it is not scheduled: then it cannot be run by hand either (FACTS 24b).
    pub(crate) fn next(&self, name: &str) -> Option<Timestamp> {
        self.entries.get(name).map(|entry| entry.next.unwrap_or(*ZERO))
    }

    /// The jobs whose time has come, each already put to its next run.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<Arc<Job>> {
        let mut due = Vec::new();
        // The second run of an `@after` is due a nanosecond after the first one: before that one asks for its `next`.
        let until = now.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(now);
        while self.due.first().is_some_and(|(at, _)| *at <= until) {
            let Some((_, name)) = self.due.pop_first() else { break };
            if let Some(entry) = self.entries.get_mut(&name) {
                due.push(Arc::clone(&entry.job));
                entry.go_on(now);
                if let Some(next) = entry.next {
                    self.due.insert((next, name));
                }
            }
        }
        due
    }

    /// When there is something to do next: a job to run, or a step of the start.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let step = self.starting.as_ref().map(Starting::next_step);
        let due = self.due.first().map(|(at, _)| *at);
        step.into_iter().chain(self.again).chain(due).min()
    }

    /// `cron_entries` of `/debug/vars`, as Go's `expvar` writes them: sorted, and nothing in a text is escaped, so that a quote
    /// in a tag makes it invalid JSON (FACTS 37c).
    pub(crate) fn inspect(&self) -> String {
        let mut text = "{".to_owned();
        for (name, job) in &self.shown {
            let separator = if text.len() == 1 { "" } else { ", " };
            let tags: Vec<String> = job.tags.iter().flatten().map(|(key, value)| format!("{key}:{value}")).collect();
            // Writing to a string cannot fail.
            let _written = write!(
                text,
                "{separator}\"{name}\": \"Job: {}, scheduled at: {}, tags:map[{}]\"",
                job.name,
                job.schedule,
                tags.join(" ")
            );
        }
        text.push('}');
        text
    }
}
