//! Dkron's store: the jobs with the rules that its state machine applies to a write, and their executions.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::executor::Outcome;
use crate::job::{Job, ZERO};

/// How many executions of a job are kept.
const MAX_EXECUTIONS: usize = 100;

/// Why a write did not get into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetError {
    /// The only one that the API tells of (FACTS 4, 10).
    NoParent,
}

/// Why a job was not deleted; the API answers both alike (FACTS 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeleteError {
    Missing,
    HasDependents,
}

/// A job and the position of its last write, which is its place in a replay.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) job: Arc<Job>,
    pub(crate) position: u64,
}

/// The jobs by name: Dkron's lists are sorted by it.
pub(crate) type Jobs = BTreeMap<String, Stored>;

/// What a follower applies later than the leader.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Put(Stored),
    Delete(String),
}

/// One run of a job on one node.
#[derive(Debug, Clone)]
pub(crate) struct Execution {
    pub(crate) job_name: String,
    pub(crate) started_at: Timestamp,
    /// `ZERO` while it runs, and for ever when Dkron died meanwhile (FACTS 24c).
    pub(crate) finished_at: Timestamp,
    pub(crate) success: bool,
    pub(crate) output: String,
    pub(crate) node_name: String,
    pub(crate) group: i64,
    pub(crate) attempt: u64,
}

impl Execution {
    pub(crate) fn key(&self) -> String {
        format!("{}-{}", self.started_at.as_nanosecond(), self.node_name)
    }

    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.success = outcome.success;
        self.output = outcome.output;
    }

    pub(crate) fn is_unfinished(&self) -> bool {
        self.finished_at == *ZERO
    }

    /// As Dkron writes it: instants in the job's zone, empty values left out.
    pub(crate) fn to_wire(&self, zone: &TimeZone, output_truncated: Option<bool>) -> ExecutionOnWire<'_> {
        let instant = |at: Timestamp| {
            if *zone == TimeZone::UTC {
                at.to_string()
            } else {
                at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string()
            }
        };
        ExecutionOnWire {
            id: self.key(),
            job_name: &self.job_name,
            started_at: instant(self.started_at),
            finished_at: instant(self.finished_at),
            success: self.success,
            output: &self.output,
            node_name: &self.node_name,
            group: self.group,
            attempt: self.attempt,
            output_truncated,
        }
    }
}

/// The fields of Dkron's execution, in the order in which it writes them.
#[derive(Serialize)]
pub(crate) struct ExecutionOnWire<'a> {
    id: String,
    job_name: &'a str,
    started_at: String,
    finished_at: String,
    success: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    output: &'a str,
    node_name: &'a str,
    group: i64,
    attempt: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_truncated: Option<bool>,
}

/// What the leader has: every acknowledged write.
#[derive(Debug, Default)]
pub(crate) struct Store {
    jobs: Jobs,
    executions: HashMap<String, BTreeMap<String, Execution>>,
    position: u64,
    /// Changes that some follower has not applied yet; kept only while one lags.
    log: VecDeque<(Instant, Change)>,
    /// The number of the first change in `log`.
    log_start: u64,
    pub(crate) keep_log: bool,
    /// Jobs that the present leader's version does not have, for a later leader that has them.
    dropped: Vec<Stored>,
    /// Finished runs of each day in UTC: successes and failures. Nothing takes them out (FACTS 33c).
    stats: BTreeMap<Date, (u64, u64)>,
}

impl Store {
    pub(crate) fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Job>> {
        self.jobs.get(name).map(|stored| &stored.job)
    }

    /// Stores a job as it is, whatever the rules say.
    pub(crate) fn put(&mut self, job: Job) {
        self.position += 1;
        let stored = Stored { job: Arc::new(job.stored()), position: self.position };
        if self.keep_log {
            self.log.push_back((Instant::now(), Change::Put(stored.clone())));
        }
        self.jobs.insert(stored.job.name.clone(), stored);
    }

    fn remove(&mut self, name: &str) {
        if self.keep_log {
            self.log.push_back((Instant::now(), Change::Delete(name.to_owned())));
        }
        self.jobs.remove(name);
    }

    /// Creates or replaces a job, keeping what runs have counted (FACTS 8), and keeps both parents' lists of dependents.
    ///
    /// With `keep_dependents`, as for every write but those to a parent's own list, the stored list wins unless it is empty;
    /// that is why a posted list and then a posted child make the child stand there twice (FACTS 9).
    ///
    /// # Errors
    /// The parent does not exist.
    pub(crate) fn set_job(&mut self, job: Job, keep_dependents: bool, now: Timestamp) -> Result<(), SetError> {
        if !job.parent_job.is_empty() && !self.jobs.contains_key(&job.parent_job) {
            return Err(SetError::NoParent);
        }
        let mut job = job;
        let existing = self.get(&job.name).cloned();
        if let Some(existing) = &existing {
            // `None` is before every instant, as in Dkron.
            job.last_error = job.last_error.max(existing.last_error);
            job.last_success = job.last_success.max(existing.last_success);
            job.success_count = job.success_count.max(existing.success_count);
            job.error_count = job.error_count.max(existing.error_count);
            if keep_dependents && existing.dependent_jobs.as_ref().is_some_and(|jobs| !jobs.is_empty()) {
                job.dependent_jobs.clone_from(&existing.dependent_jobs);
            }
            if !existing.status.is_empty() {
                job.status.clone_from(&existing.status);
            }
        }
        if job.schedule == existing.as_ref().map_or("", |existing| existing.schedule.as_str()) {
            // A job that is not there yet counts as one whose next run is at the epoch: so it stands in a child's `next`.
            let known = existing.as_ref().map_or(Timestamp::UNIX_EPOCH.into(), |existing| existing.next);
            job.next = job.next.max(known);
        } else {
            job.next = job.first_run(now).into();
        }
        let (name, parent) = (job.name.clone(), job.parent_job.clone());
        self.put(job);

        let old_parent = existing.map_or_else(String::new, |existing| existing.parent_job.clone());
        if old_parent != parent {
            self.edit_dependents(&old_parent, now, |dependents| dependents.retain(|dependent| *dependent != name));
            self.edit_dependents(&parent, now, |dependents| dependents.push(name.clone()));
        }
        Ok(())
    }

    /// An error here (the parent's own parent is gone) is swallowed, as in Dkron (FACTS 16).
    fn edit_dependents(&mut self, parent: &str, now: Timestamp, edit: impl FnOnce(&mut Vec<String>)) {
        if let Some(job) = self.get(parent) {
            let mut job = Job::clone(job);
            edit(job.dependent_jobs.get_or_insert_default());
            let _swallowed = self.set_job(job, false, now);
        }
    }

    /// Deletes a job and its history.
    ///
    /// # Errors
    /// It is not there, or has dependents.
    pub(crate) fn delete(&mut self, name: &str, now: Timestamp) -> Result<Arc<Job>, DeleteError> {
        let job = self.get(name).cloned().ok_or(DeleteError::Missing)?;
        if job.dependent_jobs.as_ref().is_some_and(|dependents| !dependents.is_empty()) {
            return Err(DeleteError::HasDependents);
        }
        // Dkron deletes by prefix: the history of `ab` goes with the job `a`.
        self.executions.retain(|job, _| !job.starts_with(name));
        self.remove(name);
        self.edit_dependents(&job.parent_job, now, |dependents| dependents.retain(|dependent| dependent != name));
        Ok(job)
    }

    /// Deletes a job's executions, and what they had counted (FACTS 33b). `None` for a job that is not there.
    pub(crate) fn delete_executions(&mut self, name: &str) -> Option<Arc<Job>> {
        let mut job = Job::clone(self.get(name)?);
        self.executions.retain(|job, _| !job.starts_with(name));
        (job.success_count, job.error_count) = (0, 0);
        (job.last_success, job.last_error) = (None, None);
        self.put(job);
        self.get(name).cloned()
    }

    /// Finished runs of a day: successes and failures.
    pub(crate) fn stats(&self, day: Date) -> (u64, u64) {
        self.stats.get(&day).copied().unwrap_or_default()
    }

    /// Takes out what a new leader does not have, and brings back what its forerunners did not.
    pub(crate) fn keep_only(&mut self, keeps: impl Fn(&Job, &Jobs) -> bool) {
        for stored in std::mem::take(&mut self.dropped) {
            self.jobs.entry(stored.job.name.clone()).or_insert(stored);
        }
        let dropped: Vec<Stored> =
            self.jobs.values().filter(|stored| !keeps(&stored.job, &self.jobs)).cloned().collect();
        for stored in &dropped {
            self.remove(&stored.job.name);
        }
        self.dropped = dropped;
    }

    /// A job's executions, oldest first.
    pub(crate) fn executions(&self, name: &str) -> impl DoubleEndedIterator<Item = &Execution> {
        self.executions.get(name).into_iter().flat_map(BTreeMap::values)
    }

    /// Stores an execution that has started; the oldest beyond 100 go.
    pub(crate) fn set_execution(&mut self, execution: &Execution) {
        let executions = self.executions.entry(execution.job_name.clone()).or_default();
        executions.insert(execution.key(), execution.clone());
        while executions.len() > MAX_EXECUTIONS {
            executions.pop_first();
        }
    }

    /// Stores a finished execution and counts it; `None` where the job is gone.
    pub(crate) fn finish_execution(&mut self, execution: &Execution) -> Option<Arc<Job>> {
        let mut job = Job::clone(self.get(&execution.job_name)?);
        let (successes, failures) =
            self.stats.entry(TimeZone::UTC.to_datetime(execution.finished_at).date()).or_default();
        *(if execution.success { successes } else { failures }) += 1;
        self.executions.entry(execution.job_name.clone()).or_default().insert(execution.key(), execution.clone());
        if execution.success {
            job.last_success = Some(execution.finished_at.into());
            job.success_count += 1;
        } else {
            job.last_error = Some(execution.finished_at.into());
            job.error_count += 1;
        }
        let group: Vec<bool> = self
            .executions(&execution.job_name)
            .filter(|other| other.group == execution.group)
            .map(|other| other.success)
            .collect();
        match (group.contains(&true), group.contains(&false)) {
            (_, false) => "success",
            (false, true) => "failed",
            (true, true) => "partially_failed",
        }
        .clone_into(&mut job.status);
        self.put(job);
        self.get(&execution.job_name).cloned()
    }

    /// Sets `next` of a stored job as it is, for a job that is stuck.
    pub(crate) fn set_next(&mut self, name: &str, next: Timestamp) {
        if let Some(job) = self.get(name) {
            let job = Job { next: next.into(), ..Job::clone(job) };
            self.put(job);
        }
    }

    /// Moves `next` and the starts of unfinished executions into the past.
    pub(crate) fn age(&mut self, name: &str, by: SignedDuration) {
        let earlier = |at: Timestamp| at.saturating_sub(by).unwrap_or(at);
        if let Some(next) = self.get(name).map(|job| earlier(job.next.at)) {
            self.set_next(name, next);
        }
        let executions = self.executions.remove(name).unwrap_or_default().into_values().map(|execution| {
            let started_at =
                if execution.is_unfinished() { earlier(execution.started_at) } else { execution.started_at };
            Execution { started_at, ..execution }
        });
        let aged: BTreeMap<_, _> = executions.map(|execution| (execution.key(), execution)).collect();
        if !aged.is_empty() {
            self.executions.insert(name.to_owned(), aged);
        }
    }

    /// What a replay of the log does to the instants: each schedule is computed anew.
    pub(crate) fn reset_next(&mut self, now: Timestamp) {
        for stored in self.jobs.values_mut().filter(|stored| !stored.job.schedule.is_empty()) {
            let next = stored.job.first_run(now);
            stored.job = Arc::new(Job { next: next.into(), ..Job::clone(&stored.job) });
        }
    }

    /// The number that the next change will have.
    pub(crate) fn log_end(&self) -> u64 {
        self.log_start + self.log.len() as u64
    }

    /// The changes from a number on that are at least as old as `until`.
    pub(crate) fn changes(&self, from: u64, until: Instant) -> impl Iterator<Item = &Change> {
        let skip = usize::try_from(from.saturating_sub(self.log_start)).unwrap_or(usize::MAX);
        self.log.iter().skip(skip).take_while(move |(at, _)| *at <= until).map(|(_, change)| change)
    }

    /// Forgets the changes before a number: every follower has them.
    pub(crate) fn trim_log(&mut self, before: u64) {
        while self.log_start < before && self.log.pop_front().is_some() {
            self.log_start += 1;
        }
    }
}
