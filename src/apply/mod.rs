//! Carries a plan out and proves it. Decides nothing.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it writes to Dkron and waits before it looks again"
)]

mod heal;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::time::{Instant, sleep_until};
use tracing::info;

use crate::dkron::{Session, WaitError, Written};
use crate::job::{Live, Packed};
use crate::plan::{Action, Item, Plan};
use crate::report::Outcome;
use crate::shutdown::{Shutdown, Signal};
use crate::words::counted;

/// How long after a write a run in flight may still put the old definition back (FACTS 16b, 16c).
const IN_FLIGHT: Duration = Duration::from_millis(1500);
/// How often what does not stand is written again.
const ROUNDS: usize = 3;

/// What came of carrying a plan out.
#[derive(Debug)]
pub struct Applied {
    /// One for each item of the plan, in its order.
    pub outcomes: Vec<Outcome>,
    /// What is to be said about the run as a whole.
    pub warnings: Vec<String>,
    /// Why the writes could not be proven, if they could not.
    pub unproven: Option<WaitError>,
    /// The signal that ended it early, if one did.
    pub stopped: Option<Signal>,
}

/// Writes what the plan says, at most `concurrency` at a time, then looks until it stands. `progress` is told of each write that
/// is done with.
pub async fn apply(
    plan: &Plan,
    session: &Session<'_>,
    concurrency: usize,
    shutdown: &Shutdown,
    progress: &dyn Fn(),
) -> Applied {
    let untried = |item: &Item| match item.action {
        Action::Unchanged => Outcome::Unchanged,
        // What still says so at the end was never reached.
        _ => Outcome::Skipped("not done: Dkron could not be read to prove the writes before it".to_owned()),
    };
    let run = Run {
        plan,
        session,
        concurrency,
        shutdown,
        progress,
        outcomes: RefCell::new(plan.items.iter().map(untried).collect()),
        orphans: RefCell::new(BTreeSet::new()),
        renewed: RefCell::new(BTreeSet::new()),
    };
    let mut warnings = Vec::new();
    let unproven = run.all(&mut warnings).await.err();
    let mut outcomes = run.outcomes.into_inner();
    if unproven.is_some() {
        // Accepted is not proven (FACTS 16): say so for each.
        for outcome in &mut outcomes {
            if *outcome == Outcome::Done {
                *outcome = Outcome::Failed("accepted, but Dkron could not be read afterwards to prove it".to_owned());
            }
        }
    }
    Applied { outcomes, warnings, unproven, stopped: shutdown.signal() }
}

struct Run<'a> {
    plan: &'a Plan,
    session: &'a Session<'a>,
    concurrency: usize,
    shutdown: &'a Shutdown,
    progress: &'a dyn Fn(),
    outcomes: RefCell<Vec<Outcome>>,
    /// Refused for want of a parent that this run had written: it was swallowed (FACTS 16), and both are written again.
    orphans: RefCell<BTreeSet<usize>>,
    /// Deleted to be created again: that is not done twice.
    renewed: RefCell<BTreeSet<usize>>,
}

impl Run<'_> {
    async fn all(&self, warnings: &mut Vec<String>) -> Result<(), WaitError> {
        for wave in &self.plan.writes {
            self.write(wave).await;
        }
        let deletes = !self.plan.deletes.is_empty();
        if deletes {
            // Only what was seen is there: deleting the old name of a job whose new one was swallowed would lose both.
            self.prove(&self.plan.writes, Look::Once, warnings).await?;
            let stands = |index: &usize| self.outcomes.borrow()[*index] == Outcome::Done;
            let failed = !self.plan.writes.iter().flatten().all(stands);
            for wave in &self.plan.deletes {
                // After a signal each delete says so itself.
                if failed && !self.shutdown.is_stopping() {
                    self.skip(wave, "nothing is deleted after a failed write");
                } else {
                    self.write(wave).await;
                }
            }
        }
        let all: Vec<_> = self.plan.writes.iter().chain(&self.plan.deletes).cloned().collect();
        self.prove(&all, Look::AgainLater, warnings).await
    }

    /// Writes the items of one wave, several at a time.
    async fn write(&self, wave: &[usize]) {
        stream::iter(wave.iter().copied()).for_each_concurrent(self.concurrency, |index| self.write_one(index)).await;
    }

    async fn write_one(&self, index: usize) {
        let item = &self.plan.items[index];
        let outcome = if let Some(signal) = self.shutdown.signal() {
            Outcome::Skipped(format!("not done: stopped by {}", signal.name()))
        } else if let Some(parent) = self.failed_parent(item) {
            Outcome::Skipped(format!("not done: its parent `{parent}` could not be written"))
        } else {
            self.send(index, item).await
        };
        self.outcomes.borrow_mut()[index] = outcome;
        (self.progress)();
    }

    async fn send(&self, index: usize, item: &Item) -> Outcome {
        self.orphans.borrow_mut().remove(&index);
        let written = match (item.action, item.definition()) {
            (Action::Delete, _) => self.session.delete(&item.name).await,
            (_, Some(job)) => match item.set_aside() {
                Some(children) => return self.renew(index, job, children).await,
                None => self.session.put(job).await,
            },
            (_, None) => return Outcome::Unchanged,
        };
        match written {
            Written::Accepted => Outcome::Done,
            Written::Refused(why) => Outcome::Failed(why),
            Written::NoParent(why) => {
                self.orphans.borrow_mut().insert(index);
                Outcome::Failed(why)
            }
            written @ Written::NotDone(_) => Outcome::Skipped(heal::words(written)),
            written @ Written::Stopped => Outcome::Failed(heal::words(written)),
        }
    }

    fn failed_parent<'i>(&self, item: &'i Item) -> Option<&'i str> {
        let (name, index) = self.parent(item)?;
        // One that is deleted and created again is there, and comes after its children.
        if self.plan.items[index].set_aside().is_some() {
            return None;
        }
        matches!(self.outcomes.borrow()[index], Outcome::Failed(_) | Outcome::Skipped(_)).then_some(name)
    }

    /// What the plan knows of a job.
    fn wanted(&self, name: &str) -> Option<&Packed> {
        let item = self.plan.item(name)?;
        item.to.as_ref().or(item.from.as_ref())
    }

    /// The parent that an item is to have, where the plan has something to say about it.
    fn parent<'i>(&self, item: &'i Item) -> Option<(&'i str, usize)> {
        let parent = item.definition()?.parent()?;
        Some((parent, self.plan.position(parent)?))
    }

    /// Whether an item must be seen in Dkron now: it was accepted, or its accepted parent was swallowed.
    fn is_due(&self, index: usize) -> bool {
        let done = |index: usize| self.outcomes.borrow()[index] == Outcome::Done;
        let orphan = |index: usize| {
            self.orphans.borrow().contains(&index)
                && self.parent(&self.plan.items[index]).is_some_and(|(_, parent)| done(parent))
        };
        done(index) || orphan(index)
    }

    fn skip(&self, wave: &[usize], why: &str) {
        for &index in wave {
            self.outcomes.borrow_mut()[index] = Outcome::Skipped(format!("not done: {why}"));
            (self.progress)();
        }
    }

    /// Whether Dkron holds what this item wanted, and the children that were set aside for it.
    fn stands(&self, index: usize, live: &Live) -> bool {
        let item = &self.plan.items[index];
        stands(item, live) && self.astray(item, live).is_none()
    }

    /// A child that was set aside and is not as it was. One that goes is gone by now, or not yet.
    fn astray<'i>(&self, item: &'i Item, live: &Live) -> Option<&'i Packed> {
        let goes = |name: &str| self.plan.item(name).is_some_and(|item| item.action == Action::Delete);
        let is_back = |child: &Packed| {
            live.jobs.get(child.name()).map_or_else(|| child.look(|child| child.ephemeral), |live| live.job == *child)
        };
        item.set_aside()?.iter().find(|child| !is_back(child) && !goes(child.name()))
    }

    /// What Dkron holds in place of what it accepted again and again.
    fn unproven(&self, index: usize, live: &Live) -> String {
        let item = &self.plan.items[index];
        let found = live.jobs.get(&item.name).map(|live| &live.job);
        let what = match (item.definition(), found) {
            (None, _) => "it is still there".to_owned(),
            (Some(_), None) => "it is not there".to_owned(),
            (Some(job), Some(live_job)) => match self.astray(item, live).filter(|_| live_job == job) {
                Some(child) => format!("its child `{}`, set aside meanwhile, is not as it was", child.name()),
                None => format!("it differs in {}", differences(live_job, job)),
            },
        };
        format!("Dkron accepted it, {ROUNDS} more times too, and does not hold it so: {what}")
    }

    /// Looks whether everything done stands, and writes again what does not.
    async fn prove(&self, waves: &[Vec<usize>], look: Look, warnings: &mut Vec<String>) -> Result<(), WaitError> {
        let due = |index: &usize| self.is_due(*index);
        let risky = |index: &usize| look == Look::AgainLater && self.plan.items[*index].action != Action::Create;
        if !waves.iter().flatten().any(due) {
            // Nothing to look for, and where Dkron was given up on the way, that is how the run ends.
            return self.session.given_up().map_or(Ok(()), Err);
        }
        let mut look_again = waves.iter().flatten().any(|index| due(index) && risky(index));
        let mut written = Instant::now();
        let mut rounds = 0;
        loop {
            let live = tokio::select! {
                biased;
                signal = self.shutdown.stopping() => {
                    warnings
                        .push(format!("stopped by {} before Dkron was read again to prove the writes", signal.name()));
                    return Ok(());
                }
                live = self.session.read(|name| self.wanted(name)) => live?,
            };
            let wrong: Vec<Vec<usize>> = waves
                .iter()
                .map(|wave| wave.iter().copied().filter(due).filter(|&index| !self.stands(index, &live)).collect())
                .collect();
            let count = wrong.iter().map(Vec::len).sum::<usize>();
            if count == 0 {
                if !look_again {
                    return Ok(());
                }
                look_again = false;
                tokio::select! {
                    () = sleep_until(written + IN_FLIGHT) => {}
                    // Said at the top.
                    _ = self.shutdown.stopping() => {}
                }
                continue;
            }
            if rounds == ROUNDS {
                for &index in wrong.iter().flatten() {
                    self.outcomes.borrow_mut()[index] = Outcome::Failed(self.unproven(index, &live));
                }
                return Ok(());
            }
            rounds += 1;
            let names: Vec<_> = wrong.iter().flatten().map(|&index| &*self.plan.items[index].name).collect();
            info!(jobs = ?names, "accepted by Dkron but not there afterwards; writing again");
            warnings.push(format!(
                "{} did not stand in Dkron ({}{}); written again",
                counted(count, "write"),
                names.iter().take(3).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
                if count > 3 { ", …" } else { "" },
            ));
            for wave in &wrong {
                self.write(wave).await;
            }
            look_again |= wrong.iter().flatten().any(risky);
            written = Instant::now();
        }
    }
}

/// How often what stands is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Once: more will follow.
    Once,
    /// Once more when no run in flight can undo an update or delete any longer.
    AgainLater,
}

/// Whether Dkron holds what this item wanted.
fn stands(item: &Item, live: &Live) -> bool {
    let live = live.jobs.get(&item.name).map(|live| &live.job);
    match (item.action, item.definition()) {
        (Action::Delete, _) => live.is_none(),
        // An ephemeral job is gone after its first success: its absence proves nothing either way.
        (_, Some(job)) => live.map_or_else(|| job.look(|job| job.ephemeral), |live| live == job),
        (_, None) => true,
    }
}

fn differences(live: &Packed, job: &Packed) -> String {
    let fields: Vec<_> = live.diff(job).into_iter().map(|change| format!("`{}`", change.field)).collect();
    if fields.is_empty() { "its stamp".to_owned() } else { fields.join(", ") }
}
