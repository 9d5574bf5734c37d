//! How many jobs and caches are in each state.

use serde::Serialize;

use crate::report::brief;
use crate::words::counted;

use super::{CacheStatus, JobStatus, State, Status};

/// How many of each state. Each job counts in exactly one of the first ten numbers after their sum, each cache in one of the
/// six; the rest is counted beside these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Jobs by state.
    pub jobs: States,
    /// Caches by state.
    pub caches: CacheStates,
    /// Jobs whose last run failed.
    pub failed: usize,
    /// Jobs of which a run is in flight.
    pub running: usize,
    /// Jobs with which `apply` would do something.
    pub drifted: usize,
}

/// Jobs by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct States {
    /// All of them.
    pub all: usize,
    /// [`State::Stuck`].
    pub stuck: usize,
    /// [`State::NotScheduled`].
    pub not_scheduled: usize,
    /// [`State::ScheduledDifferently`].
    pub scheduled_differently: usize,
    /// [`State::Stale`].
    pub stale: usize,
    /// [`State::Missing`].
    pub missing: usize,
    /// [`State::Late`].
    pub late: usize,
    /// [`State::Never`].
    pub never: usize,
    /// [`State::Fresh`].
    pub fresh: usize,
    /// [`State::Untimed`].
    pub untimed: usize,
    /// [`State::Off`].
    pub off: usize,
}

/// Caches by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CacheStates {
    /// All of them.
    pub all: usize,
    /// [`State::Stale`].
    pub stale: usize,
    /// [`State::Unrefreshed`].
    pub unrefreshed: usize,
    /// [`State::Late`].
    pub late: usize,
    /// [`State::Never`].
    pub never: usize,
    /// [`State::Fresh`].
    pub fresh: usize,
    /// [`State::Off`].
    pub off: usize,
}

impl Summary {
    pub(super) fn of(jobs: &[JobStatus], caches: &[CacheStatus]) -> Self {
        let of_jobs = |state| jobs.iter().filter(|job| job.state == state).count();
        let of_caches = |state| caches.iter().filter(|cache| cache.state == state).count();
        Self {
            jobs: States {
                all: jobs.len(),
                stuck: of_jobs(State::Stuck),
                not_scheduled: of_jobs(State::NotScheduled),
                scheduled_differently: of_jobs(State::ScheduledDifferently),
                stale: of_jobs(State::Stale),
                missing: of_jobs(State::Missing),
                late: of_jobs(State::Late),
                never: of_jobs(State::Never),
                fresh: of_jobs(State::Fresh),
                untimed: of_jobs(State::Untimed),
                off: of_jobs(State::Off),
            },
            caches: CacheStates {
                all: caches.len(),
                stale: of_caches(State::Stale),
                unrefreshed: of_caches(State::Unrefreshed),
                late: of_caches(State::Late),
                never: of_caches(State::Never),
                fresh: of_caches(State::Fresh),
                off: of_caches(State::Off),
            },
            failed: jobs.iter().filter(|job| job.failed).count(),
            running: jobs.iter().filter(|job| job.running.is_some()).count(),
            drifted: jobs.iter().filter(|job| job.drift.is_some()).count(),
        }
    }

    /// In words, what is bad first: jobs, caches, and what is counted beside them.
    pub fn lines(&self) -> Vec<String> {
        let (jobs, caches) = (&self.jobs, &self.caches);
        let states = |states: &[(usize, &str)]| {
            let some = states.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
            some.collect::<Vec<_>>().join(", ")
        };
        let told = |all: String, states: String| if states.is_empty() { all } else { format!("{all}: {states}") };
        let of_jobs = [
            (jobs.stuck, "stuck"),
            (jobs.not_scheduled, "not scheduled"),
            (jobs.scheduled_differently, "scheduled differently"),
            (jobs.stale, "stale"),
            (jobs.missing, "missing"),
            (jobs.late, "late"),
            (jobs.never, "never run with success"),
            (jobs.fresh, "fresh"),
            (jobs.untimed, "without a TTL"),
            (jobs.off, "off"),
        ];
        let of_caches = [
            (caches.stale, "stale"),
            (caches.unrefreshed, "not refreshed"),
            (caches.late, "late"),
            (caches.never, "never refreshed"),
            (caches.fresh, "fresh"),
            (caches.off, "not wanted"),
        ];
        let beside =
            [(self.failed, "failed last"), (self.running, "running"), (self.drifted, "not as the templates say")];
        let mut lines = vec![told(counted(jobs.all, "job"), states(&of_jobs))];
        if caches.all > 0 {
            lines.push(told(counted(caches.all, "cache"), states(&of_caches)));
        }
        lines.extend(Some(states(&beside)).filter(|beside| !beside.is_empty()));
        lines
    }

    /// The same in one line.
    pub fn words(&self) -> String {
        self.lines().join("; ")
    }
}

impl Status {
    /// Whether a job or a cache is stale, a job does not run as it is stored, no job runs at all, or a node is unhealthy.
    pub fn is_failing(&self) -> bool {
        let jobs = &self.summary.jobs;
        jobs.stuck + jobs.not_scheduled + jobs.scheduled_differently + jobs.stale + self.summary.caches.stale > 0
            || self.scheduler_running == Some(false)
            || self.unhealthy().next().is_some()
    }

    /// The nodes with an issue, in words.
    pub(super) fn unhealthy(&self) -> impl Iterator<Item = String> {
        let unhealthy = self.nodes.iter().filter(|node| !node.issues.is_empty());
        unhealthy.map(|node| format!("node {} is unhealthy: {}", node.name, node.issues.join(", ")))
    }

    /// The last words: counts first, then what fails, in at most `limit` bytes.
    pub fn brief(&self, limit: usize) -> String {
        let caches = self.caches.iter().filter(|cache| cache.state == State::Stale);
        let jobs = self.jobs.iter().filter(|job| job.state <= State::Stale);
        let first = format!("status {}: {}", self.owner, self.summary.words());
        let scheduler = (self.scheduler_running == Some(false)).then(|| SCHEDULER_STOPPED.to_owned());
        let mut lines = std::iter::once(first)
            .chain(scheduler)
            .chain(self.unhealthy())
            .chain(caches.map(|cache| format!("cache {} is stale", cache.name)))
            .chain(jobs.map(|job| format!("{} is {}", job.name, job.state.shown())));
        brief(&mut lines, limit)
    }
}

/// What `status` says of a Dkron that runs no job.
pub(super) const SCHEDULER_STOPPED: &str = "the scheduler is not running";
