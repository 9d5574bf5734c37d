//! Dkron as data: what it holds, and which writes it takes (FACTS 10, 11). No server, no clock.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};

use dkron_jobs::job::{Desired, Job, Live, LiveJob, Origin, Owner, Wanted};
use dkron_jobs::plan::{Change, Drift, Item, Plan, Policy, TakeOwnership};
use dkron_jobs::report::{Outcome, Report, Style};

/// A Dkron that takes or refuses writes as the real one does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dkron {
    /// What it holds.
    pub(crate) live: Live,
    /// The jobs whose writes fail for a reason of their own.
    pub(crate) failing: BTreeSet<String>,
    /// How many writes it gets before whoever sends them is killed; `None` for all.
    pub(crate) killed_after: Option<usize>,
}

impl Dkron {
    /// Takes a job, unless it fails or its parent is not there.
    pub(crate) fn put(&mut self, job: &Job) -> Result<(), String> {
        self.arrives()?;
        if self.failing.contains(&*job.name) {
            return Err("500 raft apply timed out".to_owned());
        }
        if let Some(parent) = job.parent()
            && !self.live.jobs.contains_key(parent)
        {
            return Err("404 specified parent job not found".to_owned());
        }
        self.live.jobs.insert(job.name.clone(), stored(job));
        // A post schedules a job, and does nothing about an execution that never ended, unless it blocks nothing any more.
        if !job.forbids_overlap() {
            self.live.stuck.remove(&*job.name);
        }
        self.live.mismatched.remove(&*job.name);
        Ok(())
    }

    /// Deletes a job, unless it is not there or has children.
    pub(crate) fn delete(&mut self, name: &str) -> Result<(), String> {
        self.arrives()?;
        if self.live.jobs.values().any(|live| live.job.parent() == Some(name)) {
            return Err("404, it has dependents".to_owned());
        }
        self.live.stuck.remove(name);
        self.live.mismatched.remove(name);
        self.live.jobs.remove(name).map(drop).ok_or_else(|| "404".to_owned())
    }

    fn arrives(&mut self) -> Result<(), String> {
        match &mut self.killed_after {
            None => Ok(()),
            Some(0) => Err("killed".to_owned()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// The write of one item: more than one request where a job is deleted and created again.
    fn write(&mut self, item: &Item) -> Result<(), String> {
        let job = item.definition().expect("only writes are in the waves of writes").clone();
        let Some(children) = item.set_aside() else { return self.put(&job) };
        for child in children {
            self.put(&child.parked())?;
        }
        self.delete(&item.name)?;
        self.put(&job)?;
        children.iter().try_for_each(|child| self.put(child))
    }

    /// The definition of a job that is there, to be edited.
    pub(crate) fn job(&mut self, name: &str) -> Edited<'_> {
        let live = self.live.jobs.get_mut(name).unwrap_or_else(|| panic!("Dkron holds no `{name}`"));
        Edited { job: live.job.clone(), live }
    }

    /// Carries a plan out: waves in order, children of what failed skipped, no delete after a failure. Within a wave, where the
    /// order is free, it goes backwards if told so.
    pub(crate) fn carry_out(&mut self, plan: &Plan, order: WaveOrder) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Unchanged; plan.items.len()];
        for index in plan.writes.iter().flat_map(|wave| order.of(wave)) {
            let item = &plan.items[index];
            let job = item.definition().expect("only writes are in the waves of writes");
            let parent = job.parent().and_then(|parent| plan.items.iter().position(|item| *item.name == *parent));
            outcomes[index] = match parent.map(|parent| &outcomes[parent]) {
                Some(Outcome::Failed(_) | Outcome::Skipped(_)) => Outcome::Skipped("its parent failed".to_owned()),
                _ => self.write(item).map_or_else(Outcome::Failed, |()| Outcome::Done),
            };
        }
        let failed = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Failed(_)));
        for index in plan.deletes.iter().flat_map(|wave| order.of(wave)) {
            let item = &plan.items[index];
            assert_eq!(item.change, Change::Delete, "only deletes are in the waves of deletes");
            outcomes[index] = if failed {
                Outcome::Skipped("nothing is deleted after a failed write".to_owned())
            } else {
                self.delete(&item.name).map_or_else(Outcome::Failed, |()| Outcome::Done)
            };
        }
        outcomes
    }
}

/// A job of Dkron's that somebody edits by hand.
pub(crate) struct Edited<'a> {
    job: Job,
    live: &'a mut LiveJob,
}

impl Deref for Edited<'_> {
    type Target = Job;

    fn deref(&self) -> &Job {
        &self.job
    }
}

impl DerefMut for Edited<'_> {
    fn deref_mut(&mut self) -> &mut Job {
        &mut self.job
    }
}

impl Drop for Edited<'_> {
    fn drop(&mut self) {
        self.live.job = self.job.clone();
    }
}

/// In which order the items of one wave are written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WaveOrder {
    Forwards,
    Backwards,
}

impl WaveOrder {
    fn of(self, wave: &[usize]) -> Vec<usize> {
        let mut wave = wave.to_vec();
        if matches!(self, Self::Backwards) {
            wave.reverse();
        }
        wave
    }
}

/// A job as Dkron gives it back after it was posted: through JSON.
pub(crate) fn stored(job: &Job) -> LiveJob {
    let json = serde_json::to_string(job).expect("a job has a JSON form");
    serde_json::from_str(&json).expect("what we write we can read")
}

/// A job as a template would give it.
pub(crate) fn wanted(job: &Job) -> Wanted {
    let origin = Origin { file: "jobs.yaml".into(), line: 1 };
    Wanted { job: job.clone(), secret_fields: BTreeSet::new(), origin }
}

/// A set of jobs as templates would give it.
pub(crate) fn desired(jobs: impl IntoIterator<Item = Job>) -> Desired {
    jobs.into_iter().map(|job| wanted(&job)).collect()
}

/// A report as text.
pub(crate) fn text(report: &Report<'_>, style: Style) -> String {
    let mut text = Vec::new();
    report.write_text(&mut text, style).expect("memory takes what is written");
    String::from_utf8(text).expect("it is text")
}

/// The policy that applies where nobody says otherwise.
pub(crate) fn default_policy(owner: &str) -> Policy {
    Policy {
        owner: Owner::parse(owner),
        drift: Drift::Revert,
        keep_disabled: true,
        prune: true,
        allow_deletes: 0,
        force: false,
        take_ownership: TakeOwnership::No,
        heal_stuck: true,
    }
}
