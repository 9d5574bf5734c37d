//! The scheduler of the leader: which job is due when.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use dkron_jobs::schedule::Schedule;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::job::{Job, ZERO};

/// A scheduled job as it was when it was added: a run asks this copy whether it may run, and then reads the store.
#[derive(Debug)]
struct Entry {
    job: Arc<Job>,
    schedule: Schedule,
    next: Option<Timestamp>,
}

/// Every enabled job without a parent; empty on a cluster that has no leader.
#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    started: bool,
    entries: HashMap<String, Entry>,
    due: BTreeSet<(Timestamp, String)>,
}

impl Scheduler {
    pub(crate) fn is_started(&self) -> bool {
        self.started
    }

    /// Loads all jobs anew, as a new leader does; each `@every` starts from here.
    pub(crate) fn start<'a>(&mut self, jobs: impl Iterator<Item = &'a Arc<Job>>, now: Timestamp) {
        self.stop();
        self.started = true;
        for job in jobs {
            self.add(job, now);
        }
    }

    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }

    /// Adds a job, or adds it again: that restarts its `@every` (FACTS 7).
    pub(crate) fn add(&mut self, job: &Arc<Job>, now: Timestamp) {
        self.remove(&job.name);
        if job.disabled || !job.parent_job.is_empty() {
            return;
        }
        // A schedule that names a zone, or is a descriptor, does not see the job's.
        let has_own_zone = ["@", "TZ=", "CRON_TZ="].iter().any(|prefix| job.schedule.starts_with(prefix));
        let zone = if has_own_zone { "" } else { job.timezone.as_str() };
        let Ok(schedule) = Schedule::parse(&job.schedule, &job.name, zone) else {
            return;
        };
        let next = schedule.next(now);
        if let Some(next) = next {
            self.due.insert((next, job.name.clone()));
        }
        self.entries.insert(job.name.clone(), Entry { job: Arc::clone(job), schedule, next });
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(Entry { next: Some(next), .. }) = self.entries.remove(name) {
            self.due.remove(&(next, name.to_owned()));
        }
    }

    /// When a job runs next; `None` where it is not scheduled: then it cannot be run by hand either (FACTS 24b).
    pub(crate) fn next(&self, name: &str) -> Option<Timestamp> {
        self.entries.get(name).map(|entry| entry.next.unwrap_or(*ZERO))
    }

    /// The jobs whose time has come, each already put to its next run.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<Arc<Job>> {
        let mut due = Vec::new();
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, name)) = self.due.pop_first() else { break };
            if let Some(entry) = self.entries.get_mut(&name) {
                due.push(Arc::clone(&entry.job));
                entry.next = entry.schedule.next(now);
                if let Some(next) = entry.next {
                    self.due.insert((next, name));
                }
            }
        }
        due
    }

    /// When `take_due` has something next.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// `cron_entries` of `/debug/vars` (FACTS 5).
    pub(crate) fn inspect(&self) -> Value {
        let entries = self.entries.iter().map(|(name, entry)| {
            let tags: Vec<String> =
                entry.job.tags.iter().flatten().map(|(key, value)| format!("{key}:{value}")).collect();
            let text = format!("Job: {name}, scheduled at: {}, tags:map[{}]", entry.job.schedule, tags.join(" "));
            (name.clone(), Value::String(text))
        });
        Value::Object(entries.collect::<Map<_, _>>())
    }
}
