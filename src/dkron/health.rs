//! Looking for jobs that Dkron does not run as they are stored: the scheduler has something else, or a run that never ended blocks them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep_until;
use tracing::warn;

use crate::job::{Job, Live, LiveJob, Mismatch, Scheduler, Stuck};

use super::Failure;
use super::answer::Answer;
use super::conn::LIST;
use super::members::knows_after;
use super::runs::{self, Execution};
use super::trust::{Reading, Scheduling, Trusted};
use super::version::has_known_entries;

/// How far apart two looks at the scheduler lie: a difference in one alone may be a write that is under way.
pub(super) const LOOKS_APART: Duration = Duration::from_secs(1);
/// Up to this many jobs are read again one by one; for more the whole list costs less.
const ONE_BY_ONE: usize = 32;

/// What is said where the scheduler's entries cannot be compared with the stored jobs.
pub(super) fn cannot_compare(leader: &str, problem: &str) -> String {
    format!(
        "what the leader `{leader}` schedules could not be compared with what it stores: its /debug/vars: {problem}"
    )
}

impl Reading {
    /// Looks for jobs that do not run as they are stored, and notes them in `live`. What cannot be found out is a warning: it keeps
    /// nothing else from being done.
    pub async fn look_for_ailments(&mut self) {
        self.compare_with_scheduler().await;
        self.look_for_stuck_jobs().await;
    }

    /// Whether the leader said that its scheduler is not running; `None` where it was not asked or did not say.
    pub fn scheduler_runs(&self) -> Option<bool> {
        match &self.trusted.scheduling {
            Scheduling::Seen(scheduler, _) => Some(scheduler.started),
            Scheduling::Hidden(_) | Scheduling::NotAsked => None,
        }
    }

    /// Compares what is stored with what the leader schedules (FACTS 37c). A difference counts only if it is still there when the
    /// scheduler and the job are read again a second later; without a difference nothing is read again.
    async fn compare_with_scheduler(&mut self) {
        let Scheduling::Seen(scheduler, seen) = self.trusted.scheduling.clone() else { return };
        if !scheduler.started {
            return;
        }
        let first = match self.trusted.compare(&scheduler, self.live.definitions()) {
            Ok(first) if first.is_empty() => return,
            Ok(first) => first.keys().cloned().collect(),
            Err(problem) => return self.cannot_compare(problem),
        };
        sleep_until(seen + LOOKS_APART).await;
        match self.trusted.look_again(first).await {
            Ok((again, mismatched)) => {
                for job in again {
                    self.live.jobs.insert(job.job.name.clone(), job);
                }
                self.live.mismatched = mismatched;
            }
            Err(problem) => self.cannot_compare(&problem),
        }
    }

    fn cannot_compare(&mut self, problem: &str) {
        let warning = cannot_compare(&self.trusted.leader, problem);
        warn!("{warning}");
        self.warnings.push(warning);
    }

    /// Looks into the jobs that should have run a minute ago, by Dkron's own clock, and that one run can block: a Dkron in which all is
    /// well is asked nothing more.
    async fn look_for_stuck_jobs(&mut self) {
        let Some(now) = self.now else { return };
        let late: BTreeSet<Arc<str>> = self
            .live
            .jobs
            .values()
            .filter(|live| live.is_late(now) && live.job.forbids_overlap())
            .map(|live| live.job.name.clone())
            .collect();
        if late.is_empty() {
            return;
        }
        let (stuck, problem) = stuck(&self.trusted, &self.live, &late, now).await;
        if let Some(problem) = problem {
            let count = late.len();
            let jobs = if count == 1 { "a job that is".to_owned() } else { format!("{count} jobs that are") };
            let warning = format!("whether Dkron still runs {jobs} late could not be told: {problem}");
            warn!("{warning}");
            self.warnings.push(warning);
        }
        if !stuck.is_empty() {
            // `@after` and the delete of executions came with the same version. Unknown versions keep the way that works on all.
            self.live.deletes_executions = self.members().await.is_ok_and(|members| knows_after(&members).is_ok());
        }
        self.live.stuck = stuck;
    }
}

impl Trusted {
    /// The jobs that the scheduler has otherwise than they are stored, by name.
    ///
    /// # Errors
    /// Why that cannot be told, in words.
    pub(super) fn compare<'j>(
        &self,
        scheduler: &Scheduler,
        jobs: impl Iterator<Item = &'j Job> + Clone,
    ) -> Result<BTreeMap<Arc<str>, Mismatch>, &'static str> {
        if !has_known_entries(self.version.as_deref()) {
            return Err("the form of its entries is known for Dkron 4.0 and 4.1 only");
        }
        let differing = scheduler.compare(jobs)?.into_iter();
        Ok(differing.map(|(job, mismatch)| (job.name.clone(), mismatch)).collect())
    }

    /// Reads these jobs and the scheduler again: the jobs as they are now, and those that still differ.
    async fn look_again(&self, names: Vec<Arc<str>>) -> Result<(Vec<LiveJob>, BTreeMap<Arc<str>, Mismatch>), String> {
        let mut again = Vec::new();
        if names.len() > ONE_BY_ONE {
            let (live, _) = self.list::<Live>().await.map_err(|failure| failure.to_string())?;
            again.extend(names.iter().filter_map(|name| live.jobs.get(name).cloned()));
        } else {
            for name in names {
                let job = self.ask(&format!("{LIST}/{name}"), Answer::found_job).await;
                again.extend(job.map_err(|failure| failure.to_string())?);
            }
        }
        let scheduler = self.scheduler().await.map_err(|failure| failure.to_string())?;
        if !scheduler.started {
            return Err(Failure::NotScheduling { leader: self.leader.clone() }.to_string());
        }
        let mismatched = self.compare(&scheduler, again.iter().map(|live| &live.job))?;
        Ok((again, mismatched))
    }
}

/// Which of these jobs are stuck, and why that could not be told of all of them.
async fn stuck(
    trusted: &Trusted,
    live: &Live,
    late: &BTreeSet<Arc<str>>,
    now: Timestamp,
) -> (BTreeMap<Arc<str>, Stuck>, Option<Failure>) {
    let mut stuck = BTreeMap::new();
    let busy = match trusted.ask(runs::BUSY, runs::list).await {
        Ok(busy) => busy,
        // A run in flight must not be taken for one that never ends.
        Err(failure) => return (stuck, Some(failure)),
    };
    let busy: BTreeSet<&str> = busy.iter().map(|execution| &*execution.job_name).collect();
    for name in late {
        let Some(live) = live.jobs.get(name) else { continue };
        if busy.contains(&**name) {
            continue;
        }
        let unfinished = match trusted.ask(&runs::without_output(name), runs::stored).await {
            Ok(executions) => executions.iter().filter_map(Execution::unfinished).collect::<Vec<_>>(),
            // The others would fare no better, and each try takes its time.
            Err(failure) => return (stuck, Some(failure)),
        };
        stuck.extend(live.stuck(&unfinished, now).map(|found| (name.clone(), found)));
    }
    (stuck, None)
}
